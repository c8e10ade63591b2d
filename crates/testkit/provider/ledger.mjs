// What the provider saw and did, for tests to assert on: `GET /practice/ledger`, `GET /practice/lives`.

import { setTimeout } from 'node:timers/promises';

export class Ledger {
  // Every code, token and client secret: what must turn up nowhere.
  #secrets;

  #tokenRequests = [];

  #revocations = [];

  #refreshTokens = { saved: 0, consumed: 0, destroyed: 0 };

  #grantsRevoked = 0;

  #reused = 0;

  // Every grant of a person, and those among them that are no more.
  #grants = { made: new Set(), ended: new Set() };

  // Refresh token -> its grant.
  #grantOf = new Map();

  // How long a token request waits before it is looked at, in milliseconds: what overlaps then shows.
  #delay;

  // Access token -> when it was saved, and when it ended before its time if it did, in milliseconds.
  #lives = new Map();

  constructor(secrets, delay = 0) {
    this.#secrets = new Set(secrets);
    this.#delay = delay;
  }

  listen(provider) {
    for (const event of ['saved', 'consumed', 'destroyed']) {
      provider.on(`refresh_token.${event}`, () => { this.#refreshTokens[event] += 1; });
    }
    provider.on('refresh_token.saved', (token) => { this.#grantOf.set(token.jti, token.grantId); });
    provider.on('grant.saved', (grant) => { this.#grants.made.add(grant.jti); });
    provider.on('grant.destroyed', (grant) => { this.#grants.ended.add(grant.jti); });
    provider.on('grant.error', (_ctx, error) => {
      if (error.error_detail === 'refresh token already used') this.#reused += 1;
    });
    provider.on('access_token.saved', (token) => {
      this.#lives.set(token.jti, { expires_at: Date.now() + token.expiration * 1000, grant: token.grantId });
    });
    provider.on('access_token.destroyed', (token) => { this.#end((_life, jti) => jti === token.jti); });
    provider.on('grant.revoked', (_ctx, grant) => {
      this.#grantsRevoked += 1;
      this.#grants.ended.add(grant);
      this.#end((life) => life.grant === grant);
    });
    // A device's authorization ends without anything for the browser to carry.
    provider.on('authorization.success', (_ctx, out) => { this.#keep(out?.code, out?.id_token); });
    provider.use((ctx, next) => this.#watch(ctx, next));
  }

  async #watch(ctx, next) {
    if (ctx.path === '/practice/ledger') {
      ctx.body = this.#report();
      return;
    }
    if (ctx.path === '/practice/lives') {
      ctx.body = Object.fromEntries(this.#lives);
      return;
    }
    const arrivedAt = Date.now();
    if (ctx.path === '/token') await setTimeout(this.#delay);
    await next();
    const { route, params = {} } = ctx.oidc ?? {};
    if (route === 'token') this.#noteTokenRequest(ctx, params, arrivedAt);
    if (route === 'revocation') this.#revocations.push({ status: ctx.status, error: ctx.body?.error });
  }

  #noteTokenRequest({ status, body }, params, arrivedAt) {
    this.#keep(params.code, params.device_code, params.code_verifier, params.refresh_token);
    this.#keep(body?.access_token, body?.refresh_token, body?.id_token);
    this.#tokenRequests.push({
      arrived_at: arrivedAt,
      at: Date.now(),
      grant: this.#grantOf.get(params.refresh_token ?? body?.refresh_token),
      grant_type: params.grant_type,
      refresh_token: params.refresh_token,
      scope: params.scope,
      resources: [params.resource ?? []].flat(),
      status,
      error: body?.error,
      error_description: body?.error_description,
    });
  }

  #keep(...values) {
    for (const value of values) if (typeof value === 'string') this.#secrets.add(value);
  }

  #end(matches) {
    const now = Date.now();
    for (const [jti, life] of this.#lives) if (matches(life, jti)) life.ended_at ??= now;
  }

  #report() {
    return {
      token_requests: this.#tokenRequests,
      revocations: this.#revocations,
      refresh_tokens: this.#refreshTokens,
      grants_revoked: this.#grantsRevoked,
      grants_alive: this.#grants.made.difference(this.#grants.ended).size,
      refresh_tokens_reused: this.#reused,
      secrets: [...this.#secrets],
    };
  }
}
