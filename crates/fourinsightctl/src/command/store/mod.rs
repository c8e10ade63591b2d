//! `store`: has the daemon look its store over, change its key, back it up and restore it.

mod file;
mod passphrase;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fourinsight_client::{BackupRequest, KeyHome, RekeyRequest, RestoreRequest, RestoreResponse, StoreCheck};
use serde_json::json;

use super::Context;
use crate::{
    cli::{Home, Store, StoreAction, StoreBackup, StoreRekey, StoreRestore},
    failure::{Exit, Failure},
    output,
    render::clean,
};

pub(super) fn run(context: &Context, options: Store) -> Result<Exit, Failure> {
    match options.action {
        StoreAction::Check(_) => check(context),
        StoreAction::Rekey(options) => rekey(context, &options),
        StoreAction::Backup(options) => backup(context, &options),
        StoreAction::Restore(options) => restore(context, &options),
    }
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let found = context.client.check_store()?;
    if context.json {
        output::json_to_stdout(&found)?;
    } else {
        output::to_stdout(checked(&found).as_bytes())?;
    }
    if found.sound {
        return Ok(Exit::Done);
    }
    let problems = match found.problems.len() {
        1 => "a problem".to_owned(),
        count => format!("{count} problems"),
    };
    let next = "nothing was changed: `fourinsightctl store backup` keeps what still opens";
    Err(Failure::new(Exit::Failure, format!("the store has {problems}"), next))
}

fn checked(found: &StoreCheck) -> String {
    let sessions = sessions(found.sessions);
    if found.sound {
        return format!("The store is sound: {sessions}, schema version {}.\n", found.schema_version);
    }
    let problems = found.problems.iter().map(|problem| format!("{}\n", clean(problem)));
    problems.collect::<String>() + &format!("The records of {sessions} open.\n")
}

fn rekey(context: &Context, options: &StoreRekey) -> Result<Exit, Failure> {
    let home = options.to.map(|home| match home {
        Home::Keyring => KeyHome::Keyring,
        Home::Credential => KeyHome::Credential,
        Home::File => KeyHome::File,
    });
    let answer = context.client.rekey_store(&RekeyRequest::new(home))?;
    for note in &answer.notes {
        output::line_to_stderr(&format!("note: {}", clean(note)));
    }
    if context.json {
        output::json_to_stdout(&answer)?;
    } else {
        let text = format!(
            "The store has a new key ({}); {} {} sealed under it.\n",
            clean(&answer.key),
            sessions(answer.sessions),
            if answer.sessions == 1 { "is" } else { "are" }
        );
        output::to_stdout(text.as_bytes())?;
    }
    Ok(Exit::Done)
}

fn backup(context: &Context, options: &StoreBackup) -> Result<Exit, Failure> {
    let target = file::Target::new(&options.file, options.force)?;
    let passphrase = passphrase::to_seal_with(&options.passphrase)?;
    let has_passphrase = passphrase.is_some();
    let answer = context.client.back_up_store(&BackupRequest::new(passphrase))?;
    let sealed = STANDARD.decode(&answer.backup).map_err(|_| {
        let next = "install a fourinsightctl of the daemon's version";
        Failure::new(Exit::Failure, "the daemon's answer holds no backup", next)
    })?;
    target.write(&sealed)?;
    for note in &answer.notes {
        output::line_to_stderr(&format!("note: {}", clean(note)));
    }
    if !has_passphrase {
        output::line_to_stderr(
            "note: it is sealed under the store's own key, so only this store can restore it, until its key changes; \
             --passphrase makes one that opens elsewhere",
        );
    }
    let text = format!("{} backed up to {}.\n", sessions(answer.sessions), target.shown());
    if target.is_stdout() {
        output::line_to_stderr(text.trim_end());
    } else if context.json {
        let file = options.file.display().to_string();
        output::json_to_stdout(&json!({ "file": file, "sessions": answer.sessions, "notes": answer.notes }))?;
    } else {
        output::to_stdout(text.as_bytes())?;
    }
    Ok(Exit::Done)
}

fn restore(context: &Context, options: &StoreRestore) -> Result<Exit, Failure> {
    let sealed = file::read(&options.file, &options.passphrase)?;
    let mut request = RestoreRequest::new(STANDARD.encode(&sealed));
    request.passphrase = passphrase::to_open_with(&options.passphrase, &sealed)?;
    request.dry_run = options.dry_run;
    let answer = context.client.restore_store(&request)?;
    if context.json {
        output::json_to_stdout(&answer)?;
    } else {
        output::to_stdout(restored(&answer, options.dry_run).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn restored(answer: &RestoreResponse, dry_run: bool) -> String {
    let done = if dry_run { "would be restored" } else { "restored" };
    if answer.restored.is_empty() && answer.kept.is_empty() {
        return "The backup holds no session.\n".to_owned();
    }
    let restored = answer.restored.iter().map(|key| [key.as_str(), ": ", done, "\n"].concat());
    let kept = answer.kept.iter().map(|kept| {
        let reason = clean(&kept.reason);
        [kept.session.as_str(), ": left as it is, because ", &reason, "\n"].concat()
    });
    restored.chain(kept).collect()
}

fn sessions(count: u64) -> String {
    match count {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}

#[cfg(test)]
mod tests {
    use fourinsight_client::{KeptSession, SessionKey};

    use super::*;

    #[test]
    fn problems_are_listed_cleaned_and_a_sound_store_is_one_line() {
        let mut found = StoreCheck::default();
        (found.sound, found.sessions, found.schema_version) = (true, 1, 1);
        assert_eq!(checked(&found), "The store is sound: 1 session, schema version 1.\n");
        (found.sound, found.sessions) = (false, 2);
        found.problems = vec!["One.\x1b[2J".to_owned(), "Two.".to_owned()];
        assert_eq!(checked(&found), "One.\u{fffd}[2J\nTwo.\nThe records of 2 sessions open.\n");
    }

    #[test]
    fn what_a_restore_did_is_told_for_each_session() {
        let mut answer = RestoreResponse::default();
        assert_eq!(restored(&answer, false), "The backup holds no session.\n");
        answer.restored.push(SessionKey::default());
        answer.kept.push(KeptSession::new(SessionKey::new("work").unwrap(), "somebody is signed in"));
        assert_eq!(
            restored(&answer, false),
            "default: restored\nwork: left as it is, because somebody is signed in\n"
        );
        assert!(restored(&answer, true).starts_with("default: would be restored\n"));
    }
}
