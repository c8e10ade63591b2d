//! A throwaway certificate authority and the server certificate it signs: rustls takes no CA for a server.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// The names of the APIs in README.md.
pub(crate) const README_APIS: [&str; 3] =
    ["api.example.com", "api.4insight.io", "westeurope-1.cognitedata.com"];

/// A name for the server that a test may have resolved to this machine.
pub const SERVER_NAME: &str = "id.example.com";

/// One server's certificates.
pub(super) struct Certificates {
    /// The authority's certificate, for a client's `tls_ca_file`.
    pub(super) ca_pem: String,
    pub(super) server: Arc<ServerConfig>,
}

impl Certificates {
    /// Makes an authority, and a server certificate for this machine's loopback names, for [`SERVER_NAME`], and for
    /// the names of the APIs in README.md, which a test's programs look for here.
    pub(super) fn generate() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Practice certificate authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let key = KeyPair::generate()?;
        let here = ["localhost", "127.0.0.1", "::1", SERVER_NAME];
        let names = here.into_iter().chain(README_APIS).map(str::to_owned);
        let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, "Practice authorization server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &authority)?;

        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private_key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem: authority.pem(), server: Arc::new(server) })
    }
}
