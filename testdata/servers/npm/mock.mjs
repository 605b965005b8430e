// Runs oauth2-mock-server, which lets everybody in. Options: {answers: [members]}: the n-th is merged into the n-th answer of
// its token endpoint, and its member "status" is the answer's status.
import { options, ready } from './loopback.mjs';

const { OAuth2Server } = await import('oauth2-mock-server');

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
const answers = [...(options.answers ?? [])];
server.service.on('beforeResponse', (response, request) => {
  console.error(request.headers['content-type'], JSON.stringify(request.body));
  const { status, ...members } = answers.shift() ?? {};
  if (status) response.statusCode = status;
  Object.assign(response.body, members);
});
await server.start(0, '127.0.0.1');
ready(server.issuer.url);
