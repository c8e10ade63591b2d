//! SIGKILL at random moments while every session refreshes without a pause; a restart at once; and a look at what
//! became of each session, with the server's ledger as the judge.
//!
//! Where the server tolerates a retry nothing may be lost. Where it does not, a session may be lost whose request the
//! server had committed and whose answer had not been written when the daemon died, and its status must say so.

use std::{collections::BTreeMap, fs::File, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::SessionKey;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    Figure, Options,
    canary::Searched,
    chance::Chance,
    client::{Client, Handouts, Recovery},
    mode::{MODES, Mode},
    progress,
    slot::Slot,
    stage::{self, Stage},
};
use crate::{
    practice::Settings,
    process::{Daemon, TIME_LIMIT},
};

/// How many sessions refresh at once.
const SESSIONS: usize = 20;

/// The moment of death is anywhere within this time from when all have recovered.
const WINDOW: Duration = Duration::from_millis(30);

/// Access tokens end while the campaign runs.
const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(5);

/// So many deaths at one server, in one home: then both are made anew, and nothing grows without end.
const LEG: usize = 500;

/// The logs are searched after so many deaths.
const SEARCH: usize = 50;

pub(super) fn run(options: &Options) -> Result<Vec<Figure>> {
    let runtime = stage::runtime()?;
    let kills = options.count(200, 10_000);
    let mut figures = Vec::new();
    for (number, mode) in (1..).zip(MODES) {
        let mut campaign = Campaign::new(*mode, Chance::new(options.seed.unwrap_or_default(), number));
        let start = Instant::now();
        runtime.block_on(campaign.kill(kills))?;
        let cycle = start.elapsed() / u32::try_from(kills)?;
        progress(&format!("kill: {}: {kills} kills, {} ms each", mode.name, cycle.as_millis()))?;
        figures.extend(campaign.tally.figures(mode, cycle));
    }
    Ok(figures)
}

struct Campaign {
    mode: Mode,
    chance: Chance,
    tally: Tally,
}

/// What has happened so far.
#[derive(Default)]
struct Tally {
    kills: usize,
    /// Of those, the ones while the daemon was still starting or recovering.
    early: usize,
    /// At each death, how many sessions had a request on its way, and how many an answer that was not yet a record.
    unanswered: usize,
    answered: usize,
    handouts: Handouts,
    recoveries: usize,
    /// Lost where no order of writes could have saved it, and said so.
    interrupted: usize,
    /// Lost in any other way.
    lost: Vec<String>,
    reuse_events: usize,
    searched: Searched,
}

impl Campaign {
    fn new(mode: Mode, chance: Chance) -> Self {
        Self { mode, chance, tally: Tally::default() }
    }

    async fn kill(&mut self, kills: usize) -> Result<()> {
        let mut left = kills;
        while left > 0 {
            let leg = left.min(LEG);
            self.leg(leg).await?;
            left -= leg;
        }
        Ok(())
    }

    /// So many deaths at one server, and the final word on each of its sessions.
    async fn leg(&mut self, kills: usize) -> Result<()> {
        let settings =
            Settings { access_token_life: ACCESS_TOKEN_LIFE, id_tokens: false, ..Settings::default() };
        let stage = Stage::signed_in(&stage::in_memory(), &self.mode, SESSIONS, settings).await?;
        let stage = Arc::new(stage);
        let mut watch = Watch::default();
        for number in 0..kills {
            if self.may_die_early() {
                self.die_early(&stage).await?;
                watch.look(&stage, &mut self.tally);
            } else {
                let daemon = self.recover_all(&stage, &mut watch).await?;
                stage::pause(self.chance.within(WINDOW)).await?;
                daemon.kill(&mut self.tally).await?;
                watch.look(&stage, &mut self.tally);
            }
            self.tally.kills += 1;
            if number % SEARCH == SEARCH - 1 {
                self.tally.searched.take_logs(&stage)?;
            }
        }
        self.recover_all(&stage, &mut watch).await?.kill(&mut self.tally).await?;
        self.tally.searched.take_logs(&stage)?;
        self.tally.searched.turn_to_another_server();
        self.tally.reuse_events += stage.reuse_events();
        Ok(())
    }

    /// Some deaths come before the daemon has recovered from the one before; not where the server counts retries.
    fn may_die_early(&mut self) -> bool {
        self.mode.tolerates_retry && !self.mode.counts_retries && self.chance.below(5) == 0
    }

    async fn die_early(&mut self, stage: &Stage) -> Result<()> {
        let log = File::create(stage.home.logs().join("early.log"))?;
        let mut command = stage.home.command(&stage.home.programs().fourinsightd);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn()?;
        stage::pause(self.chance.within(WINDOW)).await?;
        process.kill().await?;
        self.tally.early += 1;
        Ok(())
    }

    /// Starts the daemon and its clients, sees every session refreshed or lost, and signs in again to the lost.
    async fn recover_all(&mut self, stage: &Arc<Stage>, watch: &mut Watch) -> Result<Running> {
        let rotations = stage.rotations();
        let daemon = stage.start().await?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut clients = JoinSet::new();
        for session in &stage.sessions {
            clients.spawn(Client::new(Arc::clone(stage), session.clone()).run(rotations, tell.clone()));
        }
        drop(tell);
        for _ in &stage.sessions {
            let heard = timeout(TIME_LIMIT, told.recv()).await.context("the sessions do not recover")?;
            let (session, recovery) = heard
                .with_context(|| format!("the daemon has ended by itself:\n{}", last_lines(&daemon.log())))?;
            self.tally.recoveries += 1;
            match recovery {
                Recovery::Refreshed(token) => {
                    ensure!(
                        stage.practice.login_lives(&token) == Some(true),
                        "the session is refreshed, and its login is dead"
                    );
                    watch.last_tokens.insert(session, token);
                }
                Recovery::Lost { error, description } => {
                    self.judge(stage, watch, &session, &error, &description);
                    stage.sign_in(&session).await?;
                }
                Recovery::Stuck(why) => {
                    self.tally.lost.push(format!("{session} {why}: {}", last_lines(&daemon.log())));
                }
            }
        }
        Ok(Running { daemon, clients })
    }

    /// Whether a lost session was beyond saving, and whether its status says what happened.
    fn judge(&mut self, stage: &Stage, watch: &Watch, session: &SessionKey, error: &str, description: &str) {
        let slot = watch.slots.get(session).copied().unwrap_or_default();
        let token = watch.last_tokens.get(session);
        let dead = token.is_none_or(|token| stage.practice.login_lives(token) == Some(false));
        let beyond_saving = !self.mode.tolerates_retry && slot.is_unanswered() && dead;
        if beyond_saving && error == "rotation_interrupted" {
            self.tally.interrupted += 1;
        } else {
            let server = if dead { "dead" } else { "alive" };
            self.tally.lost.push(format!(
                "{session}: {error}: {description} (login {server} at the server; journal at death: {slot:?})"
            ));
        }
    }
}

/// What is remembered of each session from one death to the next.
#[derive(Default)]
struct Watch {
    slots: BTreeMap<SessionKey, Slot>,
    last_tokens: BTreeMap<SessionKey, String>,
}

impl Watch {
    /// Looks at the journal after a death.
    fn look(&mut self, stage: &Stage, tally: &mut Tally) {
        for session in &stage.sessions {
            let slot = Slot::read(&stage.home.state_dir(), session);
            tally.unanswered += usize::from(slot.is_unanswered());
            tally.answered += usize::from(slot.is_answered());
            self.slots.insert(session.clone(), slot);
        }
    }
}

/// A daemon, and the clients that give it no rest.
struct Running {
    daemon: Daemon,
    clients: JoinSet<Handouts>,
}

impl Running {
    async fn kill(self, tally: &mut Tally) -> Result<()> {
        self.daemon.kill().await?;
        for handouts in self.clients.join_all().await {
            tally.handouts.add(handouts);
        }
        Ok(())
    }
}

impl Tally {
    fn figures(&self, mode: &Mode, cycle: Duration) -> Vec<Figure> {
        let name = |what: &str| format!("{}: {what}", mode.name);
        let in_flight = format!(
            "{} ms a cycle, {} deaths before recovery; at death {:.1} requests and {:.1} answers were under way",
            cycle.as_millis(),
            self.early,
            self.unanswered as f64 / self.kills as f64,
            self.answered as f64 / self.kills as f64,
        );
        let detail = self.lost.first().map_or(in_flight, |first| format!("first: {first}"));
        let mut figures =
            vec![Figure::none(name("sessions lost by SIGKILL"), self.lost.len(), self.kills).with(detail)];
        if mode.tolerates_retry {
            let death = Figure::told(name("reuse events"), self.reuse_events.to_string());
            figures.push(Figure { promise: "0".to_owned(), kept: self.reuse_events == 0, ..death });
        } else {
            let told = Figure::every(
                name("lost in the server's window and reported as interrupted"),
                self.interrupted,
                self.interrupted + self.lost.len(),
            );
            figures.push(told.with(format!("of {} recoveries", self.recoveries)));
            let reused =
                Figure::every(name("reuse events, one for each"), self.reuse_events, self.interrupted);
            figures.push(reused);
        }
        figures.push(Figure::none(name("handouts of a dead token"), self.handouts.dead, self.handouts.all));
        let Searched { leaks, secrets, logs, bytes, .. } = &self.searched;
        let searched = format!("{secrets} secrets looked for in {logs} logs of {} MiB", bytes >> 20);
        figures.push(Figure::none(name("secrets in logs"), *leaks, *secrets).with(searched));
        figures
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
