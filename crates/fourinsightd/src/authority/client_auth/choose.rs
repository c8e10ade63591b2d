//! How a client proves itself where the profile does not say: by what the server lists, and what the profile has.

use crate::profile::{ClientAuth, Flow, PerRequest, Profile};

/// What a server's metadata says about client authentication (RFC 8414 section 2).
#[derive(Clone, Debug, Default)]
pub(in crate::authority) struct Supported {
    /// `token_endpoint_auth_methods_supported`.
    pub(in crate::authority) token: Option<Vec<String>>,
    /// `revocation_endpoint_auth_methods_supported`.
    pub(in crate::authority) revocation: Option<Vec<String>>,
}

impl Supported {
    /// Whether all that the token endpoint is said to take is mutual TLS (RFC 8705), which nobody speaks here.
    pub(in crate::authority) fn is_mutual_tls_only(&self) -> bool {
        let by_tls = |method: &String| method == "tls_client_auth" || method == "self_signed_tls_client_auth";
        self.token.as_ref().is_some_and(|listed| !listed.is_empty() && listed.iter().all(by_tls))
    }
}

/// How this profile's client proves itself at a server that says this.
pub(in crate::authority) fn of_profile(profile: &Profile, supported: &Supported) -> PerRequest<ClientAuth> {
    if profile.flow == Flow::Certificate {
        return PerRequest::all(ClientAuth::PrivateKeyJwt);
    }
    let material =
        Material { secret: profile.client_secret.is_some(), assertion: profile.assertion.can_prove() };
    choose(profile.client_auth, material, supported)
}

/// What a profile has to prove its client with.
#[derive(Clone, Copy, Debug)]
struct Material {
    secret: bool,
    assertion: bool,
}

/// As the profile says, else by the methods that the server's metadata lists.
fn choose(
    configured: PerRequest<Option<ClientAuth>>,
    material: Material,
    supported: &Supported,
) -> PerRequest<ClientAuth> {
    let token = best(material, supported.token.as_deref());
    let revocation = supported.revocation.as_deref().map_or(token, |listed| best(material, Some(listed)));
    PerRequest {
        code: configured.code.unwrap_or(token),
        refresh: configured.refresh.unwrap_or(token),
        device: configured.device.unwrap_or(token),
        revoke: configured.revoke.unwrap_or(revocation),
    }
}

/// The best of the listed methods; a server that lists none takes basic (RFC 8414 section 2).
fn best(material: Material, listed: Option<&[String]>) -> ClientAuth {
    let lists = |method: &str| listed.is_some_and(|list| list.iter().any(|entry| entry == method));
    match material {
        Material { secret: false, assertion: false } => ClientAuth::None,
        Material { secret: false, assertion: true } => ClientAuth::PrivateKeyJwt,
        Material { assertion: true, .. } if lists("private_key_jwt") => ClientAuth::PrivateKeyJwt,
        _ if lists("client_secret_basic") => ClientAuth::Basic,
        _ if lists("client_secret_post") => ClientAuth::Post,
        _ if lists("client_secret_jwt") => ClientAuth::ClientSecretJwt,
        _ => ClientAuth::Basic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Material = Material { secret: true, assertion: false };

    fn list(methods: &[&str]) -> Vec<String> {
        methods.iter().map(|&method| method.to_owned()).collect()
    }

    #[test]
    fn the_method_follows_the_metadata_and_what_the_profile_has() {
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        let (by_key, by_secret) = ("private_key_jwt", "client_secret_jwt");
        for (secret, assertion, token, chosen) in [
            (false, false, None, ClientAuth::None),
            (false, false, Some(list(&[basic])), ClientAuth::None),
            (true, false, None, ClientAuth::Basic),
            (true, false, Some(list(&[])), ClientAuth::Basic),
            (true, false, Some(list(&[basic])), ClientAuth::Basic),
            (true, false, Some(list(&[post, basic])), ClientAuth::Basic),
            (true, false, Some(list(&[by_key, post])), ClientAuth::Post),
            (true, false, Some(list(&[by_key])), ClientAuth::Basic),
            (true, false, Some(list(&[by_secret, post])), ClientAuth::Post),
            (true, false, Some(list(&[by_key, by_secret])), ClientAuth::ClientSecretJwt),
            (false, true, None, ClientAuth::PrivateKeyJwt),
            (false, true, Some(list(&[basic])), ClientAuth::PrivateKeyJwt),
            (true, true, None, ClientAuth::Basic),
            (true, true, Some(list(&[post])), ClientAuth::Post),
            (true, true, Some(list(&[post, basic, by_key])), ClientAuth::PrivateKeyJwt),
        ] {
            let supported = Supported { token, revocation: None };
            let chose = choose(PerRequest::default(), Material { secret, assertion }, &supported);
            assert_eq!(chose, PerRequest::all(chosen), "{secret} {assertion} {supported:?}");
        }
    }

    #[test]
    fn revocation_has_its_own_list_and_the_profile_goes_before_both() {
        let supported = Supported {
            token: Some(list(&["client_secret_post"])),
            revocation: Some(list(&["client_secret_basic"])),
        };
        let chosen = choose(PerRequest::default(), SECRET, &supported);
        assert_eq!((chosen.code, chosen.revoke), (ClientAuth::Post, ClientAuth::Basic));
        let configured = PerRequest {
            refresh: Some(ClientAuth::SecretOnly),
            revoke: Some(ClientAuth::BasicRaw),
            ..PerRequest::default()
        };
        assert_eq!(
            choose(configured, SECRET, &supported),
            PerRequest {
                code: ClientAuth::Post,
                refresh: ClientAuth::SecretOnly,
                device: ClientAuth::Post,
                revoke: ClientAuth::BasicRaw,
            }
        );
    }
}
