//! A credential mapping of Cognite's Python SDK, as YAML or JSON: not a login but the way to one, so it becomes a
//! profile. Secrets are referenced, never copied: the profile names the variable that the mapping names, or the place in
//! the mapping itself.

use std::path::Path;

use fourinsight_ipc::{ErrorBody, ErrorCode};
use toml_edit::{Array, InlineTable, Item, Table, value};
use url::Url;

use crate::yaml::{self, Value};

/// A profile, as it is written.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The keys of its table.
    pub(super) table: Table,
    /// What a person should know about it.
    pub(super) notes: Vec<String>,
}

/// The kinds of mapping, of which the SDK takes exactly one.
const KINDS: [&str; 5] = ["token", "client_credentials", "interactive", "device_code", "client_certificate"];

/// Reads a mapping, also within the `credentials` of a whole client configuration.
///
/// A secret that it holds itself is read there at each use, which needs the file's path.
pub(crate) fn read(content: &str, path: Option<&str>) -> Result<Mapping, ErrorBody> {
    let document = yaml::read(content).map_err(|wrong| {
        error(format!("The file cannot be read: {wrong}.")).hint("name the file with the credential mapping")
    })?;
    let mut key = Vec::new();
    let mut mapping = &document;
    for name in ["client", "credentials"] {
        if let Some(inner) = mapping.member(name) {
            mapping = inner;
            key.push(name);
        }
    }
    let kinds: Vec<_> = mapping.members().iter().filter(|(key, _)| KINDS.contains(&key.as_str())).collect();
    let [(kind, fields)] = kinds[..] else {
        let what = if kinds.is_empty() {
            "The file has no credential mapping"
        } else {
            "The file has several credential mappings"
        };
        return Err(error(format!("{what}: it must have exactly one of {}.", KINDS.join(", ")))
            .hint("name the file that Cognite's SDK loads its credentials from"));
    };
    key.push(kind);
    let place = path.filter(|path| is_place(path)).map(|path| (path, key.join(".")));
    let fields = Fields { members: fields, place };
    match kind.as_str() {
        "client_credentials" => client_credentials(&fields),
        "interactive" => interactive(&fields),
        "device_code" => device_code(&fields),
        "client_certificate" => client_certificate(&fields),
        _ => Err(error("A fixed token cannot renew itself, so there is nothing to take over.")
            .hint("write a profile with `fourinsightctl profile init NAME --preset cognite`, then sign in")),
    }
}

fn client_credentials(fields: &Fields<'_>) -> Result<Mapping, ErrorBody> {
    let token_url = fields.required("token_url")?;
    let secret = fields.secret("client_secret")?;
    let scopes = fields.scopes()?;
    let more =
        fields.more(&["token_url", "client_id", "client_secret", "scopes", "token_expiry_leeway_seconds"])?;
    let place = Place::of(&token_url, "/oauth2/v2.0/token", &scopes, None);
    let host = Url::parse(&token_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut table = Table::new();
    if let Some(place) = place {
        place.begin(&mut table, "client_credentials");
    } else {
        table.insert("flow", value("client_credentials"));
        table.insert("token_endpoint", value(token_url));
        table.insert("client_auth", value("post"));
        table.insert("scopes", list(&scopes));
    }
    table.insert("client_id", value(fields.required("client_id")?));
    table.insert("client_secret", Item::Value(secret.reference().into()));
    if !more.is_empty() {
        table.insert("code_params", parameters(&more));
    }
    // Whoever wrote the mapping names both: a secret of another server's must not go there unseen.
    let host = host.as_deref().unwrap_or("the token_url");
    let note = format!(
        "at a login the daemon reads the client secret from {} and sends it to {host}",
        secret.in_words()
    );
    Ok(Mapping { table, notes: vec![note] })
}

/// The SDK knows the certificate by its thumbprint, and calls its private key the certificate.
fn client_certificate(fields: &Fields<'_>) -> Result<Mapping, ErrorBody> {
    let authority = fields.required("authority_url")?;
    let key = fields.secret("certificate")?;
    let scopes = fields.scopes()?;
    let mut table = Table::new();
    if let Some(place) = Place::of(&authority, "", &scopes, None) {
        place.begin(&mut table, "certificate");
    } else {
        table.insert("flow", value("certificate"));
        table.insert("issuer", value(issuer_of(authority)));
        table.insert("assertion_audience", value("token_endpoint"));
        table.insert("scopes", list(&scopes));
    }
    table.insert("client_id", value(fields.required("client_id")?));
    table.insert("client_certificate_thumbprint", value(fields.required("cert_thumbprint")?));
    table.insert("client_key", Item::Value(key.reference().into()));
    let note = format!("at a login the daemon reads the private key from {}", key.in_words());
    Ok(Mapping { table, notes: vec![note] })
}

fn interactive(fields: &Fields<'_>) -> Result<Mapping, ErrorBody> {
    let authority = fields.required("authority_url")?;
    let scopes = fields.scopes()?;
    let port = fields.optional("redirect_port")?.unwrap_or_else(|| USUAL_PORT.to_owned());
    if port.parse::<u16>().is_err() {
        return Err(error("redirect_port in the mapping is no port.").hint("correct it, then import again"));
    }
    let place = Place::of(&authority, "", &scopes, None);
    let mut table = Table::new();
    let redirect_uri = value(format!("http://localhost:{port}"));
    if let Some(place) = place {
        place.begin(&mut table, "browser");
        if port != USUAL_PORT {
            table.insert("redirect_uri", redirect_uri);
        }
    } else {
        table.insert("issuer", value(issuer_of(authority)));
        table.insert("redirect_uri", redirect_uri);
        table.insert("scopes", list(&for_people(scopes)));
    }
    table.insert("client_id", value(fields.required("client_id")?));
    let notes = [cache_note(fields), hint_note(fields)].into_iter().flatten().map(str::to_owned).collect();
    Ok(Mapping { table, notes })
}

fn device_code(fields: &Fields<'_>) -> Result<Mapping, ErrorBody> {
    let authority = fields.optional("authority_url")?.map(issuer_of);
    let discovery = fields.optional("oauth_discovery_url")?;
    let ((Some(issuer), None) | (None, Some(issuer))) = (authority, discovery) else {
        return Err(error("The mapping must have exactly one of authority_url and oauth_discovery_url.")
            .hint("correct it, then import again"));
    };
    let cluster = fields.optional("cdf_cluster")?;
    let scopes = fields.scopes()?;
    let own = ["authority_url", "oauth_discovery_url", "cdf_cluster", "client_id", "scopes"];
    let about_the_cache =
        ["token_cache_path", "clear_cache", "mem_cache_only", "token_expiry_leeway_seconds"];
    let more = fields.more(&[&own[..], &about_the_cache[..]].concat())?;
    let place = Place::of(&issuer, "", &scopes, cluster.as_deref());
    let mut table = Table::new();
    if let Some(place) = place {
        place.begin(&mut table, "device");
        if !scopes.is_empty() {
            table.insert("scopes", list(&for_people(scopes)));
        }
    } else {
        let of_cluster = |cluster: String| {
            let scope = |name| format!("https://{cluster}.cognitedata.com/{name}");
            vec![scope("IDENTITY"), scope("user_impersonation")]
        };
        let scopes = if scopes.is_empty() { cluster.map(of_cluster).unwrap_or_default() } else { scopes };
        table.insert("flow", value("device"));
        table.insert("issuer", value(issuer));
        table.insert("scopes", list(&for_people(scopes)));
    }
    table.insert("client_id", value(fields.required("client_id")?));
    if !more.is_empty() {
        // The SDK sends them with the request for a code and with each poll.
        table.insert("device_params", parameters(&more));
        table.insert("device_poll_params", parameters(&more));
    }
    Ok(Mapping { table, notes: cache_note(fields).map(str::to_owned).into_iter().collect() })
}

/// The port that Cognite's samples register.
const USUAL_PORT: &str = "53000";

/// A tenant of Entra's and a cluster of Cognite's, which the preset `cognite` is for.
struct Place {
    tenant: String,
    cluster: String,
}

impl Place {
    fn of(url: &str, rest: &str, scopes: &[String], cluster: Option<&str>) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let is_entra = url.scheme() == "https"
            && url.host_str() == Some("login.microsoftonline.com")
            && (url.port(), url.query(), url.fragment()) == (None, None, None);
        let path = url.path().trim_matches('/').strip_suffix(rest.trim_matches('/'))?.trim_end_matches('/');
        let tenant = path.strip_suffix("/v2.0").unwrap_or(path);
        let cluster = match (cluster, scopes) {
            (Some(cluster), _) => cluster,
            (None, [scope]) => scope.strip_prefix("https://")?.strip_suffix(".cognitedata.com/.default")?,
            _ => return None,
        };
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        };
        (is_entra && plain(tenant) && plain(cluster) && !cluster.contains('.'))
            .then(|| Self { tenant: tenant.to_owned(), cluster: cluster.to_owned() })
    }

    fn begin(self, table: &mut Table, flow: &str) {
        table.insert("preset", value("cognite"));
        if flow != "browser" {
            table.insert("flow", value(flow));
        }
        table.insert("tenant", value(self.tenant));
        table.insert("cluster", value(self.cluster));
    }
}

/// The issuer that an authority stands for: MSAL looks for its metadata below `v2.0`, but for AD FS.
fn issuer_of(authority: String) -> String {
    let Ok(url) = Url::parse(&authority) else { return authority };
    let path = url.path().trim_end_matches('/');
    let is_adfs = path.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case("adfs"));
    if path.is_empty() || is_adfs || path.ends_with("/v2.0") || url.query().is_some() {
        return authority;
    }
    format!("{}/v2.0", authority.trim_end_matches('/'))
}

/// The fields of a mapping.
struct Fields<'a> {
    members: &'a Value,
    /// The file that they are in, and where in it.
    place: Option<(&'a str, String)>,
}

impl Fields<'_> {
    fn required(&self, name: &str) -> Result<String, ErrorBody> {
        self.optional(name)?.ok_or_else(|| {
            error(format!("The mapping has no {name}.")).hint(format!("add {name} to it, then import again"))
        })
    }

    fn optional(&self, name: &str) -> Result<Option<String>, ErrorBody> {
        match self.members.member(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) if variable(text).is_none() && !text.contains("${") => {
                plain(name, text).map(Some)
            }
            Some(Value::Text(_)) => Err(error(format!("{name} in the mapping is a variable, not a value."))
                .hint(format!("write {name} itself in its place: only a secret is read from a variable"))),
            Some(_) => Err(wrong(name)),
        }
    }

    /// A secret, of which only the variable is taken that holds it, or the place that it has in the file.
    fn secret(&self, name: &str) -> Result<Secret, ErrorBody> {
        match self.members.member(name).and_then(Value::text) {
            Some(text) => match variable(text) {
                Some(variable) => Ok(Secret::Variable(variable.to_owned())),
                None if !text.contains("${")
                    && let Some((file, within)) = &self.place =>
                {
                    Ok(Secret::Member { file: (*file).to_owned(), key: format!("{within}.{name}") })
                }
                None => Err(error(format!(
                    "The mapping holds the {name} itself, which a configuration never does. Nothing was written."
                ))
                .hint(format!(
                    "write ${{NAME}} in its place and set the variable NAME for the daemon, then import again; or put \
                     it into a file of your own and write the profile with {name} = {{ file = \"PATH\" }}"
                ))),
            },
            None => Err(error(format!("The mapping has no {name}.")).hint(format!("add {name} = ${{NAME}} to it"))),
        }
    }

    fn scopes(&self) -> Result<Vec<String>, ErrorBody> {
        let texts = match self.members.member("scopes") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Text(text)) => vec![text.as_str()],
            Some(Value::List(list)) => {
                list.iter().map(Value::text).collect::<Option<Vec<_>>>().ok_or_else(|| wrong("scopes"))?
            }
            Some(Value::Map(_)) => return Err(wrong("scopes")),
        };
        let words = texts.iter().flat_map(|text| text.split_ascii_whitespace());
        words.map(|scope| plain("scopes", scope)).collect()
    }

    /// What the SDK passes on to the server beside its own fields.
    fn more(&self, own: &[&str]) -> Result<Vec<(String, String)>, ErrorBody> {
        let more = self.members.members().iter().filter(|(name, _)| !own.contains(&name.as_str()));
        more.map(|(name, value)| {
            let is_name = name.len() <= 64
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
            let is_secret =
                ["secret", "password", "assertion", "token"].iter().any(|word| name.contains(word));
            match value.text() {
                Some(text) if is_name && !is_secret && variable(text).is_none() => {
                    Ok((name.clone(), plain("a parameter", text)?))
                }
                _ => Err(error("The mapping has a field that cannot become a parameter of the profile.")
                    .hint("leave it out, import again, and write it into the profile by hand")),
            }
        })
        .collect()
    }
}

/// Where a secret is.
enum Secret {
    /// In a variable of the daemon's environment.
    Variable(String),
    /// In the mapping itself.
    Member { file: String, key: String },
}

impl Secret {
    fn reference(&self) -> InlineTable {
        match self {
            Self::Variable(name) => [("env", name.as_str())].into_iter().collect(),
            Self::Member { file, key } => {
                [("file", file.as_str()), ("key", key.as_str())].into_iter().collect()
            }
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Variable(name) => format!("the variable {name} of its own environment"),
            Self::Member { file, .. } => format!("{file}, which has to stay there,"),
        }
    }
}

/// Whether a profile can refer to a file by this path.
fn is_place(path: &str) -> bool {
    Path::new(path).is_absolute() && path.len() <= 4096 && !path.chars().any(char::is_control)
}

/// The variable that a text stands for, as Python's `string.Template` has it.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let right = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    right.then_some(name)
}

/// A value as it may stand in a configuration; what is wrong with it is found there.
fn plain(name: &str, text: &str) -> Result<String, ErrorBody> {
    let right =
        !text.is_empty() && text.len() <= 2048 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if right { Ok(text.to_owned()) } else { Err(wrong(name)) }
}

/// MSAL adds them by itself.
fn for_people(mut scopes: Vec<String>) -> Vec<String> {
    for scope in ["openid", "profile", "offline_access"] {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

/// What the SDK may keep beside a mapping for a person.
fn cache_note(fields: &Fields<'_>) -> Option<&'static str> {
    let in_memory = fields.members.member("mem_cache_only").and_then(Value::text) == Some("true");
    (!in_memory).then_some(
        "the SDK's own token cache may hold a login for this client: `fourinsightctl import msal FILE` takes it over",
    )
}

/// What the SDK is told of the person, and a profile is not.
fn hint_note(fields: &Fields<'_>) -> Option<&'static str> {
    let has = |name: &str| !matches!(fields.members.member(name), None | Some(Value::Null));
    (has("prompt") || has("login_hint")).then_some(
        "prompt and login_hint are left out: a login that follows another names its person by itself, and \
         `fourinsightctl login --force` asks again",
    )
}

fn list(texts: &[String]) -> Item {
    value(texts.iter().map(String::as_str).collect::<Array>())
}

fn parameters(pairs: &[(String, String)]) -> Item {
    value(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<InlineTable>())
}

fn wrong(name: &str) -> ErrorBody {
    error(format!("{name} in the mapping is not what it should be.")).hint("correct it, then import again")
}

fn error(what: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, what)
}

#[cfg(test)]
mod tests;
