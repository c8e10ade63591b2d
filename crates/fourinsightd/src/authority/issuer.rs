//! By which issuer identifier a server may go: the configured one, to the letter (OpenID Connect Discovery section
//! 4.3, RFC 8414 section 3.3, RFC 9207 section 2.4).
//!
//! Two servers are known to differ. At Microsoft's login hosts a domain, or a word for any tenant, stands for the
//! tenant's identifier: the one found first is kept, and every ID token must name it as its `tid`. And Google leaves
//! the scheme out of `iss`. What is believed of one host is believed of that host only.

use super::{Failure, Registration, microsoft::TenantIssuer, text::clean};
use crate::token::Person;

const GOOGLE: &str = "https://accounts.google.com";

/// How Google's ID tokens may write it.
const GOOGLE_WITHOUT_SCHEME: &str = "accounts.google.com";

/// Below which address the metadata of a configured issuer lies.
pub(super) fn to_ask(configured: &str) -> String {
    TenantIssuer::parse(configured)
        .map_or_else(|| configured.to_owned(), |issuer| issuer.to_ask().to_string())
}

/// The issuer of a server whose metadata said nothing.
pub(super) fn unresolved(configured: &str) -> String {
    TenantIssuer::parse(configured)
        .map_or_else(|| configured.to_owned(), |issuer| issuer.unresolved().to_string())
}

/// Takes the name that metadata gives its server: the issuer that is expected from then on.
pub(super) fn resolve(configured: &str, said: Option<&str>) -> Result<String, Failure> {
    let mismatch = |text: String| Failure::ours("issuer_mismatch", text);
    let Some(said) = said else {
        return Err(mismatch(
            "the issuer's metadata names no issuer; check `issuer` in the profile".to_owned(),
        ));
    };
    let tenants = TenantIssuer::parse(configured).zip(TenantIssuer::parse(said));
    if said == configured || tenants.is_some_and(|(asked, said)| asked.may_be(&said)) {
        return Ok(said.to_owned());
    }
    let only_slash = |long: &str, short: &str| long.strip_suffix('/') == Some(short);
    Err(mismatch(if only_slash(said, configured) || only_slash(configured, said) {
        // But for the slash it is the profile's own text, so it is shown whole.
        format!(
            "the profile's `issuer` and the server's own name differ by the slash at the end only; \
             write issuer = \"{said}\" in the profile"
        )
    } else {
        format!(
            "the server calls itself {}, which is not the profile's `issuer`; write exactly that there",
            clean(said)
        )
    }))
}

/// The issuer that vouches by an ID token with these claims, or what is wrong with them.
pub(super) fn vouching(expected: &str, iss: &str, tid: Option<&str>) -> Result<String, &'static str> {
    const OTHER: &str = "its issuer is another";
    let Some(tenants) =
        TenantIssuer::parse(expected).filter(|known| known.is_template() || known.guid().is_some())
    else {
        let same = iss == expected || (expected == GOOGLE && iss == GOOGLE_WITHOUT_SCHEME);
        return if same { Ok(expected.to_owned()) } else { Err(OTHER) };
    };
    let said = TenantIssuer::parse(iss)
        .filter(|said| tenants.is_beside(said))
        .and_then(|said| said.guid().map(str::to_owned));
    let Some(said) = said else { return Err(OTHER) };
    if tenants.guid().is_some_and(|pinned| pinned != said) {
        return Err("it is of another tenant than the one that this session is pinned to");
    }
    if iss != tenants.of(&said).to_string() {
        return Err(OTHER);
    }
    match tid {
        Some(tid) if tid == said => Ok(iss.to_owned()),
        Some(_) => Err("its tenant (`tid`) is not the one of its issuer"),
        None => Err("it names no tenant (`tid`)"),
    }
}

/// Whether an answer of the authorization endpoint with this `iss` (RFC 9207) is from the expected server.
pub(crate) fn is_answering(expected: &str, iss: &str) -> bool {
    // It names no tenant beside the issuer, so the issuer's own is as good.
    let tid = TenantIssuer::parse(iss).and_then(|said| said.guid().map(str::to_owned));
    vouching(expected, iss, tid.as_deref()).is_ok()
}

/// Whether this stands for the tenants of a whole cloud, so that nobody is known by it alone.
pub(super) fn is_template(issuer: &str) -> bool {
    TenantIssuer::parse(issuer).is_some_and(|issuer| issuer.is_template())
}

/// Whether the server is Google's, by its issuer or by where people are sent.
pub(crate) fn is_google(registration: &Registration) -> bool {
    let page = registration.authorization_endpoint.as_deref();
    registration.issuer.as_deref() == Some(GOOGLE)
        || page.and_then(|page| page.strip_prefix(GOOGLE)).is_some_and(|path| path.starts_with('/'))
}

/// Keeps the tenant that the first ID token came from.
pub(crate) fn pin(registration: &mut Registration, person: &Person) {
    if let Some(template) = registration.issuer.clone().filter(|issuer| is_template(issuer)) {
        registration.issuer = Some(person.issuer.clone());
        // A profile may name the template itself.
        registration.configured_issuer.get_or_insert(template);
    }
}

/// The tenant that a session has been signed in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedIssuer {
    configured: String,
    issuer: String,
}

impl PinnedIssuer {
    /// What a session's registration keeps of it.
    pub(crate) fn of(registration: &Registration) -> Option<Self> {
        let issuer = registration.issuer.clone().filter(|issuer| !is_template(issuer))?;
        Some(Self { configured: registration.configured_issuer.clone()?, issuer })
    }

    /// Holds a new login of the same session to it, where the profile still names the same issuer.
    pub(crate) fn hold(&self, registration: &mut Registration) -> Result<(), Failure> {
        if registration.configured_issuer.as_ref().or(registration.issuer.as_ref()) != Some(&self.configured)
        {
            return Ok(());
        }
        if registration.issuer.as_deref().is_some_and(is_template) {
            registration.issuer = Some(self.issuer.clone());
            registration.configured_issuer = Some(self.configured.clone());
        }
        if registration.issuer.as_ref() == Some(&self.issuer) {
            return Ok(());
        }
        Err(Failure::new(
            "issuer_mismatch",
            "the profile's `issuer` stands for another tenant now than when this session was first signed in; \
             revoke the session first, or use another session key",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::fake::registration;

    const GUID: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";
    const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    fn entra(tenant: &str) -> String {
        format!("https://login.microsoftonline.com/{tenant}/v2.0")
    }

    #[test]
    fn a_server_goes_by_the_configured_name_or_by_its_tenants() {
        let sovereign = |host: &str, tenant: &str| format!("https://{host}/{tenant}/v2.0");
        let external = |name: &str, tenant: &str| format!("https://{name}.ciamlogin.com/{tenant}/v2.0");
        for (configured, said) in [
            ("https://id.example".to_owned(), "https://id.example".to_owned()),
            (entra(GUID), entra(GUID)),
            (entra(&GUID.to_uppercase()), entra(GUID)),
            (entra("contoso.com"), entra(GUID)),
            (entra("contoso.onmicrosoft.com"), entra(GUID)),
            ("https://login.microsoftonline.com/contoso.com".into(), entra(GUID)),
            (entra("common"), entra("{tenantid}")),
            (entra("organizations"), entra("{tenantid}")),
            (entra("{tenantid}"), entra("{tenantid}")),
            (entra("consumers"), entra(OTHER)),
            ("https://login.windows.net/contoso.com/v2.0".into(), entra(GUID)),
            (
                sovereign("login.microsoftonline.us", "contoso.us"),
                sovereign("login.microsoftonline.us", GUID),
            ),
            (
                sovereign("login.chinacloudapi.cn", "contoso.cn"),
                sovereign("login.partner.microsoftonline.cn", GUID),
            ),
            ("https://sts.windows.net/contoso.com/".into(), format!("https://sts.windows.net/{GUID}/")),
            ("https://contoso.ciamlogin.com/".into(), external(GUID, GUID)),
            (external("contoso", "contoso.onmicrosoft.com"), external(GUID, GUID)),
            (external("contoso", GUID), external("contoso", GUID)),
        ] {
            assert_eq!(resolve(&configured, Some(&said)).as_ref(), Ok(&said), "{configured}");
        }
    }

    #[test]
    fn any_other_name_is_refused() {
        for (configured, said) in [
            ("https://id.example".to_owned(), "https://evil.example".to_owned()),
            ("https://id.example".into(), "https://ID.example".into()),
            ("https://id.example/contoso.com/v2.0".into(), format!("https://id.example/{GUID}/v2.0")),
            ("https://id.example/common/v2.0".into(), "https://id.example/{tenantid}/v2.0".into()),
            (entra(GUID), entra(OTHER)),
            (entra(GUID), entra("{tenantid}")),
            (entra("contoso.com"), entra("fabrikam.com")),
            (entra("contoso.com"), entra("{tenantid}")),
            (entra("contoso.com"), entra("common")),
            (entra("contoso.com"), format!("https://sts.windows.net/{GUID}/")),
            (entra("contoso.com"), format!("https://login.microsoftonline.com/{GUID}")),
            (entra("contoso.com"), format!("https://login.microsoftonline.us/{GUID}/v2.0")),
            (entra("contoso.com"), format!("https://login.microsoftonline.com.evil.example/{GUID}/v2.0")),
            (entra("contoso.com"), format!("https://login.microsoftonline.com:8443/{GUID}/v2.0")),
            (entra("contoso.com"), format!("http://login.microsoftonline.com/{GUID}/v2.0")),
            (format!("https://login.microsoftonline.com.evil.example/{OTHER}/v2.0"), entra(GUID)),
            ("https://login.microsoftonline.com.evil.example/contoso.com/v2.0".into(), entra(GUID)),
            ("https://login.microsoftonline.com@evil.example/contoso.com/v2.0".into(), entra(GUID)),
            ("https://contoso.ciamlogin.com/".into(), format!("https://{OTHER}.ciamlogin.com/{GUID}/v2.0")),
            ("https://contoso.ciamlogin.com/".into(), format!("https://fabrikam.ciamlogin.com/{GUID}/v2.0")),
            ("https://contoso.ciamlogin.com/".into(), entra(GUID)),
            (GOOGLE.into(), GOOGLE_WITHOUT_SCHEME.into()),
        ] {
            let failure = resolve(&configured, Some(&said)).unwrap_err();
            assert_eq!(failure.error, "issuer_mismatch", "{configured} {said}");
            assert!(failure.description.contains("; "), "{}", failure.description);
        }
        assert!(resolve("https://id.example", None).is_err());
    }

    #[test]
    fn where_only_the_slash_differs_the_value_to_write_is_told() {
        let long = format!("https://id.example/{}1", "a".repeat(300));
        for (configured, said) in [
            ("https://id.example/", "https://id.example"),
            ("https://id.example", "https://id.example/"),
            (&*format!("{long}/"), &*long),
        ] {
            let failure = resolve(configured, Some(said)).unwrap_err();
            let told = format!("; write issuer = \"{said}\" in the profile");
            assert!(failure.description.ends_with(&told), "{}", failure.description);
        }
        for said in ["https://evil.example/", &format!("https://id.example{}", "/".repeat(200_000))] {
            let failure = resolve("https://id.example", Some(said)).unwrap_err();
            assert!(!failure.description.contains("slash"), "{}", failure.description);
            assert!(failure.description.len() < 1000);
        }
    }

    #[test]
    fn an_id_token_vouches_for_its_own_tenant() {
        let external = format!("https://{GUID}.ciamlogin.com/{GUID}/v2.0");
        for (expected, iss, tid, person) in [
            ("https://id.example", "https://id.example", None, Some("https://id.example")),
            ("https://id.example", "https://id.example", Some("x"), Some("https://id.example")),
            ("https://id.example", "https://id.example/", None, None),
            ("https://id.example", "id.example", None, None),
            (GOOGLE, GOOGLE, None, Some(GOOGLE)),
            (GOOGLE, GOOGLE_WITHOUT_SCHEME, None, Some(GOOGLE)),
            (GOOGLE, "http://accounts.google.com", None, None),
            (GOOGLE, "accounts.google.com.evil.example", None, None),
            ("https://accounts.google.com.evil.example", GOOGLE_WITHOUT_SCHEME, None, None),
            (&*entra(GUID), &*entra(GUID), Some(GUID), Some(&*entra(GUID))),
            (&*entra(GUID), &*entra(GUID), None, None),
            (&*entra(GUID), &*entra(GUID), Some(OTHER), None),
            (&*entra(GUID), &*entra(OTHER), Some(OTHER), None),
            (&*entra(GUID), &*entra(OTHER), Some(GUID), None),
            (&*entra("{tenantid}"), &*entra(GUID), Some(GUID), Some(&*entra(GUID))),
            (&*entra("{tenantid}"), &*entra(GUID), Some(OTHER), None),
            (&*entra("{tenantid}"), &*entra(GUID), Some(""), None),
            (&*entra("{tenantid}"), &*entra(GUID), None, None),
            (&*entra("{tenantid}"), &*entra("{tenantid}"), Some("{tenantid}"), None),
            (&*entra("{tenantid}"), &*entra("contoso.com"), Some("contoso.com"), None),
            (&*entra("{tenantid}"), &*format!("https://evil.example/{GUID}/v2.0"), Some(GUID), None),
            (&*entra("{tenantid}"), &*format!("https://login.windows.net/{GUID}/v2.0"), Some(GUID), None),
            ("https://evil.example/{tenantid}/v2.0", &*entra(GUID), Some(GUID), None),
            (&*external, &*external, Some(GUID), Some(&*external)),
        ] {
            assert_eq!(vouching(expected, iss, tid).ok().as_deref(), person, "{expected} {iss} {tid:?}");
        }
        let pinned = vouching(&entra(GUID), &entra(OTHER), Some(OTHER)).unwrap_err();
        assert!(pinned.contains("pinned"), "{pinned}");
    }

    #[test]
    fn a_callback_is_held_to_the_same_rule() {
        for (expected, iss, answers) in [
            ("https://id.example", "https://id.example", true),
            ("https://id.example", "https://evil.example", false),
            (GOOGLE, GOOGLE_WITHOUT_SCHEME, true),
            (&*entra("{tenantid}"), &*entra(GUID), true),
            (&*entra("{tenantid}"), &*entra("common"), false),
            (&*entra(GUID), &*entra(GUID), true),
            (&*entra(GUID), &*entra(OTHER), false),
        ] {
            assert_eq!(is_answering(expected, iss), answers, "{expected} {iss}");
        }
    }

    #[test]
    fn the_first_tenant_is_kept() {
        let person = Person { issuer: entra(GUID), subject: "alice".into(), name: None, login_hint: None };
        let mut found = registration();
        (found.issuer, found.configured_issuer) = (Some(entra("{tenantid}")), Some(entra("common")));
        assert_eq!(PinnedIssuer::of(&found), None);
        let first = found.clone();
        pin(&mut found, &person);
        assert_eq!(found.issuer.as_deref(), Some(&*entra(GUID)));
        let pinned = PinnedIssuer::of(&found).unwrap();

        let mut later = first.clone();
        pinned.hold(&mut later).unwrap();
        assert_eq!(later.issuer, found.issuer);
        let mut moved = Registration { issuer: Some(entra(OTHER)), ..first.clone() };
        assert!(pinned.hold(&mut moved).unwrap_err().description.contains("revoke the session first"));

        // The profile may name the template itself.
        let mut named = Registration { configured_issuer: None, ..first };
        let first = named.clone();
        pin(&mut named, &person);
        let pinned_by_template = PinnedIssuer::of(&named).unwrap();
        let mut later = first.clone();
        pinned_by_template.hold(&mut later).unwrap();
        assert_eq!(later, named);
        let person = Person { issuer: entra(OTHER), ..person };
        pin(&mut later, &person);
        assert_eq!(later, named, "it stays with its first tenant");

        let mut elsewhere = Registration { configured_issuer: None, ..registration() };
        pinned.hold(&mut elsewhere).unwrap();
        assert_eq!(elsewhere, registration());
        pin(&mut elsewhere, &person);
        assert_eq!(elsewhere, registration());
    }
}
