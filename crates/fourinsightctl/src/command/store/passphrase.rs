//! The passphrase of a backup: from a file, from standard input, or typed where nobody sees it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::Path,
    str,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use fourinsight_client::SecretString;
use fourinsight_ipc::platform::HiddenInput;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{
    cli::Passphrase,
    command::login::each_line,
    failure::{Exit, Failure},
    output,
    render::clean,
};

/// Longer than any passphrase.
const LONGEST: usize = 64 * 1024;

/// How often to see to it that the terminal still hides what is typed.
const LOOK: Duration = Duration::from_millis(250);

/// What a backup begins with that is sealed under a passphrase: its magic, then its version, then this.
const MAGIC: &[u8] = b"4insback";
const UNDER_AT: usize = 10;

/// The passphrase of a new backup; `None` seals it under the store's key.
pub(super) fn to_seal_with(options: &Passphrase) -> Result<Option<SecretString>, Failure> {
    match &options.passphrase_file {
        Some(path) => read(path).map(Some),
        None if options.passphrase => {
            let [once, twice] = typed(["Passphrase: ", "The same again: "])?;
            if once.expose_secret() == twice.expose_secret() {
                return Ok(Some(once));
            }
            Err(Failure::new(Exit::Usage, "the two passphrases differ", "run it again"))
        }
        None => Ok(None),
    }
}

/// The passphrase of a backup that there is.
pub(super) fn to_open_with(options: &Passphrase, backup: &[u8]) -> Result<Option<SecretString>, Failure> {
    let is_needed = backup.starts_with(MAGIC) && backup.get(UNDER_AT) == Some(&1);
    match &options.passphrase_file {
        Some(path) => read(path).map(Some),
        // Without a terminal the daemon says what is missing.
        None if options.passphrase || (is_needed && is_a_terminal()) => {
            let [passphrase] = typed(["Passphrase: "])?;
            Ok(Some(passphrase))
        }
        None => Ok(None),
    }
}

fn read(path: &Path) -> Result<SecretString, Failure> {
    if path.as_os_str() == "-" {
        return first_line(io::stdin().lock(), "standard input");
    }
    let name = clean(&path.to_string_lossy()).into_owned();
    let file = File::open(path).map_err(|error| {
        let what = format!("{name} cannot be read: {error}");
        Failure::new(Exit::Failure, what, "name a file that holds the passphrase on its first line")
    })?;
    first_line(BufReader::new(file), &name)
}

fn first_line(input: impl BufRead, name: &str) -> Result<SecretString, Failure> {
    let fail = |what: &str| {
        let next = "give the passphrase alone on a first line";
        Err(Failure::new(Exit::Usage, format!("{name} {what}"), next))
    };
    // With room for the longest line from the start, no copy is left behind by a growing buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    if input.take(LONGEST as u64 + 1).read_until(b'\n', &mut line).is_err() {
        return fail("cannot be read");
    }
    match str::from_utf8(&line).map(|line| line.trim_end_matches(['\n', '\r'])) {
        Ok("") => fail("holds no passphrase"),
        Ok(_) if line.len() > LONGEST => fail("begins with a line that is too long for a passphrase"),
        Ok(passphrase) => Ok(SecretString::from(passphrase)),
        Err(_) => fail("begins with something that is no text"),
    }
}

fn is_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks one question after the other, and shows nothing of the answers.
fn typed<const COUNT: usize>(questions: [&str; COUNT]) -> Result<[SecretString; COUNT], Failure> {
    let nobody = || {
        let next = "use --passphrase-file instead of --passphrase";
        Failure::new(Exit::Usage, "there is no terminal to ask for the passphrase on", next)
    };
    if !is_a_terminal() {
        return Err(nobody());
    }
    let (sender, events) = mpsc::channel();
    let interrupts = sender.clone();
    // The terminal is put back before the program ends.
    let handled = ctrlc::set_handler(move || drop(interrupts.send(None)));
    handled
        .map_err(|_| Failure::new(Exit::Failure, "Ctrl-C cannot be watched for", "use --passphrase-file"))?;
    let hidden = HiddenInput::on().ok_or_else(nobody)?;
    thread::spawn(move || {
        // The end of the input is told by the channel's.
        drop(each_line(io::stdin().lock(), true, |line| sender.send(Some(line)).is_ok()));
        drop(sender.send(None));
    });
    let mut answers = Vec::with_capacity(COUNT);
    for question in questions {
        output::prompt_on_stderr(question);
        let answer = loop {
            match events.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => hidden.again(),
                other => break other,
            }
        };
        output::line_to_stderr("");
        match answer {
            Ok(Some(Ok(line))) => answers.push(line),
            Ok(Some(Err(_))) => {
                return Err(Failure::new(
                    Exit::Usage,
                    "that is too long for a passphrase, or no text",
                    "run it again",
                ));
            }
            Ok(None) | Err(_) => {
                return Err(Failure::new(Exit::Interrupted, "no passphrase was given", "nothing was done"));
            }
        }
    }
    Ok(answers.try_into().expect("each question has its answer by now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_passphrase_with_its_spaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        std::fs::write(&path, " correct horse \r\nsecond").unwrap();
        let options = Passphrase { passphrase_file: Some(path), passphrase: false };
        let sealed = to_seal_with(&options).unwrap().unwrap();
        assert_eq!(sealed.expose_secret(), " correct horse ");
        let opened = to_open_with(&options, b"").unwrap().unwrap();
        assert_eq!(opened.expose_secret(), " correct horse ");
    }

    #[test]
    fn what_is_no_passphrase_is_refused_without_being_repeated() {
        let long = vec![b'x'; LONGEST + 1];
        for input in [&b""[..], b"\nsecond", b"s3cr3t\xff\n", &long] {
            let failure = first_line(input, "p").unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.to_string().contains("s3cr3t"), "{failure}");
        }
        let missing = Passphrase { passphrase_file: Some("/nowhere/p".into()), passphrase: false };
        assert_eq!(to_seal_with(&missing).unwrap_err().exit, Exit::Failure);
        assert!(to_seal_with(&Passphrase::default()).unwrap().is_none());
    }
}
