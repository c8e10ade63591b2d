//! A login that fourinsight.api has already, offered before somebody signs in anew.

use std::io::{self, BufRead};

use fourinsight_client::{ImportOutcome, SessionKey};

use super::{Context, one, request, source, source::Source};
use crate::{
    cli::{Format, Import},
    command::profile::is_answered_by_a_person,
    failure::Exit,
    output,
};

/// Offers to take over what fourinsight.api has for the session, if the profile is the one that the file fits. Says
/// whether the session is signed in by that.
///
/// Without a terminal it only tells of the file: nobody is there to agree, and a file is never renamed in silence.
pub(in crate::command) fn offer(
    context: &Context,
    session: &SessionKey,
    profile: &str,
    package: Option<&str>,
) -> bool {
    let Some(source) = find(session) else { return false };
    let mut options = Import {
        format: Format::FourinsightApi,
        file: None,
        folder: None,
        session: Some(session.clone()),
        profile: Some(profile.to_owned()),
        pick: None,
        dry_run: true,
        keep: false,
    };
    let Ok(cache) = source::read(&source.path) else { return false };
    // A file that cannot be taken over is no reason not to sign in.
    let fits = context.client.import(&request(&options, &source, &cache));
    if !fits.is_ok_and(|answer| answer.outcome == ImportOutcome::WouldImport) {
        return false;
    }
    let file = source.shown();
    if context.json || !is_answered_by_a_person() {
        output::line_to_stderr(&format!(
            "note: {file} holds a login of fourinsight.api; `fourinsightctl import fourinsight-api` takes it over"
        ));
        return false;
    }
    output::line_to_stderr(&format!("{file} holds a login of fourinsight.api."));
    output::line_to_stderr("Take it over, instead of signing in anew? Type yes or no and press Enter.");
    if !agreed(io::stdin().lock()) {
        return false;
    }
    options.dry_run = false;
    match one(context, &options, &source, package) {
        Ok((exit, _)) => exit == Exit::Done,
        Err(failure) => {
            output::line_to_stderr(&failure.to_string());
            false
        }
    }
}

/// The file of the key of fourinsight.api that maps to this session.
fn find(session: &SessionKey) -> Option<Source> {
    let sources = source::token_files(&source::usual_folder().ok()?).ok()?;
    sources.into_iter().find(|source| SessionKey::of_seed(source.original_key.as_deref()) == *session)
}

fn agreed(input: impl BufRead) -> bool {
    let line = input.lines().next().and_then(Result::ok).unwrap_or_default();
    ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_agrees() {
        for (line, yes) in [
            ("yes\n", true),
            (" Y \n", true),
            ("no\n", false),
            ("\n", false),
            ("", false),
            ("yes please\n", false),
        ] {
            assert_eq!(agreed(line.as_bytes()), yes, "{line:?}");
        }
    }
}
