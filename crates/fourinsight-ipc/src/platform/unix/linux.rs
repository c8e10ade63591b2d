//! Login sessions on Linux: logind's, else the controlling terminal. All of it is read from `/proc` and `/run`, so
//! that no message bus is needed.

use std::{fs, io, path::PathBuf, time::Duration};

use nix::{
    errno::Errno,
    unistd::{SysconfVar, geteuid, sysconf},
};

use super::super::LoginSession;

/// The login session of a process, if it has one. `None` also for a process that started later than `at`, counted
/// since the machine started: then its id belongs to another one now.
pub fn login_session(process: u32, at: Duration) -> io::Result<Option<LoginSession>> {
    System::this().login_session(process, at)
}

/// Whether a login session has ended.
pub fn is_over(session: &LoginSession) -> bool {
    System::this().is_over(session)
}

/// Where the system tells of its processes and login sessions.
struct System {
    proc: PathBuf,
    sessions: PathBuf,
    user: u32,
}

impl System {
    fn this() -> Self {
        Self { proc: "/proc".into(), sessions: "/run/systemd/sessions".into(), user: geteuid().as_raw() }
    }

    fn login_session(&self, process: u32, at: Duration) -> io::Result<Option<LoginSession>> {
        let stat = self.stat(process)?;
        if started(stat.since)? > at {
            return Ok(None);
        }
        let groups = fs::read_to_string(self.proc.join(process.to_string()).join("cgroup"))?;
        let counted = match logind_session(&groups) {
            Some(id) => self.logind_session(id)?,
            None => None,
        };
        let session = counted.or_else(|| self.terminal_session(&stat));
        // What was read is this process's only if it is still there.
        let same = self.stat(process).is_ok_and(|now| now.since == stat.since);
        Ok(session.filter(|_| same))
    }

    /// What cannot be read just now, for want of descriptors say, tells nothing: the next look will.
    fn is_over(&self, session: &LoginSession) -> bool {
        match session {
            LoginSession::Counted { id, .. } => {
                self.logind_session(id).is_ok_and(|now| now.as_ref() != Some(session))
            }
            LoginSession::Terminal { leader, since } => match self.stat(*leader) {
                Ok(stat) => stat.since != *since || stat.has_ended,
                Err(error) => is_gone(&error),
            },
        }
    }

    /// A session of logind's as its state file tells it, if it is this user's and has not ended.
    fn logind_session(&self, id: &str) -> io::Result<Option<LoginSession>> {
        let text = match fs::read_to_string(self.sessions.join(id)) {
            Ok(text) => text,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::trim)
        };
        let is_ours = value("UID").is_some_and(|user| user.parse() == Ok(self.user));
        Ok((is_ours && value("STATE") != Some("closing")).then(|| LoginSession::Counted {
            id: id.to_owned(),
            leader: value("LEADER").and_then(|leader| leader.parse().ok()),
            since: 0,
        }))
    }

    /// Those who share the process's controlling terminal, if it has one whose leader lives.
    fn terminal_session(&self, process: &Stat) -> Option<LoginSession> {
        let leader = self.stat(process.session).ok()?;
        let leads = leader.session == process.session && leader.terminal == process.terminal;
        (process.terminal != 0 && leads && !leader.has_ended)
            .then_some(LoginSession::Terminal { leader: process.session, since: leader.since })
    }

    fn stat(&self, process: u32) -> io::Result<Stat> {
        let text = fs::read_to_string(self.proc.join(process.to_string()).join("stat"))?;
        Stat::read(&text).ok_or_else(|| io::Error::other("the state of a process cannot be read"))
    }
}

/// Whether there is no such file, or no such process any more.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    has_ended: bool,
    /// The id of its session, which is the id of the process that leads it.
    session: u32,
    /// Zero without a controlling terminal.
    terminal: i64,
    /// When it started, in ticks since the machine started.
    since: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything, so the fields are counted from behind its end.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            has_ended: matches!(*fields.first()?, "Z" | "X" | "x"),
            session: fields.get(3)?.parse().ok()?,
            terminal: fields.get(4)?.parse().ok()?,
            since: fields.get(19)?.parse().ok()?,
        })
    }
}

/// How long after the machine a process started, at least.
fn started(ticks: u64) -> io::Result<Duration> {
    let rate =
        sysconf(SysconfVar::CLK_TCK)?.and_then(|rate| u64::try_from(rate).ok()).filter(|rate| *rate > 0);
    let rate = rate.ok_or_else(|| io::Error::other("the kernel does not say how it counts time"))?;
    Ok(Duration::from_millis(ticks.saturating_mul(1000) / rate))
}

/// The session of logind's in whose scope a process runs. Only the first unit below the slices counts: further down
/// a user names units as they like.
fn logind_session(groups: &str) -> Option<&str> {
    let paths = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        (controllers.is_empty() || controllers == "name=systemd").then_some(path)
    });
    paths
        .filter_map(|path| {
            let unit =
                path.split('/').find(|part| !part.is_empty() && part.strip_suffix(".slice").is_none())?;
            unit.strip_prefix("session-")?.strip_suffix(".scope")
        })
        .find(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const LATE: Duration = Duration::from_secs(1_000_000);

    /// A system of files, in which the process 7 belongs to the terminal session that the process 5 leads.
    fn system(group: &str) -> (TempDir, System) {
        let folder = tempfile::tempdir().unwrap();
        let (proc, sessions) = (folder.path().join("proc"), folder.path().join("sessions"));
        fs::create_dir_all(&sessions).unwrap();
        let system = System { proc, sessions, user: 1000 };
        system.process(5, "S", 5, 34817, 4000);
        system.process(7, "S", 5, 34817, 5000);
        fs::write(system.proc.join("7/cgroup"), group).unwrap();
        (folder, system)
    }

    impl System {
        fn process(&self, id: u32, state: &str, session: u32, terminal: i64, since: u64) {
            let folder = self.proc.join(id.to_string());
            fs::create_dir_all(&folder).unwrap();
            let stat = format!(
                "{id} (a ) b) {state} 1 {id} {session} {terminal} 9 0 0 0 0 0 0 0 0 0 20 0 1 0 {since} 0 0\n"
            );
            fs::write(folder.join("stat"), stat).unwrap();
        }

        fn logind(&self, id: &str, text: &str) {
            fs::write(self.sessions.join(id), text).unwrap();
        }
    }

    const IN_SESSION: &str = "0::/user.slice/user-1000.slice/session-3.scope\n";

    #[test]
    fn a_scope_of_logind_names_its_session() {
        for (groups, id) in [
            (IN_SESSION, Some("3")),
            ("0::/user.slice/user-1000.slice/session-c2.scope/inner\n", Some("c2")),
            ("9:name=systemd:/user.slice/user-0.slice/session-12.scope\n8:pids:/\n0::/\n", Some("12")),
            ("8:pids:/user.slice/user-0.slice/session-12.scope\n0::/\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/session-3.scope\n", None),
            ("0::/user.slice/user-1000.slice/session-.scope\n", None),
            ("0::/user.slice/session-..%2f.scope\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(logind_session(groups), id, "{groups}");
        }
    }

    #[test]
    fn logind_goes_before_the_terminal_and_says_when_its_session_is_over() {
        let (_folder, system) = system(IN_SESSION);
        system.logind("3", "UID=1000\nSTATE=active\nLEADER=42\n");
        let session = system.login_session(7, LATE).unwrap().unwrap();
        assert_eq!(session, LoginSession::Counted { id: "3".to_owned(), leader: Some(42), since: 0 });
        assert!(!system.is_over(&session));
        system.logind("3", "UID=1000\nSTATE=online\nLEADER=42\n");
        assert!(!system.is_over(&session));
        system.logind("3", "UID=1000\nSTATE=closing\nLEADER=42\n");
        assert!(system.is_over(&session));
        fs::remove_file(system.sessions.join("3")).unwrap();
        assert!(system.is_over(&session));
    }

    #[test]
    fn without_a_session_of_this_users_the_terminal_counts_for_as_long_as_its_leader_lives() {
        for state in [None, Some("UID=1001\nSTATE=active\n"), Some("UID=1000\nSTATE=closing\n")] {
            let (_folder, system) = system(IN_SESSION);
            if let Some(state) = state {
                system.logind("3", state);
            }
            let session = system.login_session(7, LATE).unwrap().unwrap();
            assert_eq!(session, LoginSession::Terminal { leader: 5, since: 4000 });
            assert!(!system.is_over(&session));
            system.process(5, "Z", 5, 34817, 4000);
            assert!(system.is_over(&session));
            // The same id, another process.
            system.process(5, "S", 5, 34817, 9000);
            assert!(system.is_over(&session));
            fs::remove_dir_all(system.proc.join("5")).unwrap();
            assert!(system.is_over(&session));
        }
    }

    #[test]
    fn what_cannot_be_read_for_a_moment_ends_nobodys_session_and_gives_nobody_another() {
        let (_folder, system) = system(IN_SESSION);
        system.logind("3", "UID=1000\nSTATE=active\nLEADER=42\n");
        let counted = system.login_session(7, LATE).unwrap().unwrap();
        let terminal = LoginSession::Terminal { leader: 5, since: 4000 };
        // A folder is there and cannot be read, as a file cannot for which there is no descriptor.
        for path in [system.sessions.join("3"), system.proc.join("5/stat")] {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        assert!(!system.is_over(&counted) && !system.is_over(&terminal));
        assert!(system.login_session(7, LATE).is_err(), "the terminal's is another one");
    }

    #[test]
    fn an_id_of_logind_that_is_used_again_is_another_session() {
        let (_folder, system) = system(IN_SESSION);
        system.logind("3", "UID=1000\nSTATE=active\nLEADER=42\n");
        let session = system.login_session(7, LATE).unwrap().unwrap();
        system.logind("3", "UID=1000\nSTATE=active\nLEADER=43\n");
        assert!(system.is_over(&session));
    }

    #[test]
    fn a_process_without_a_terminal_or_of_another_time_has_no_login_session() {
        let (_folder, system) = system("0::/system.slice/cron.service\n");
        assert!(system.login_session(7, LATE).unwrap().is_some());
        assert_eq!(system.login_session(7, Duration::from_secs(49)).unwrap(), None, "it started at 50 s");
        assert!(system.login_session(7, Duration::from_secs(50)).unwrap().is_some());
        system.process(7, "S", 5, 0, 5000);
        assert_eq!(system.login_session(7, LATE).unwrap(), None);
        system.process(7, "S", 5, 34818, 5000);
        assert_eq!(system.login_session(7, LATE).unwrap(), None, "its leader has left that terminal");
        assert!(system.login_session(8, LATE).is_err());
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let session = login_session(pid, LATE * 1000).unwrap();
        assert!(session.is_none_or(|session| !is_over(&session)));
        assert_eq!(login_session(pid, Duration::ZERO).unwrap(), None);
    }
}
