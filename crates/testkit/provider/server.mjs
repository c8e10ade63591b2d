// The OpenID Provider of the process tests: `oidc-provider` on a free loopback port, with its own login and
// consent forms, strict refresh token rotation, revocation and introspection.
//
// One argument: JSON settings. One line of JSON on standard output once it listens. It ends with its standard
// input, so it never outlives the test that started it.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { Ledger } from './ledger.mjs';
import { resourceIndicators } from './resources.mjs';

const settings = JSON.parse(process.argv[2] ?? '{}');

// The provider's notices about development settings are meant; standard output carries the ready line alone.
console.info = () => {};
console.warn = () => {};

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();

const server = createServer();
await new Promise((resolve) => { server.listen(settings.port ?? 0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;

const secrets = {
  confidential: randomBytes(24).toString('base64url'),
  oracle: randomBytes(24).toString('base64url'),
  // Only correct encoding carries these over.
  basic: `${randomBytes(24).toString('base64')}~:%2B&= +`,
  post: `${randomBytes(24).toString('base64')}~:%2B&= +`,
  jwt: `${randomBytes(24).toString('base64')}~:%2B&= +`,
};
// What the client of private_key_jwt signs with.
const clientKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ledger = new Ledger(Object.values(secrets), settings.answer_delay);
const provider = new Provider(issuer, configuration(settings, secrets, clientKey.publicKey));
ledger.listen(provider);
provider.on('server_error', (_ctx, error) => console.error(error));
server.on('request', provider.callback());

process.stdout.write(`${JSON.stringify({
  issuer,
  public_client: { client_id: 'practice-public' },
  confidential_client: { client_id: 'practice-confidential', client_secret: secrets.confidential },
  clients_by_authentication: {
    basic: { client_id: 'practice-basic', client_secret: secrets.basic },
    post: { client_id: 'practice-post', client_secret: secrets.post },
    client_secret_jwt: { client_id: 'practice-jwt', client_secret: secrets.jwt },
    private_key_jwt: {
      client_id: 'practice-key',
      client_key: clientKey.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    },
  },
  oracle_client: { client_id: 'practice-oracle', client_secret: secrets.oracle },
})}\n`);

function configuration(
  {
    access_token_life: accessTokenLife = 600,
    refresh_token_life: refreshTokenLife = 24 * 3600,
    resources = {},
    remembers_resources: remembersResources = true,
  },
  {
    confidential, oracle, basic, post, jwt,
  },
  clientKey,
) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const app = {
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code'],
    // A native client's loopback redirect URI matches at any port (RFC 8252 section 7.3).
    redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback', 'http://[::1]/callback'],
  };
  return {
    clients: [
      { ...app, client_id: 'practice-public', token_endpoint_auth_method: 'none' },
      {
        ...app,
        client_id: 'practice-confidential',
        client_secret: confidential,
        token_endpoint_auth_method: 'client_secret_basic',
      },
      ...Object.entries({ basic, post, jwt }).map(([method, secret]) => ({
        ...app,
        client_id: `practice-${method}`,
        client_secret: secret,
        grant_types: [...app.grant_types, 'client_credentials'],
        token_endpoint_auth_method: `client_secret_${method}`,
      })),
      {
        ...app,
        client_id: 'practice-key',
        grant_types: [...app.grant_types, 'client_credentials'],
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...clientKey.export({ format: 'jwk' }), use: 'sig' }] },
      },
      {
        client_id: 'practice-oracle',
        client_secret: oracle,
        grant_types: [],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    scopes: ['openid', 'offline_access', 'profile', 'api:read', 'api:write'],
    claims: { openid: ['sub'], profile: ['name'] },
    // The ID token carries the name too, as most providers' do.
    conformIdTokenClaims: false,
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: resourceIndicators(resources, remembersResources),
      revocation: { enabled: true },
      userinfo: { enabled: true },
    },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? accessTokenLife,
      AuthorizationCode: 60,
      Grant: refreshTokenLife,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: refreshTokenLife,
      Session: refreshTokenLife,
    },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, name: `${sub} of Practice` }) }),
  };
}
