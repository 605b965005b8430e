// Runs a server for a test: on a free loopback port, until the test lets go.
import http from 'node:http';

// Standard output carries the URL alone; what libraries have to say goes beside it.
console.log = console.info = console.debug = console.error;

// listen begins to listen on a free port of 127.0.0.1 and gives the URL.
export async function listen(server) {
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const scheme = server instanceof http.Server ? 'http' : 'https';
  return `${scheme}://127.0.0.1:${server.address().port}`;
}

// ready writes the URL as one line, and ends the process when the test closes its side or dies.
export function ready(url) {
  process.stdout.write(`${url}\n`);
  process.stdin.resume().once('end', () => process.exit(0)).once('error', () => process.exit(0));
}

// options reads what the test wants, a JSON object in the first argument.
export const options = JSON.parse(process.argv[2] ?? '{}');

// body reads a request to its end.
export async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

// active asks an authorization server what a request's Bearer token stands for (RFC 7662); null if for nothing.
export async function active(request, { introspection, client }) {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (!token) return null;
  const answer = await fetch(introspection, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(client).toString('base64')}` },
    body: new URLSearchParams({ token }),
  });
  if (!answer.ok) throw new Error(`introspection answered ${answer.status}: ${await answer.text()}`);
  const found = await answer.json();
  return found.active ? found : null;
}
