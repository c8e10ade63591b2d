// The APIs that tokens are for (RFC 8707), each with the life of its tokens.

import { errors } from 'oidc-provider';

// What each of them offers.
const SCOPE = 'api:read api:write';

// The provider's settings for APIs by identifier, with the life of their access tokens in seconds.
//
// Either a token request that names none of the grant's APIs means the first of them, and so does one that names
// several; or, as the provider does unless it is told otherwise, a token is for userinfo where none is named, and
// naming several is an error.
export function resourceIndicators(lives, remembered) {
  return {
    enabled: true,
    ...(remembered && {
      defaultResource: (_ctx, _client, oneOf) => (Array.isArray(oneOf) ? oneOf[0] : oneOf),
      useGrantedResource: () => true,
    }),
    getResourceServerInfo: (_ctx, identifier) => {
      if (!Object.hasOwn(lives, identifier)) throw new errors.InvalidTarget();
      return { scope: SCOPE, accessTokenFormat: 'opaque', accessTokenTTL: lives[identifier] };
    },
  };
}
