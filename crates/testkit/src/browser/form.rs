//! Reads the first form of a page and fills it in, as a person would.

use url::Url;

use super::{Answer, Decision, PASSWORD};
use crate::http::Request;

/// The request that a person's answer on this page makes; `None` when the page offers no way to give it.
pub(super) fn submit(page: &str, at: &Url, answer: &Answer) -> Option<Request> {
    let (form, target) = first_form(page)?;
    let action = at.join(&attribute(target, "action").unwrap_or_default()).ok()?;
    let elsewhere = attribute(target, "id").map(|id| buttons_of(page, &id)).unwrap_or_default();
    let button = buttons(form)
        .into_iter()
        .chain(elsewhere)
        .find(|button| button.declines() == (answer.decision == Decision::Deny));
    let Some(button) = button else {
        return (answer.decision == Decision::Deny).then(|| cancel_link(page, at).map(Request::get))?;
    };
    let mut fields = filled(form, &answer.login);
    fields.extend(button.field);
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    if attribute(target, "method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
        return Some(Request::form(action, fields));
    }
    let mut action = action;
    action.query_pairs_mut().clear().extend_pairs(fields);
    Some(Request::get(action))
}

/// Where a page that posts its form by a script posts it, and the fields (OAuth 2.0 Form Post Response Mode).
pub(super) fn posts_itself(page: &str, at: &Url) -> Option<(Url, Vec<(String, String)>)> {
    let (form, target) = first_form(page)?;
    let is_posted = attribute(target, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
    let action = at.join(&attribute(target, "action")?).ok()?;
    (is_posted && page.contains(".submit()")).then(|| (action, filled(form, "")))
}

/// The first form, and what its tag says.
fn first_form(page: &str) -> Option<(&str, &str)> {
    let start = page.find("<form")?;
    let end = page[start..].find("</form>").map_or(page.len(), |length| start + length);
    let form = &page[start..end];
    let (_, target) = tags(form, "form").next()?;
    Some((form, target))
}

/// The fields of a form, hidden ones as they are, the person's filled in.
fn filled(form: &str, login: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (_, tag) in tags(form, "input") {
        let Some(name) = attribute(tag, "name") else { continue };
        let value = attribute(tag, "value");
        match attribute(tag, "type").as_deref().unwrap_or("text") {
            "submit" | "button" | "reset" | "image" => {}
            "hidden" => fields.push((name, value.unwrap_or_default())),
            "password" => fields.push((name, PASSWORD.to_owned())),
            "radio" if value.as_deref() != Some(login) && !has(tag, "checked") => {}
            "radio" => {
                fields.retain(|(other, _)| *other != name);
                fields.push((name, value.unwrap_or_default()));
            }
            "checkbox" if !has(tag, "checked") => {}
            "checkbox" => fields.push((name, value.unwrap_or_else(|| "on".to_owned()))),
            // What the page has filled in already is left as it is.
            _ => {
                fields
                    .push((name, value.filter(|text| !text.is_empty()).unwrap_or_else(|| login.to_owned())));
            }
        }
    }
    for (_, tag) in tags(form, "select") {
        fields.extend(attribute(tag, "name").map(|name| (name, login.to_owned())));
    }
    fields
}

struct Button {
    field: Option<(String, String)>,
    label: String,
}

impl Button {
    fn declines(&self) -> bool {
        let value = self.field.as_ref().map_or("", |(_, value)| value);
        let says = |word: &str| value.eq_ignore_ascii_case(word) || self.label.to_lowercase().contains(word);
        ["deny", "decline", "cancel", "abort"].into_iter().any(says)
    }
}

fn buttons(form: &str) -> Vec<Button> {
    let inputs = tags(form, "input")
        .filter(|(_, tag)| attribute(tag, "type").as_deref() == Some("submit"))
        .map(|(_, tag)| Button { field: field(tag), label: attribute(tag, "value").unwrap_or_default() });
    let buttons = tags(form, "button").map(|(after, tag)| button(form, after, tag));
    inputs.chain(buttons).collect()
}

/// The buttons anywhere on the page that belong to the form of this id.
fn buttons_of(page: &str, id: &str) -> Vec<Button> {
    tags(page, "button")
        .filter(|(_, tag)| attribute(tag, "form").as_deref() == Some(id))
        .map(|(after, tag)| button(page, after, tag))
        .collect()
}

fn button(page: &str, after: usize, tag: &str) -> Button {
    let label = page[after..].split("</button").next().unwrap_or_default().to_owned();
    Button { field: field(tag), label }
}

fn field(tag: &str) -> Option<(String, String)> {
    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
}

fn cancel_link(page: &str, at: &Url) -> Option<Url> {
    let (_, tag) = tags(page, "a").find(|(after, _)| {
        page[*after..].split("</a").next().is_some_and(|label| label.to_lowercase().contains("cancel"))
    })?;
    at.join(&attribute(tag, "href")?).ok()
}

/// The opening tags of this name, each with the position just after it.
fn tags<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    page.match_indices('<').filter_map(move |(start, _)| {
        let inside = page[start + 1..].strip_prefix(name)?;
        inside.starts_with([' ', '>', '\n', '\t', '/']).then_some(())?;
        let length = inside.find('>')?;
        Some((start + 1 + name.len() + length + 1, &inside[..length]))
    })
}

/// An attribute's value, unescaped.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=")).or_else(|| tag.split_once(&format!("\n{name}=")))?;
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next()?,
        _ => rest.split([' ', '\n', '/']).next()?,
    };
    Some(unescape(value))
}

fn has(tag: &str, name: &str) -> bool {
    tag.split_ascii_whitespace().any(|word| word == name || word.starts_with(&format!("{name}=")))
}

fn unescape(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'")]
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<h1>Sign in</h1><form autocomplete="off" action="/go?x=1&amp;y=2" method="post">
        <input type="hidden" name="csrf" value="a&quot;b"/><input required type="text" name="login">
        <input type="text" name="code" value="AB">
        <input type="password" name="password"><button type="submit" name="answer" value="allow">Allow</button>
        <button name="answer" value="deny">No</button></form><a href="/abort">[ Cancel ]</a>"#;

    fn body(decision: Decision, page: &str) -> String {
        let answer = Answer { login: "ada".into(), decision };
        format!("{:?}", submit(page, &Url::parse("http://127.0.0.1:1/login").unwrap(), &answer).unwrap())
    }

    #[test]
    fn a_person_fills_in_the_visible_fields_and_presses_the_button_meant() {
        let allowed = body(Decision::Allow, PAGE);
        assert!(
            allowed.contains("csrf=a%22b&login=ada&code=AB&password=any+password&answer=allow"),
            "{allowed}"
        );
        assert!(allowed.contains("/go"), "{allowed}");
        assert!(body(Decision::Deny, PAGE).contains("answer=deny"));
    }

    #[test]
    fn a_form_that_a_script_posts_needs_no_button() {
        let page = r#"<script>document.forms[0].submit()</script><form method="post" action="/back">
            <input type="hidden" name="code" value="a&amp;b"/><input type="hidden" name="state" value="S"/></form>"#;
        let at = Url::parse("http://127.0.0.1:1/auth").unwrap();
        let (action, fields) = posts_itself(page, &at).unwrap();
        assert_eq!(action.path(), "/back");
        assert_eq!(
            fields,
            [("code", "a&b"), ("state", "S")].map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(posts_itself(PAGE, &at), None, "a person is asked there");
    }

    #[test]
    fn buttons_outside_the_form_are_pressed_too() {
        let page = r#"<form id="f" action="/device" method="post"><input type="hidden" name="x" value="1"/></form>
            <button type="submit" form="f">Continue</button><button form="g" name="no" value="1">Other</button>
            <button type="submit" form="f" value="yes" name="abort">[ Abort ]</button>"#;
        assert!(
            body(Decision::Allow, page).contains("x=1") && !body(Decision::Allow, page).contains("abort")
        );
        assert!(body(Decision::Deny, page).contains("x=1&abort=yes"));
    }

    #[test]
    fn a_page_without_a_declining_button_is_left_by_its_link() {
        let page = PAGE.replace(r#"<button name="answer" value="deny">No</button>"#, "");
        assert!(body(Decision::Deny, &page).contains("/abort"));
    }
}
