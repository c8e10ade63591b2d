//! The pages that a person sees: the login page and its problems. No script, nothing from elsewhere.

use axum::http::{HeaderName, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

use super::settings::User;

/// What every page is sent with. No `form-action`: browsers apply it to the redirect back to the client too.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// What the login page shows.
pub(super) struct Login<'a> {
    pub(super) client: &'a str,
    pub(super) scope: &'a [String],
    pub(super) resources: &'a [String],
    pub(super) users: &'a [User],
    /// The user chosen beforehand.
    pub(super) chosen: Option<&'a str>,
    /// Where the form goes.
    pub(super) action: &'a str,
    /// The code that the person compares with the one on their device.
    pub(super) user_code: Option<&'a str>,
    /// Names this one showing of the page; unguessable.
    pub(super) form: &'a str,
}

/// The login page.
pub(super) fn login(login: &Login<'_>) -> String {
    let hinted = login.users.iter().position(|user| login.chosen == Some(user.username.as_str()));
    let users = login.users.iter().enumerate().map(|(index, user)| {
        let checked = if index == hinted.unwrap_or(0) { " checked" } else { "" };
        let (username, name) = (escaped(&user.username), escaped(&user.name));
        format!(
            "<label class=user><input type=radio name=user value=\"{username}\"{checked}>\
             <b>{name}</b><i>{username}</i></label>"
        )
    });
    let users = users.collect::<Vec<_>>().concat();
    let wishes = login.scope.iter().chain(login.resources);
    let wishes = wishes.map(|wish| format!("<li>{}</li>", escaped(wish))).collect::<Vec<_>>().concat();
    let compare = login.user_code.map_or_else(String::new, |code| {
        format!("<p>Go on only if your device shows this code:</p><p class=code>{}</p>", escaped(code))
    });
    document(
        "Sign in",
        &format!(
            "<h1>Sign in</h1><p><b>{client}</b> asks to act for you.</p>{compare}\
             <form method=post action=\"{action}\">\
             <input type=hidden name=form value=\"{form}\">\
             <fieldset><legend>Who are you?</legend>{users}</fieldset>\
             <p class=small>It asks for</p><ul>{wishes}</ul>\
             <div class=buttons><button name=decision value=deny class=quiet>Deny</button>\
             <button name=decision value=allow>Allow</button></div></form>",
            client = escaped(login.client),
            action = escaped(login.action),
            form = escaped(login.form),
        ),
    )
}

/// The page that hands out a package for pasting.
pub(super) fn package(package: &str) -> String {
    let package = escaped(package);
    document(
        "Signed in",
        &format!(
            "<h1>Signed in</h1><p>Copy this text, and paste it where you started the sign-in.</p>\
             <textarea id=package readonly rows=6 cols=40>{package}</textarea>"
        ),
    )
}

/// The page that posts an answer to the redirect URI (OAuth 2.0 Form Post Response Mode), by itself where scripts
/// run, else by its button.
pub(super) fn form(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let fields = parameters.iter().map(|(name, value)| {
        format!("<input type=hidden name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
    });
    let fields = fields.collect::<Vec<_>>().concat();
    let body = format!(
        "<h1>Going back</h1><form method=post action=\"{}\">{fields}\
         <div class=buttons><button>Continue</button></div></form><script>{SCRIPT}</script>",
        escaped(redirect_uri)
    );
    document("Going back", &body)
}

const SCRIPT: &str = "document.forms[0].submit()";

/// What the page that posts is sent with: its own script may run, and nothing else.
pub(super) fn form_headers() -> [(HeaderName, String); 4] {
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    HEADERS.map(|(name, value)| {
        let is_policy = name == header::CONTENT_SECURITY_POLICY;
        let value = if is_policy { format!("{value}; script-src 'sha256-{hash}'") } else { value.to_owned() };
        (name, value)
    })
}

/// The page that asks for a user code and sends it to this address, after an attempt that went wrong if there is a problem.
pub(super) fn user_code(action: &str, problem: Option<&str>) -> String {
    let problem = problem.map_or_else(String::new, |text| format!("<p><b>{}</b></p>", escaped(text)));
    document(
        "Connect a device",
        &format!(
            "<h1>Connect a device</h1>{problem}<form method=get action=\"{action}\">\
             <p><label>The code that your device shows<br>\
             <input class=code name=user_code autocomplete=off autofocus required></label></p>\
             <div class=buttons><button>Continue</button></div></form>",
            action = escaped(action)
        ),
    )
}

/// The page after the person's decision about a device.
pub(super) fn device_done(allowed: bool) -> String {
    let (title, text) = if allowed {
        ("Device connected", "Go back to your device: it is signed in within a few seconds.")
    } else {
        ("Device refused", "Your device is not signed in.")
    };
    document(title, &format!("<h1>{title}</h1><p>{text}</p>"))
}

/// A page that says what is wrong.
pub(super) fn problem(text: &str) -> String {
    document("This did not work", &format!("<h1>This did not work</h1><p>{}</p>", escaped(text)))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><header>Practice authorization server</header>{body}\
         <footer>A server for tests and demonstrations. This page asks nobody for a password.</footer></main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

const STYLE: &str = "
:root{color-scheme:light dark;--back:#eef1f6;--card:#fff;--ink:#1b2230;--soft:#667085;--line:#d7dce5;--key:#2b5fd9}
@media(prefers-color-scheme:dark){:root{--back:#12161f;--card:#1b212d;--ink:#e8ecf4;--soft:#98a2b5;--line:#333c4d;
--key:#5b8bff}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:2rem;
box-shadow:0 8px 30px #0000001a}
header,footer,.small,i{color:var(--soft);font-size:.85rem}
h1{margin:.3rem 0 .6rem;font-size:1.6rem}
fieldset{margin:1.2rem 0;padding:0;border:0;display:grid;gap:.5rem}
legend{padding:0 0 .5rem;color:var(--soft);font-size:.85rem}
.user{display:flex;gap:.7rem;align-items:center;padding:.7rem .9rem;border:1px solid var(--line);border-radius:10px;
cursor:pointer}
.user:has(:checked){border-color:var(--key);box-shadow:0 0 0 1px var(--key)}
input{accent-color:var(--key)}
i{margin-left:auto;font-style:normal}
.small{margin:0}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:.4rem;padding:0;margin:.4rem 0 1.5rem}
li{border:1px solid var(--line);border-radius:999px;padding:.1rem .7rem;font-size:.85rem;overflow-wrap:anywhere}
.buttons{display:flex;gap:.7rem}
button{flex:1;padding:.7rem;border:1px solid var(--key);border-radius:10px;background:var(--key);color:#fff;
font:inherit;font-weight:600;cursor:pointer}
button.quiet{background:none;color:var(--ink);border-color:var(--line)}
textarea{width:100%;font:inherit}
.code{font:600 1.4rem ui-monospace,monospace;letter-spacing:.15em;text-align:center}
input.code{width:100%;padding:.6rem;border:1px solid var(--line);border-radius:10px;background:none;color:inherit}
button:focus-visible,.user:focus-within{outline:2px solid var(--key);outline-offset:2px}
footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line)}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_become_markup() {
        let hostile = "<script>\"'&".to_owned();
        let html = login(&Login {
            client: &hostile,
            scope: std::slice::from_ref(&hostile),
            resources: &[],
            users: &[User::new(&hostile, &hostile)],
            chosen: None,
            action: "/authorize",
            user_code: Some(&hostile),
            form: &hostile,
        });
        assert!(!html.contains("<script"));
        assert_eq!(html.matches("&lt;script&gt;&quot;&#39;&amp;").count(), 7);
    }

    #[test]
    fn the_hinted_user_is_chosen() {
        let users = [User::new("ada", "Ada"), User::new("grace", "Grace")];
        let page = Login {
            client: "c",
            scope: &[],
            resources: &[],
            users: &users,
            chosen: None,
            action: "/a",
            user_code: None,
            form: "f",
        };
        assert!(login(&page).contains("value=\"ada\" checked"));
        let hinted = Login { chosen: Some("grace"), ..page };
        let html = login(&hinted);
        assert!(html.contains("value=\"grace\" checked") && !html.contains("value=\"ada\" checked"));
    }
}
