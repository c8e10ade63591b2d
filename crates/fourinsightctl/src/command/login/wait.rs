//! The wait for the person: one loop that hears the daemon, the keyboard, the browser's launcher and Ctrl-C.
//!
//! Each of them is a thread that sends events; nothing else is shared. The `ctrlc` crate brings the signals, because
//! it needs neither a runtime nor `unsafe` here and works on every platform.

use std::{
    io,
    sync::{
        PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use fourinsight_client::{
    Client, Confirmation, Error, LoginRequest, LoginResponse, LoginState, LoginStatus, Wanted,
};
use jiff::{SignedDuration, Timestamp};

use fourinsight_ipc::{SessionKey, platform::HiddenInput};

use super::{
    answers::{Answers, OpenQuestion, tell},
    countdown::Countdown,
    device, prompt,
    qr::Ink,
};
use crate::{
    browser,
    cli::Login,
    failure::{Exit, Failure},
    output,
    render::{clean, length},
};

/// How long one question to the daemon waits for news.
pub(super) const SLICE: Duration = Duration::from_secs(2);

/// How often the countdown moves.
const TICK: Duration = Duration::from_secs(1);

/// Starts a login attempt and waits until the person, the server or the clock has decided.
///
/// An interruption or the end of `--timeout` cancels the attempt.
pub(super) fn until_answered(
    client: &Client,
    request: LoginRequest,
    options: &Login,
) -> Result<Ended, Failure> {
    let (sender, events) = mpsc::channel();
    report_interruptions(sender.clone())?;
    let timeout = SignedDuration::try_from(options.timeout).unwrap_or(SignedDuration::MAX);
    let mut wait = Wait {
        client,
        options,
        deadline: Timestamp::now().saturating_add(timeout).unwrap_or(Timestamp::MAX),
        expires_at: Timestamp::MAX,
        countdown: Countdown::new(),
        said: None,
        sender: sender.clone(),
        events,
        wanted: None,
        question: OpenQuestion::default(),
        asked: Vec::new(),
        answered: Vec::new(),
        input_ended: false,
        listens: false,
        hidden: None,
    };
    let client = client.clone();
    thread::spawn(move || follow(&client, &request, &sender));
    let attempt = wait.run()?;
    Ok(Ended { attempt, said: wait.said })
}

/// How an attempt ended.
pub(super) struct Ended {
    /// The attempt in its last state.
    pub(super) attempt: LoginStatus,
    /// The note that the person has read already.
    pub(super) said: Option<String>,
}

pub(super) enum Event {
    /// The daemon's news of the attempt, or why there are none. The first is the attempt's beginning.
    News(Result<Box<LoginStatus>, Error>),
    /// What was typed or pasted was not taken; the attempt goes on.
    Refused(Failure),
    /// What was typed or pasted was taken: as the answer to this question, or to what was wanted.
    Accepted(Option<String>),
    /// The user name is known; the password is next.
    PasswordNext,
    /// Standard input has ended.
    InputEnded,
    /// No browser was opened. Only the kind of error counts: a launcher's text quotes the whole address.
    BrowserFailed(io::ErrorKind),
    /// Ctrl-C, or a request to end.
    Interrupted,
}

struct Wait<'a> {
    client: &'a Client,
    options: &'a Login,
    /// When this program gives up.
    deadline: Timestamp,
    /// When the daemon does, and says so.
    expires_at: Timestamp,
    countdown: Countdown,
    /// The note that the attempt began with.
    said: Option<String>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    /// What only the person can bring.
    wanted: Option<Wanted>,
    question: OpenQuestion,
    /// The questions shown so far; the last one may be open.
    asked: Vec<String>,
    /// What has been answered: these questions, and what was wanted.
    answered: Vec<Option<String>>,
    input_ended: bool,
    /// Whether standard input is being read.
    listens: bool,
    /// While it is there, the terminal does not show what is typed.
    hidden: Option<HiddenInput>,
}

impl Wait<'_> {
    fn run(&mut self) -> Result<LoginStatus, Failure> {
        let mut attempt: Option<String> = None;
        loop {
            let now = Timestamp::now();
            let left = self.deadline.duration_since(now);
            if !left.is_positive() {
                self.countdown.clear();
                return self.cancel(attempt, timed_out(self.options));
            }
            // What is being typed as an answer stays on its line.
            if attempt.is_some() && !self.question_is_open() {
                self.countdown.show(left.min(self.expires_at.duration_since(now)));
            }
            if let Some(hidden) = &self.hidden {
                hidden.again();
            }
            let left = Duration::try_from(left).unwrap_or_default();
            let Ok(event) = self.events.recv_timeout(left.min(TICK)) else { continue };
            self.countdown.clear();
            match event {
                Event::News(Err(error)) => return Err(error.into()),
                Event::News(Ok(status)) if status.state != LoginState::Pending => return Ok(*status),
                Event::News(Ok(status)) => {
                    if attempt.is_none() {
                        self.begin(&status);
                        attempt = Some(status.id.clone());
                    }
                    self.expires_at = Timestamp::from_second(status.expires_at).unwrap_or(Timestamp::MAX);
                    match status.confirmation {
                        Some(question) if !prompt::may_be_answered(&question) => {
                            return self.decline(&status.id, &question);
                        }
                        Some(question) => self.ask(&status.id, question),
                        None => {}
                    }
                }
                Event::Refused(failure) => output::line_to_stderr(&failure.to_string()),
                Event::Accepted(what) => self.answered.push(what),
                Event::PasswordNext => {
                    self.hidden = HiddenInput::on();
                    tell(prompt::PASSWORD);
                }
                Event::InputEnded => self.input_ended = true,
                Event::BrowserFailed(io::ErrorKind::InvalidInput) => output::line_to_stderr(
                    "No browser was opened: this is neither an https address nor one of this machine.",
                ),
                Event::BrowserFailed(_) => {
                    output::line_to_stderr("No browser was opened: open the address above yourself.");
                }
                Event::Interrupted => return self.cancel(attempt, interrupted()),
            }
            if self.waits_in_vain() {
                return self.cancel(attempt, unanswered());
            }
        }
    }

    /// Tells the person what to do, and starts to listen to the keyboard.
    fn begin(&mut self, status: &LoginStatus) {
        if let Some(note) = &status.note {
            output::line_to_stderr(&format!("note: {}", clean(note)));
            self.said = Some(note.clone());
        }
        self.wanted = status.wanted;
        if let Some(warning) = &status.warning {
            output::line_to_stderr(&format!("warning: {}", clean(warning)));
        }
        let ink = if output::can_colour_stderr() { Ink::Coloured } else { Ink::Plain };
        if let Some(lines) = device::lines(status, output::can_move_the_cursor().then_some(ink)) {
            output::line_to_stderr(&lines.join("\n"));
            return;
        }
        match &status.authorization_uri {
            Some(uri) => self.open(uri),
            None if status.wanted.is_none() => {
                output::line_to_stderr("Waiting for the authorization server.");
                return;
            }
            None => {}
        }
        let username = self.options.username.as_deref();
        // Hidden before anybody is told to type.
        if status.wanted != Some(Wanted::Password) || username.is_some() {
            self.hidden = HiddenInput::on();
        }
        tell(prompt::to_bring(status.wanted, username));
        self.listen(&status.id);
    }

    /// Starts to read standard input, on behalf of this attempt.
    fn listen(&mut self, id: &str) {
        if std::mem::replace(&mut self.listens, true) {
            return;
        }
        let answers = Answers {
            client: self.client.clone(),
            id: id.to_owned(),
            wanted: self.wanted,
            username: self.options.username.clone(),
            question: OpenQuestion::clone(&self.question),
            events: self.sender.clone(),
        };
        thread::spawn(move || answers.take());
    }

    fn open(&self, uri: &str) {
        output::line_to_stderr(if self.options.no_browser {
            "Open this address in a browser to sign in:"
        } else {
            "Opening your browser to sign in. If none appears, open this address in one:"
        });
        output::line_to_stderr(&clean(uri));
        if !self.options.no_browser {
            let (uri, events) = (uri.to_owned(), self.sender.clone());
            thread::spawn(move || {
                if let Err(error) = browser::open(&uri) {
                    // The wait may be over; then nobody needs to know.
                    let _ = events.send(Event::BrowserFailed(error.kind()));
                }
            });
        }
    }

    /// Shows a question once. The answer is typed where it can be seen.
    fn ask(&mut self, id: &str, question: Confirmation) {
        if !self.asked.contains(&question.id) {
            self.hidden = None;
            prompt::ask(&question);
            self.asked.push(question.id.clone());
            *self.question.lock().unwrap_or_else(PoisonError::into_inner) = Some(question);
            self.listen(id);
        }
    }

    /// Says no to a question that nobody is there to answer, and shows it.
    fn decline(&self, id: &str, question: &Confirmation) -> Result<LoginStatus, Failure> {
        let status =
            self.client.answer_login(id, &LoginResponse::confirmation(question.id.clone(), false))?;
        // Another client may have been quicker to answer.
        if status.state == LoginState::Succeeded {
            return Ok(status);
        }
        prompt::show(question);
        Err(another_person(&self.options.key, question))
    }

    /// Whether only standard input could go on, and it has ended.
    fn waits_in_vain(&self) -> bool {
        let wants_more = self.question_is_open()
            || self.asked.is_empty() && self.wanted.is_some() && self.answered.is_empty();
        self.input_ended && wants_more
    }

    fn question_is_open(&self) -> bool {
        let answered = |question| self.answered.iter().any(|answered| answered.as_ref() == Some(question));
        self.asked.last().is_some_and(|question| !answered(question))
    }

    /// Cancels the attempt and reports why, unless it has succeeded at the last moment.
    fn cancel(&self, attempt: Option<String>, why: Failure) -> Result<LoginStatus, Failure> {
        let id = attempt.or_else(|| match self.events.recv_timeout(SLICE) {
            Ok(Event::News(Ok(status))) => Some(status.id),
            _ => None,
        });
        match id.map(|id| self.client.cancel_login(&id)) {
            Some(Ok(status)) if status.state == LoginState::Succeeded => Ok(status),
            _ => Err(why),
        }
    }
}

fn timed_out(options: &Login) -> Failure {
    Failure::new(
        Exit::Failure,
        format!("nobody signed in within {}", length(options.timeout.as_secs())),
        "run `fourinsightctl login` again, with a longer --timeout if you need more time",
    )
}

fn interrupted() -> Failure {
    Failure::new(
        Exit::Interrupted,
        "interrupted, and the login attempt cancelled",
        "run `fourinsightctl login` to try again",
    )
}

fn unanswered() -> Failure {
    Failure::new(
        Exit::Failure,
        "standard input ended before the login had its answer, and the login attempt was cancelled",
        "run `fourinsightctl login` on a terminal, or give it one line for each answer: `fourinsightctl login --help`",
    )
}

fn another_person(key: &SessionKey, question: &Confirmation) -> Failure {
    let (before, now) =
        (prompt::known(question.previous.as_ref()), prompt::known(question.identity.as_ref()));
    Failure::new(
        Exit::Denied,
        format!(
            "the session {key} stays as it was: it is signed in as {before}, and now {now} has signed in, which \
             nobody can confirm here, because standard input is no terminal"
        ),
        "sign in under another KEY, or accept the other person with --switch-user",
    )
}

fn report_interruptions(events: Sender<Event>) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        // Nobody listens once the wait is over and the program about to end.
        let _ = events.send(Event::Interrupted);
    })
    .map_err(|error| Failure::new(Exit::Failure, format!("signals cannot be handled: {error}"), "try again"))
}

/// Starts the attempt, then asks for news of it until it has ended or nobody listens.
fn follow(client: &Client, request: &LoginRequest, events: &Sender<Event>) {
    let mut news = client.start_login(request);
    loop {
        let pending = match &news {
            Ok(status) if status.state == LoginState::Pending => Some(status.id.clone()),
            _ => None,
        };
        let heard = events.send(Event::News(news.map(Box::new))).is_ok();
        let Some(id) = pending.filter(|_| heard) else { return };
        news = client.login(&id, SLICE);
    }
}
