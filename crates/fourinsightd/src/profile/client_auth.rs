//! How a client proves itself, for each kind of request: servers exist that want it differently at each.

use serde::{Deserialize, Deserializer, Serialize};

/// How a client proves itself to the authorization server (RFC 6749 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_secret_basic`: form-encoded, then HTTP Basic.
    Basic,
    /// HTTP Basic without form-encoding first, as many libraries send it.
    BasicRaw,
    /// `client_secret_post`: in the body.
    Post,
    /// A public client: `client_id` in the body.
    None,
    /// The client secret in the body, and no `client_id` anywhere.
    SecretOnly,
    /// `private_key_jwt`: a JWT signed with the client's key, or one that somebody else signed (RFC 7523).
    PrivateKeyJwt,
    /// `client_secret_jwt`: a JWT signed with the client secret (OpenID Connect Core section 9).
    ClientSecretJwt,
}

impl ClientAuth {
    /// Every way, by its word in the configuration.
    pub const WORDS: [(&str, Self); 7] = [
        ("basic", Self::Basic),
        ("basic_raw", Self::BasicRaw),
        ("post", Self::Post),
        ("none", Self::None),
        ("secret_only", Self::SecretOnly),
        ("private_key_jwt", Self::PrivateKeyJwt),
        ("client_secret_jwt", Self::ClientSecretJwt),
    ];

    /// Whether it takes the client secret.
    pub fn takes_secret(self) -> bool {
        !matches!(self, Self::None | Self::PrivateKeyJwt)
    }
}

/// The kinds of request with which a client proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// What begins a login at the token endpoint: a code, or the client's own credentials.
    Code,
    /// A refresh token.
    Refresh,
    /// The device flow: its start and its polls (RFC 8628).
    Device,
    /// RFC 7009.
    Revoke,
}

/// One of something for each kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerRequest<T> {
    /// For [`RequestKind::Code`].
    pub code: T,
    /// For [`RequestKind::Refresh`].
    pub refresh: T,
    /// For [`RequestKind::Device`].
    pub device: T,
    /// For [`RequestKind::Revoke`].
    pub revoke: T,
}

impl PerRequest<()> {
    /// The kinds of request, by their words in the configuration.
    pub const KINDS: [&str; 4] = ["code", "refresh", "device", "revoke"];
}

impl<T: Copy> PerRequest<T> {
    /// The same for every kind.
    pub fn all(one: T) -> Self {
        Self { code: one, refresh: one, device: one, revoke: one }
    }

    /// The one for this kind.
    pub fn of(&self, kind: RequestKind) -> T {
        match kind {
            RequestKind::Code => self.code,
            RequestKind::Refresh => self.refresh,
            RequestKind::Device => self.device,
            RequestKind::Revoke => self.revoke,
        }
    }

    /// All four.
    pub fn each(&self) -> [T; 4] {
        [self.code, self.refresh, self.device, self.revoke]
    }
}

impl From<ClientAuth> for PerRequest<ClientAuth> {
    fn from(one: ClientAuth) -> Self {
        Self::all(one)
    }
}

/// Reads what a record holds: earlier records have one word for every kind.
pub(crate) fn one_or_each<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<PerRequest<ClientAuth>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(ClientAuth),
        Each(PerRequest<ClientAuth>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(one) => one.into(),
        Written::Each(each) => each,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_one_word_or_one_for_each_kind() {
        #[derive(Deserialize)]
        struct Record {
            #[serde(deserialize_with = "one_or_each")]
            client_auth: PerRequest<ClientAuth>,
        }
        let read = |json: &str| serde_json::from_str::<Record>(json).unwrap().client_auth;
        assert_eq!(read(r#"{"client_auth":"post"}"#), PerRequest::all(ClientAuth::Post));
        let each = PerRequest { refresh: ClientAuth::SecretOnly, ..PerRequest::all(ClientAuth::BasicRaw) };
        let written = format!("{{\"client_auth\":{}}}", serde_json::to_string(&each).unwrap());
        assert_eq!(read(&written), each);
        assert_eq!(
            (each.of(RequestKind::Code), each.of(RequestKind::Refresh)),
            (ClientAuth::BasicRaw, ClientAuth::SecretOnly)
        );
    }
}
