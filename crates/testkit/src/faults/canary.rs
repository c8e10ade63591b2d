//! Looks for secrets in what daemons log, while many thousands of both come into being: each log is searched once, for
//! the secrets of its own time, in every form that [`crate::leak`] knows.

use std::{
    collections::{HashMap, HashSet},
    fs,
};

use anyhow::Result;

use super::stage::Stage;
use crate::leak;

/// As many letters as tell a secret from anything else.
const START: usize = 12;

/// How much was searched, and what was found.
#[derive(Clone, Default)]
pub(super) struct Searched {
    /// The logs.
    pub(super) logs: usize,
    /// Their length in bytes.
    pub(super) bytes: usize,
    /// The secrets that were looked for.
    pub(super) secrets: usize,
    /// How many times one of them was found.
    pub(super) leaks: usize,
    /// How many of the server's secrets were looked for already.
    seen: usize,
    /// The last of those: some may still be in use.
    previous: Vec<String>,
}

impl Searched {
    /// Searches the logs that there are and removes them; only while no daemon writes one.
    pub(super) fn take_logs(&mut self, stage: &Stage) -> Result<()> {
        let secrets: Vec<String> = stage.practice.look(|ledger| {
            let new = &ledger.secrets()[self.seen..];
            new.iter().map(|secret| secret.text.clone()).collect()
        });
        self.seen += secrets.len();
        self.secrets += secrets.len();
        let search = Needles::new(secrets.iter().chain(&self.previous).map(String::as_str));
        for entry in fs::read_dir(stage.home.logs())? {
            let path = entry?.path();
            let text = fs::read(&path)?;
            self.logs += 1;
            self.bytes += text.len();
            self.leaks += search.found_in(&text);
            fs::remove_file(&path)?;
        }
        self.previous = secrets;
        Ok(())
    }

    /// Goes on with another server, whose secrets are all new.
    pub(super) fn turn_to_another_server(&mut self) {
        (self.seen, self.previous) = (0, Vec::new());
    }
}

/// Many secrets, to be looked for at once.
struct Needles {
    starts: HashSet<[u8; START]>,
    whole: HashMap<[u8; START], Vec<Vec<u8>>>,
}

impl Needles {
    fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut whole: HashMap<[u8; START], Vec<Vec<u8>>> = HashMap::new();
        for form in leak::Search::new(secrets).into_forms() {
            if let Some(start) = form.first_chunk::<START>() {
                whole.entry(*start).or_default().push(form);
            }
        }
        Self { starts: whole.keys().copied().collect(), whole }
    }

    fn found_in(&self, text: &[u8]) -> usize {
        let places = text.windows(START).enumerate();
        let found = places.filter(|(at, window)| {
            let Some(start) = window.first_chunk::<START>() else { return false };
            self.starts.contains(start) && self.whole[start].iter().any(|form| text[*at..].starts_with(form))
        });
        found.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_secrets_is_found_in_any_form_and_nothing_else_is() {
        let secrets: Vec<String> = (0..200).map(|number| format!("s3cr3t/{number:04}+with-signs~")).collect();
        let needles = Needles::new(secrets.iter().map(String::as_str));
        assert_eq!(needles.found_in(b"a line of a log without any, s3cr3t/0007+with-sigh~"), 0);
        assert!(needles.found_in(b"token=s3cr3t/0007+with-signs~ and more") > 0);
        assert!(needles.found_in(b"token=s3cr3t%2F0107%2Bwith-signs%7E") > 0);
    }
}
