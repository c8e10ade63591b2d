//! Microsoft's login hosts, and the issuer identifiers that they give their tenants.
//!
//! One server stands for every tenant of a cloud. A tenant is asked for by its identifier (a GUID), by a domain, or
//! by a word for any tenant, and the metadata answers with the identifier, or with a template for it. No other host
//! is read this way: a name that only looks like one of these is none of them.

use std::fmt;

/// What stands for the tenant in the issuer identifier of those who may be of any.
const TEMPLATE: &str = "{tenantid}";

/// The words that ask for a person of any tenant.
const ANY: [&str; 3] = ["common", "organizations", "consumers"];

/// The hosts of each cloud. The last ones of a row issue under their own name only what version 1.0 issues.
const CLOUDS: [&[&str]; 3] = [
    &["login.microsoftonline.com", "login.windows.net", "sts.windows.net"],
    &["login.microsoftonline.us"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
];

/// Version 1.0 issues here, whichever host was asked.
const VERSION_1: &str = "sts.windows.net";

/// External tenants have a host each, named by the tenant (`contoso.ciamlogin.com`).
const EXTERNAL: &str = ".ciamlogin.com";

/// Whether this URL is at one of Microsoft's login hosts, by https and on its usual port.
pub(super) fn is_login_host(url: &str) -> bool {
    host_and_rest(url).is_some()
}

/// Whether this is a tenant's identifier: a GUID.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// An issuer identifier at one of Microsoft's login hosts, in its parts: `https://HOST/TENANT` and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TenantIssuer {
    host: String,
    tenant: String,
    rest: String,
}

impl TenantIssuer {
    /// Takes an issuer identifier apart; `None` at any other host.
    pub(super) fn parse(issuer: &str) -> Option<Self> {
        let (host, path) = host_and_rest(issuer)?;
        let (tenant, rest) = match path.find('/') {
            Some(end) => path.split_at(end),
            None => (path, ""),
        };
        let external = host.strip_suffix(EXTERNAL);
        let tenant = match external {
            // Such a host names its tenant by itself.
            Some(name) if tenant.is_empty() && rest.is_empty() => format!("{name}.onmicrosoft.com"),
            _ => tenant.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let named = !tenant.is_empty() && tenant.chars().all(plain) && !tenant.starts_with('.');
        let usual = matches!(rest, "" | "/" | "/v2.0" | "/v2.0/");
        ((named || tenant == TEMPLATE) && usual).then(|| Self {
            host: host.to_owned(),
            tenant,
            rest: rest.to_owned(),
        })
    }

    /// The tenant's identifier, where it is one.
    pub(super) fn guid(&self) -> Option<&str> {
        Some(self.tenant.as_str()).filter(|tenant| is_guid(tenant))
    }

    /// Whether it stands for every tenant.
    pub(super) fn is_template(&self) -> bool {
        self.tenant == TEMPLATE
    }

    /// The same with this tenant.
    pub(super) fn of(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self.clone() }
    }

    /// The same for every tenant; for one whose tenant is known it is that one's.
    pub(super) fn unresolved(self) -> Self {
        if self.guid().is_some() { self } else { self.of(TEMPLATE).at_version() }
    }

    /// Where its metadata is asked for. An authority as Microsoft's libraries write it, a host and a tenant, means
    /// version 2.0; a template is asked for at any tenant.
    pub(super) fn to_ask(&self) -> Self {
        let asked = self.clone().at_version();
        if asked.is_template() { asked.of(ANY[0]) } else { asked }
    }

    /// Whether the server that was asked for as `self` may call itself `said`.
    pub(super) fn may_be(&self, said: &Self) -> bool {
        let same_tenant = match (self.guid(), said.guid()) {
            (Some(asked), Some(said)) => asked.eq_ignore_ascii_case(said),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => said.is_template() && (self.is_template() || ANY.contains(&self.tenant.as_str())),
        };
        same_tenant && self.is_beside(said)
    }

    /// Whether both are of the same server, whatever the tenant.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let same_cloud = CLOUDS
            .iter()
            .any(|hosts| hosts.contains(&self.host.as_str()) && hosts.contains(&other.host.as_str()));
        // An external tenant's issuer is at the host that its identifier names.
        let external = self.host.ends_with(EXTERNAL)
            && other.guid().is_some_and(|guid| other.host == format!("{guid}{EXTERNAL}"));
        (self.host == other.host || same_cloud || external) && self.clone().at_version().rest == other.rest
    }

    fn at_version(mut self) -> Self {
        if self.host != VERSION_1 && matches!(self.rest.as_str(), "" | "/") {
            "/v2.0".clone_into(&mut self.rest);
        }
        self
    }
}

impl fmt::Display for TenantIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/{}{}", self.host, self.tenant, self.rest)
    }
}

/// The host of Microsoft's that a URL begins with, and what follows it. Compared as text, so that nothing a URL can
/// hide in its authority (a user name, a port, a trailing dot) passes for the host.
fn host_and_rest(url: &str) -> Option<(&str, &str)> {
    let after = url.strip_prefix("https://")?;
    let (host, rest) = after.split_once('/').unwrap_or((after, ""));
    let external = host.strip_suffix(EXTERNAL).is_some_and(|name| {
        !name.is_empty()
            && !name.starts_with('-')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    });
    (external || CLOUDS.iter().any(|hosts| hosts.contains(&host))).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";

    #[test]
    fn only_the_hosts_themselves_count() {
        for url in [
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token?x=1",
            "https://login.microsoftonline.us",
            "https://login.partner.microsoftonline.cn/x",
            "https://login.chinacloudapi.cn/x",
            "https://login.windows.net/common",
            "https://sts.windows.net/x/",
            "https://contoso.ciamlogin.com/",
        ] {
            assert!(is_login_host(url), "{url}");
        }
        for url in [
            "http://login.microsoftonline.com/common",
            "https://login.microsoftonline.com.evil.example/common",
            "https://evil-login.microsoftonline.com/common",
            "https://login.microsoftonline.com@evil.example/common",
            "https://login.microsoftonline.com:8443/common",
            "https://login.microsoftonline.com:443@evil.example/common",
            "https://login.microsoftonline.com./common",
            "https://login.microsoftonline.com\\.evil.example/common",
            "https://login.microsoftonline.com%2eevil.example/common",
            "https://login.microsoftonline.com?.evil.example/common",
            "https://login.microsoftonline.com#/common",
            "https://LOGIN.microsoftonline.com/common",
            "https://login.m\u{131}crosoftonline.com/common",
            "https://login.microsoftonline.co/common",
            "https://login.microsoftonline.de.example/common",
            "https://ciamlogin.com/x",
            "https://.ciamlogin.com/x",
            "https://a.b.ciamlogin.com/x",
            "https://contoso.ciamlogin.com.evil.example/x",
            "https://contosociamlogin.com/x",
            "https://evil.example/https://login.microsoftonline.com/common",
            "login.microsoftonline.com",
            "",
        ] {
            assert!(!is_login_host(url), "{url}");
            assert!(TenantIssuer::parse(url).is_none(), "{url}");
        }
    }

    #[test]
    fn odd_tenants_are_none() {
        for issuer in [
            "https://login.microsoftonline.com",
            "https://login.microsoftonline.com/",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/../v2.0",
            "https://login.microsoftonline.com/a%2fb/v2.0",
            "https://login.microsoftonline.com/{tenant}/v2.0",
            "https://login.microsoftonline.com/{tenantid}x/v2.0",
            "https://login.microsoftonline.com/common/v2.0/more",
            "https://login.microsoftonline.com/common?x=/v2.0",
        ] {
            assert!(TenantIssuer::parse(issuer).is_none(), "{issuer}");
        }
        for guid in
            ["", "common", &GUID[1..], &format!("{GUID}0"), &GUID.replace('-', "0"), &GUID.replace('8', "g")]
        {
            assert!(!is_guid(guid), "{guid}");
        }
        assert!(is_guid(GUID) && is_guid(&GUID.to_uppercase()));
    }

    #[test]
    fn a_tenant_is_asked_for_at_version_2() {
        for (issuer, asked) in [
            (
                "https://login.microsoftonline.com/contoso.com",
                "https://login.microsoftonline.com/contoso.com/v2.0",
            ),
            (
                "https://login.microsoftonline.com/contoso.com/",
                "https://login.microsoftonline.com/contoso.com/v2.0",
            ),
            ("https://login.microsoftonline.us/common/v2.0", "https://login.microsoftonline.us/common/v2.0"),
            (
                "https://login.microsoftonline.com/{tenantid}/v2.0",
                "https://login.microsoftonline.com/common/v2.0",
            ),
            ("https://sts.windows.net/contoso.com/", "https://sts.windows.net/contoso.com/"),
            ("https://contoso.ciamlogin.com/", "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0"),
            ("https://contoso.ciamlogin.com", "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0"),
        ] {
            assert_eq!(TenantIssuer::parse(issuer).unwrap().to_ask().to_string(), asked, "{issuer}");
        }
    }
}
