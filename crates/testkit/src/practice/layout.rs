//! Where a server's endpoints are, pure: one table for each kind of server.

use super::site::Endpoint::{
    self, Api, Authorization, DeviceAuthorization, DeviceVerification, Discovery, Jwks, Package, Revocation,
    Token, UserInfo,
};

/// Endpoints and their paths, where `{tenant}` stands for any one segment. An endpoint's first path is the one in
/// the metadata.
pub(super) type Layout = &'static [(Endpoint, &'static str)];

/// What stands for any one segment of a path.
pub(super) const TENANT: &str = "{tenant}";

/// This server's own.
pub(super) const STANDARD: Layout = &[
    (Authorization, "/authorize"),
    (Package, "/auth"),
    (Token, "/token"),
    (DeviceAuthorization, "/device_authorization"),
    (DeviceVerification, "/device"),
    (Revocation, "/revoke"),
    (UserInfo, "/userinfo"),
    (Discovery, "/.well-known/openid-configuration"),
    (Discovery, "/.well-known/oauth-authorization-server"),
    (Jwks, "/jwks"),
    (Api, "/api/hello"),
    // What README.md asks APIs for.
    (Api, "/things"),
    (Api, "/v1.0/Campaigns"),
];

/// Entra's: most below a tenant.
pub(super) const ENTRA: Layout = &[
    (Authorization, "/{tenant}/oauth2/v2.0/authorize"),
    (Token, TENANT_TOKEN),
    (DeviceAuthorization, "/{tenant}/oauth2/v2.0/devicecode"),
    (DeviceVerification, "/devicelogin"),
    (UserInfo, "/oidc/userinfo"),
    (Discovery, "/{tenant}/v2.0/.well-known/openid-configuration"),
    (Jwks, "/{tenant}/discovery/v2.0/keys"),
    (Api, "/api/hello"),
    // What README.md asks Cognite's for.
    (Api, "/api/v1/projects/my-project/assets"),
];

/// A tenant's token endpoint, where also packages of the standard server may point.
pub(super) const TENANT_TOKEN: &str = "/{tenant}/oauth2/v2.0/token";

/// GitHub's, which has no metadata.
pub(super) const GITHUB: Layout = &[
    (Authorization, "/login/oauth/authorize"),
    (Token, "/login/oauth/access_token"),
    (DeviceAuthorization, "/login/device/code"),
    (DeviceVerification, "/login/device"),
    (Api, "/api/hello"),
];

/// Auth0's.
pub(super) const AUTH0: Layout = &[
    (Authorization, "/authorize"),
    (Token, "/oauth/token"),
    (DeviceAuthorization, "/oauth/device/code"),
    (DeviceVerification, "/activate"),
    (Revocation, "/oauth/revoke"),
    (UserInfo, "/userinfo"),
    (Discovery, "/.well-known/openid-configuration"),
    (Jwks, "/.well-known/jwks.json"),
    (Api, "/api/hello"),
];

/// The first path of an endpoint.
pub(super) fn path(layout: Layout, endpoint: Endpoint) -> Option<&'static str> {
    layout.iter().find(|(other, _)| *other == endpoint).map(|(_, path)| *path)
}

/// The endpoint at a path of any kind of server: no path means two things.
pub(super) fn endpoint_at(path: &str) -> Option<Endpoint> {
    let known = [STANDARD, ENTRA, GITHUB, AUTH0].into_iter().flatten();
    known.into_iter().find(|(_, pattern)| matches(pattern, path)).map(|(endpoint, _)| *endpoint)
}

/// The tenant in a path that has a place for one.
pub(super) fn tenant_in(path: &str) -> Option<&str> {
    let pattern = ENTRA.iter().map(|(_, pattern)| *pattern).find(|pattern| matches(pattern, path))?;
    let place = pattern.split('/').position(|segment| segment == TENANT)?;
    path.split('/').nth(place)
}

fn matches(pattern: &str, path: &str) -> bool {
    let fits =
        |(pattern, segment): (&str, &str)| pattern == segment || (pattern == TENANT && !segment.is_empty());
    pattern.split('/').count() == path.split('/').count() && pattern.split('/').zip(path.split('/')).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_one_segment_that_is_not_empty() {
        for (path, endpoint, tenant) in [
            ("/contoso.example/oauth2/v2.0/token", Some(Token), Some("contoso.example")),
            ("/common/v2.0/.well-known/openid-configuration", Some(Discovery), Some("common")),
            ("/.well-known/openid-configuration", Some(Discovery), None),
            ("/devicelogin", Some(DeviceVerification), None),
            ("/login/oauth/access_token", Some(Token), None),
            ("//oauth2/v2.0/token", None, None),
            ("/a/b/oauth2/v2.0/token", None, None),
            ("/a/oauth2/v2.0/token/", None, None),
        ] {
            assert_eq!((endpoint_at(path), tenant_in(path)), (endpoint, tenant), "{path}");
        }
    }

    #[test]
    fn a_path_is_the_same_endpoint_wherever_it_is_known() {
        for layout in [STANDARD, ENTRA, GITHUB, AUTH0] {
            for (endpoint, path) in layout {
                assert_eq!(endpoint_at(path), Some(*endpoint), "{path}");
            }
        }
    }
}
