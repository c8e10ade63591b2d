// The APIs that tokens are for (RFC 8707), each with the life of its tokens.

import { errors } from 'oidc-provider';

// What each of them offers.
const SCOPE = 'api:read api:write';

// The provider's settings for APIs by identifier, with the life of their access tokens in seconds. Where a grant is for
// several and a request names none, the first is meant.
export function resourceIndicators(lives) {
  return {
    enabled: true,
    defaultResource: (_ctx, _client, oneOf) => (Array.isArray(oneOf) ? oneOf[0] : oneOf),
    useGrantedResource: () => true,
    getResourceServerInfo: (_ctx, identifier) => {
      if (!Object.hasOwn(lives, identifier)) throw new errors.InvalidTarget();
      return { scope: SCOPE, accessTokenFormat: 'opaque', accessTokenTTL: lives[identifier] };
    },
  };
}
