// Runs oidc-provider. Options: {clients: [client metadata], ttl: seconds an access token lives, tls: {key, cert, ca} for a
// second listener that asks for client certificates and is named in mtls_endpoint_aliases}.
//
// Whoever comes to log in is the user "ward" and agrees to everything. GET /counts says which grants succeeded and failed.
// token_exchange is ours, as oidc-provider leaves that grant to who runs it: it gives an access token for an access token.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { listen, options, ready } from './loopback.mjs';

const { default: Provider, errors } = await import('oidc-provider');

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const ttl = options.ttl ?? 3600;
const plain = http.createServer();
const issuer = await listen(plain);
const secured = options.tls && https.createServer({ ...options.tls, requestCert: true, rejectUnauthorized: false });
const alias = secured && await listen(secured);

// certificate gives the client's certificate of a connection.
function certificate(ctx) {
  const raw = ctx.socket.getPeerCertificate?.()?.raw;
  return raw && `-----BEGIN CERTIFICATE-----\n${raw.toString('base64')}\n-----END CERTIFICATE-----`;
}

const provider = new Provider(issuer, {
  clients: options.clients,
  scopes: ['openid', 'offline_access', 'patient.read', 'system/Patient.crus'],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'tls_client_auth',
    'self_signed_tls_client_auth', 'none'],
  enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'HS512', 'RS256', 'RS384', 'PS384', 'ES256', 'ES384', 'EdDSA'] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      selfSignedTlsClientAuth: true,
      getCertificate: certificate,
      certificateAuthorized: (ctx) => ctx.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_dns'
        && ctx.socket.getPeerCertificate().subjectaltname === `DNS:${expected}`,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, one) => one,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (!resource.endsWith('.example.test')) throw new errors.InvalidTarget();
        return { audience: resource, scope: 'patient.read', accessTokenTTL: ttl, accessTokenFormat: resource.includes('jwt') ? 'jwt' : 'opaque' };
      },
    },
  },
  discovery: alias ? { mtls_endpoint_aliases: { token_endpoint: `${alias}/token` } } : {},
  rotateRefreshToken: true,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: ttl, ClientCredentials: ttl, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 600, DeviceCode: 600, IdToken: 3600 },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

provider.registerGrantType(exchange, async (ctx) => {
  const { subject_token: subject, subject_token_type: type, scope } = ctx.oidc.params;
  if (type !== accessToken) throw new errors.InvalidRequest('subject_token_type is not supported');
  const found = await provider.AccessToken.find(subject) ?? await provider.ClientCredentials.find(subject);
  if (!found) throw new errors.InvalidGrant('subject_token is not known');
  const token = new provider.ClientCredentials({ client: ctx.oidc.client, scope });
  ctx.body = { access_token: await token.save(), issued_token_type: accessToken, token_type: 'Bearer', expires_in: token.expiration, scope };
}, ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'audience', 'scope']);

const counts = { revoked: 0 };
const count = (name) => { counts[name] = (counts[name] ?? 0) + 1; };
provider.on('grant.success', (ctx) => count(`${ctx.oidc.params.grant_type} ok`));
provider.on('grant.error', (ctx, error) => count(`${ctx.oidc?.params?.grant_type} ${error.message}: ${error.error_detail ?? error.error_description}`));
provider.on('grant.revoked', () => count('revoked'));
provider.on('server_error', (ctx, error) => console.error(error));

// interact answers what a person would be asked: who they are, and whether they agree.
async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'ward' } });
  }
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
for (const server of [plain, secured]) {
  server?.on('request', (request, response) => {
    if (request.url === '/counts') {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(counts));
    } else if (request.url.startsWith('/interaction/')) {
      interact(request, response).catch((error) => {
        console.error(error);
        response.writeHead(500).end();
      });
    } else {
      answer(request, response);
    }
  });
}
ready(issuer);
