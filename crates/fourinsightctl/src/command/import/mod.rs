//! `import`: reads other tools' caches as the caller, has the daemon take them over, and puts them away after its
//! durable yes.

mod offer;
mod source;

use fourinsight_client::{
    Error, ImportChoice, ImportFormat, ImportOutcome, ImportRequest, ImportResponse, SecretString, SessionKey,
};
use fourinsight_ipc::cache_file::{Retired, retire};
use serde_json::json;

use self::source::{Source, shown};
use super::Context;
use crate::{
    cli::{Format, Import},
    failure::{Exit, Failure},
    output, package,
    render::{argument, clean, person},
};

pub(super) use offer::offer;

pub(super) fn run(context: &Context, options: &Import) -> Result<Exit, Failure> {
    let sources = sources(options)?;
    let several = sources.len() > 1;
    let package = package(options);
    let mut done = Vec::new();
    let mut exit = Exit::Done;
    for source in &sources {
        match one(context, options, source, package.as_deref()) {
            Ok((reached, said)) => {
                exit = exit.max(reached);
                done.push(said);
            }
            Err(failure) if several => {
                exit = exit.max(failure.exit);
                output::line_to_stderr(&failure.of(&source.shown()).to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    if context.json {
        output::json_to_stdout(&json!({ "imports": done }))?;
    }
    Ok(exit)
}

/// The files that are meant.
fn sources(options: &Import) -> Result<Vec<Source>, Failure> {
    let usage = |what, next| Err(Failure::new(Exit::Usage, what, next));
    if options.format != Format::FourinsightApi {
        if options.folder.is_some() {
            return usage("--folder is for fourinsight-api only", "name the FILE instead");
        }
        return match &options.file {
            Some(path) => Ok(vec![Source { path: path.clone(), original_key: None }]),
            None => usage("FILE is missing", "name the cache that is to be taken over"),
        };
    }
    if options.file.is_some() {
        return usage("fourinsight-api takes no FILE", "name the folder of its token files with --folder");
    }
    let folder = match &options.folder {
        Some(folder) => folder.clone(),
        None => source::usual_folder()?,
    };
    let sources = source::token_files(&folder)?;
    if sources.len() > 1 && options.session.is_some() {
        return usage(
            "--session is for one login, and the folder has several",
            "leave it out: each gets the session of its own key",
        );
    }
    Ok(sources)
}

/// Takes one file over; also says what is printed as JSON.
fn one(
    context: &Context,
    options: &Import,
    source: &Source,
    package: Option<&str>,
) -> Result<(Exit, serde_json::Value), Failure> {
    let cache = source::read(&source.path)?;
    let mut request = request(options, source, &cache);
    request.package = package.map(str::to_owned);
    let answer = context.client.import(&request).map_err(untouched)?;
    let retired = if options.dry_run || !is_taken_over(&answer) || options.format == Format::Cognite {
        None
    } else {
        put_away(options, source, &cache, &answer)
    };
    let said = json!({ "file": source.path.display().to_string(), "retired": retired, "answer": answer });
    if !context.json {
        say(source, &answer)?;
    }
    let exit = match answer.outcome {
        ImportOutcome::Choose => Exit::Usage,
        ImportOutcome::Imported if !answer.durable => Exit::TemporarilyUnavailable,
        ImportOutcome::Unknown => Exit::Failure,
        _ => Exit::Done,
    };
    Ok((exit, said))
}

/// Where the client secret of fourinsight.api's logins may be read.
fn package(options: &Import) -> Option<String> {
    let is_needed = options.format == Format::FourinsightApi && !options.dry_run;
    let folder = if is_needed { package::folder() } else { None };
    folder.and_then(|folder| folder.into_os_string().into_string().ok())
}

fn request(options: &Import, source: &Source, cache: &SecretString) -> ImportRequest {
    let format = match options.format {
        Format::FourinsightApi => ImportFormat::FourinsightApi,
        Format::Msal => ImportFormat::Msal,
        Format::Oauthlib => ImportFormat::Oauthlib,
        Format::Cognite => ImportFormat::Cognite,
    };
    let mut request = ImportRequest::new(format, cache.clone());
    request.session.clone_from(&options.session);
    request.original_key.clone_from(&source.original_key);
    request.profile.clone_from(&options.profile);
    request.pick.clone_from(&options.pick);
    if options.format == Format::Cognite {
        // Without one the daemon says what to do instead.
        request.path =
            source.path.canonicalize().ok().and_then(|path| path.into_os_string().into_string().ok());
    }
    (request.dry_run, request.keep) = (options.dry_run, options.keep);
    request
}

fn is_taken_over(answer: &ImportResponse) -> bool {
    answer.outcome == ImportOutcome::Imported
}

/// The daemon has the login; says where the file is now, if it was renamed.
fn put_away(
    options: &Import,
    source: &Source,
    cache: &SecretString,
    answer: &ImportResponse,
) -> Option<String> {
    let file = source.shown();
    let warn = |text: String| output::line_to_stderr(&format!("warning: {text}"));
    let session = answer.session.as_ref().map_or("default", SessionKey::as_str);
    if options.keep {
        warn(format!(
            "{file} still holds the login, as --keep says: where the server gives a new refresh token at each use, \
             whichever program renews it next ends the other's; stop using it elsewhere"
        ));
    } else if !answer.durable {
        warn(format!("{file} is left where it is, because the daemon could not store the login yet"));
    } else if !answer.whole {
        warn(format!(
            "{file} is left where it is, because it holds other logins too; sign out of this one in the tool that \
             wrote it, or take the others over as well"
        ));
    } else {
        match retire(&source.path, cache, session) {
            Ok(Retired::To { path, note }) => {
                let line = format!("{file} is now {}; {} says why", shown(&path), shown(&note));
                output::line_to_stderr(&line);
                return Some(path.display().to_string());
            }
            Ok(Retired::Changed) => warn(format!(
                "{file} was written while it was taken over, so it is left where it is: another program still uses \
                 this login; stop it, and delete the file"
            )),
            Err(error) => warn(format!(
                "{file} could not be renamed ({error}), and still holds the login: rename or delete it, since two \
                 programs must not own one login"
            )),
        }
    }
    None
}

fn say(source: &Source, answer: &ImportResponse) -> Result<(), Failure> {
    for note in &answer.notes {
        output::line_to_stderr(&format!("note: {}", clean(note)));
    }
    let file = source.shown();
    let key = answer.session.as_ref().map_or("default", SessionKey::as_str);
    let profile = answer.profile.as_deref().map(clean).unwrap_or_default();
    let text = match answer.outcome {
        ImportOutcome::Imported => match person(answer.identity.as_ref()) {
            Some(person) => format!("Taken over as {person}, session {key}, by the profile {profile}.\n"),
            None => format!(
                "Taken over, session {key}, by the profile {profile}; the server does not say as whom.\n"
            ),
        },
        ImportOutcome::WouldImport => {
            format!(
                "{file} would be taken over by the profile {profile}, as session {key}. Nothing was sent.\n"
            )
        }
        ImportOutcome::ProfileWritten => written(&profile),
        ImportOutcome::Choose => choose(source, &answer.choices),
        _ => {
            return Err(Failure::new(
                Exit::Failure,
                "the daemon answers with something that this program does not know",
                "install a fourinsightctl of the daemon's version",
            ));
        }
    };
    output::to_stdout(text.as_bytes())
}

fn written(profile: &str) -> String {
    format!(
        "The profile {profile} is in the configuration: sign in with `fourinsightctl login --profile {profile}`.\n"
    )
}

fn choose(source: &Source, choices: &[ImportChoice]) -> String {
    let line = |choice: &ImportChoice| {
        let shown = |value: &Option<String>| clean(value.as_deref().unwrap_or("-")).into_owned();
        let (user, client, host) =
            (shown(&choice.username), shown(&choice.client_id), shown(&choice.environment));
        // What another tool's cache says is copied into a shell from here.
        let pick = clean(&choice.pick);
        format!("  --pick {}  {user}, client {client}, at {host}\n", argument(&pick))
    };
    let lines: Vec<String> = choices.iter().map(line).collect();
    format!("{} holds several logins; name one with --pick:\n{}", source.shown(), lines.concat())
}

/// What the daemon says of a failure, which always leaves the file alone.
fn untouched(error: Error) -> Failure {
    match error {
        error @ Error::Io(_) => Failure::from(error).but_next(
            "the file is untouched; import it again, which the daemon knows where it has taken the login over already",
        ),
        error => error.into(),
    }
}
