//! What the person is told in the device flow: which session asks, where to go, and the code to enter there.
//!
//! The address and the code each stand alone on a line, and again beside a QR code that carries both. Nothing is
//! opened: the person may be anywhere.

use fourinsight_client::LoginStatus;
use url::Url;

use super::qr::{self, Ink};
use crate::{browser, render::clean};

/// The widest text beside the code: with most codes a line ends within 80 columns.
const BESIDE: usize = 34;

/// The lines to show; nothing when this is no attempt of the device flow.
pub(super) fn lines(status: &LoginStatus, ink: Option<Ink>) -> Option<Vec<String>> {
    let uri = clean(status.verification_uri.as_deref()?);
    let code = clean(status.user_code.as_deref()?);
    let session = status.session.as_str();
    let host = host(&uri);
    let mut lines = vec![
        format!("To sign in to session {session}, open this address on any device:"),
        uri.clone().into_owned(),
        format!("See that the page is at {host}, and enter this code there:"),
        code.clone().into_owned(),
    ];
    let (scanned, then) = match status.verification_uri_complete.as_deref() {
        Some(complete) => (complete, "and compare the code"),
        None => (uri.as_ref(), "and enter the code"),
    };
    if let Some(picture) = ink.filter(|_| browser::may_open(scanned)).and_then(|ink| qr::rows(scanned, ink)) {
        let beside = [
            "Or scan this,".to_owned(),
            format!("{then}:"),
            String::new(),
            format!("session  {session}"),
            format!("at       {host}"),
            format!("code     {code}"),
        ];
        let above = picture.len().saturating_sub(beside.len()) / 2;
        lines.push(String::new());
        lines.extend(picture.iter().enumerate().map(|(at, row)| {
            match at.checked_sub(above).and_then(|at| beside.get(at)) {
                Some(text) if !text.is_empty() => format!("{row}  {}", fitted(text)),
                _ => row.clone(),
            }
        }));
        lines.push(String::new());
    }
    Some(lines)
}

/// Whose page it is: what a person checks before they enter anything.
fn host(uri: &str) -> String {
    let url = Url::parse(uri).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("an unknown host");
    match url.as_ref().and_then(Url::port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn fitted(text: &str) -> String {
    match text.char_indices().nth(BESIDE) {
        Some(_) => text.chars().take(BESIDE - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::SessionKey;

    use super::*;

    fn attempt(uri: &str, complete: Option<&str>, code: &str) -> LoginStatus {
        let session = SessionKey::new("work").unwrap();
        let mut status = LoginStatus::pending("1".to_owned(), session, "device", 0);
        status.verification_uri = Some(uri.to_owned());
        status.verification_uri_complete = complete.map(str::to_owned);
        status.user_code = Some(code.to_owned());
        status
    }

    #[test]
    fn address_and_code_stand_alone_and_beside_their_picture() {
        let complete = "https://id.example.com/device?user_code=WDJB-MJHT";
        let status = attempt("https://id.example.com/device", Some(complete), "WDJB-MJHT");
        let lines = lines(&status, Some(Ink::Plain)).unwrap();
        assert_eq!(lines[1], "https://id.example.com/device");
        assert_eq!(lines[3], "WDJB-MJHT");
        assert!(lines[0].contains("work") && lines[2].contains("id.example.com"));
        let picture = qr::rows(complete, Ink::Plain).unwrap();
        let shown = &lines[5..5 + picture.len()];
        assert!(shown.iter().zip(&picture).all(|(line, row)| line.starts_with(row)));
        for text in
            ["session  work", "at       id.example.com", "code     WDJB-MJHT", "and compare the code:"]
        {
            assert_eq!(shown.iter().filter(|line| line.ends_with(text)).count(), 1, "{text}");
        }
        assert!(shown.iter().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn without_an_address_that_holds_the_code_the_plain_one_is_drawn() {
        let status = attempt("https://www.google.com/device", None, "ABCD");
        let lines = lines(&status, Some(Ink::Plain)).unwrap();
        let picture = qr::rows("https://www.google.com/device", Ink::Plain).unwrap();
        assert!(lines[5].starts_with(&picture[0]));
        assert!(lines.iter().any(|line| line.ends_with("and enter the code:")));
    }

    #[test]
    fn an_address_that_is_no_web_page_is_never_drawn_and_nothing_steers_the_terminal() {
        let status =
            attempt("http://id.example.com/device", Some("javascript:alert(1)"), "A\x1b[2J\u{202e}B");
        let lines = lines(&status, Some(Ink::Plain)).unwrap();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "A\u{fffd}[2J\u{fffd}B");
        let long = attempt(&format!("https://{}/", "a".repeat(200)), None, "C");
        let plain = super::lines(&long, Some(Ink::Plain)).unwrap();
        assert!(plain.iter().any(|line| line.ends_with('…')));
        assert_eq!(super::lines(&long, None).unwrap().len(), 4);
    }

    #[test]
    fn an_attempt_of_another_flow_is_not_told_so() {
        let session = SessionKey::default();
        assert_eq!(lines(&LoginStatus::pending("1".to_owned(), session, "browser", 0), None), None);
    }
}
