//! Death at every single step: a build with named points ends itself at each of them in turn, at every kind of server
//! and every price of a reuse, and the shipped build makes what it can of what it finds.
//!
//! Which steps there are, and in which order, is learnt from a build that writes them down; what must come of a death
//! at each of them follows from how far the server and the journal had come by then:
//!
//! | at death | where a retry is tolerated | strict |
//! |---|---|---|
//! | the server had not committed | lives, by the old refresh token | the same |
//! | it had, and no answer was kept | lives, by one retry | a login is needed, and the status says why |
//! | the answer was kept | lives, by the new one, without a retry | the same |

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    Figure, Options,
    client::{Client, Recovery},
    mode::{MODES, Mode, STRICT},
    slot::Slot,
    stage::{self, Stage},
};
use crate::{
    practice::{Answer, Gate, Settings, rotation::Reuse},
    process::TIME_LIMIT,
    wait,
};

/// The last step of a rotation, and of a revocation.
const LAST_OF_ROTATION: &str = "settled";
const LAST_OF_REVOCATION: &str = "forgotten";

/// What the variable is called that tells a build with points what to do.
const VARIABLE: &str = "FOURINSIGHT_FAULT";

pub(super) fn run(options: &Options) -> Result<Vec<Figure>> {
    let program = options.daemon_with_points.as_deref();
    let program =
        program.context("FOURINSIGHTD_WITH_POINTS_BIN names no daemon with the feature fault-points")?;
    let runtime = stage::runtime()?;
    runtime.block_on(async {
        let mut figures = Vec::new();
        let mut names = BTreeSet::new();
        for answers in [Answers::Short, Answers::Long] {
            let steps = learn(program, LAST_OF_ROTATION, answers).await?;
            figures.push(rotations(program, &steps, answers).await?);
            names.extend(steps.into_iter().map(|step| step.name));
        }
        let steps = learn(program, LAST_OF_REVOCATION, Answers::Short).await?;
        figures.push(revocations(program, &steps).await?);
        names.extend(steps.into_iter().map(|step| step.name));
        figures.push(shipped(program, &names).await?);
        Ok(figures)
    })
}

/// Whether the server's answers fit into a journal slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Short,
    /// They do not, and are kept in the database.
    Long,
}

impl Answers {
    /// How long they make the access tokens.
    fn access_token_length(self) -> usize {
        match self {
            Self::Short => 0,
            Self::Long => 26 * 1024,
        }
    }

    /// The step at which a build keeps the answer.
    fn kept_at(self) -> &'static str {
        match self {
            Self::Short => "raw_written",
            Self::Long => "oversized_kept",
        }
    }
}

/// A point as a build comes to it: its name, and how often it has been there before in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    time: usize,
}

impl Step {
    fn order(&self) -> String {
        format!("abort@{}:{}", self.name, self.time)
    }
}

async fn one_session(mode: &Mode, reuse: Reuse, answers: Answers) -> Result<Arc<Stage>> {
    let access_token_length = answers.access_token_length();
    let settings = Settings { reuse, id_tokens: false, access_token_length, ..Settings::default() };
    Ok(Arc::new(Stage::signed_in(&stage::in_memory(), mode, 1, settings).await?))
}

/// The steps of one rotation, or of one revocation, in order.
async fn learn(program: &Path, last: &str, answers: Answers) -> Result<Vec<Step>> {
    let stage = one_session(&STRICT, Reuse::default(), answers).await?;
    let file = stage.home.path().join("points");
    let daemon = stage.start_with_points(program, &format!("record@{}", file.display())).await?;
    let daemon = daemon.context("the daemon does not start")?;
    let before = names(&file)?.len();
    if last == LAST_OF_ROTATION {
        client(&stage).recover(stage.rotations()).await?;
    } else {
        stage.home.delete(&format!("/v1/sessions/{}", stage.sessions[0])).await?;
    }
    let all = wait::until(last, TIME_LIMIT, async || {
        let names = names(&file)?;
        Ok(names[before..].iter().any(|name| name == last).then_some(names))
    })
    .await?;
    daemon.kill().await?;
    let mut seen = BTreeMap::new();
    let steps = all.into_iter().map(|name| {
        let time: &mut usize = seen.entry(name.clone()).or_default();
        *time += 1;
        Step { name, time: *time }
    });
    Ok(steps.skip(before).collect())
}

fn names(file: &PathBuf) -> Result<Vec<String>> {
    let text = if file.exists() { fs::read_to_string(file)? } else { String::new() };
    Ok(text.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect())
}

fn client(stage: &Arc<Stage>) -> Client {
    Client::new(Arc::clone(stage), stage.sessions[0].clone())
}

/// Dies at each step of a rotation, at each kind of server.
async fn rotations(program: &Path, steps: &[Step], answers: Answers) -> Result<Figure> {
    let kept_at = answers.kept_at();
    ensure!(steps.iter().any(|step| step.name == kept_at), "no step of a rotation is called {kept_at}");
    let (mut tried, mut wrong) = (0, Vec::new());
    for mode in MODES {
        for reuse in [Reuse::Deny, Reuse::RevokeFamily, Reuse::RevokeFamilyAndAccessTokens] {
            let stage = one_session(mode, reuse, answers).await?;
            let held = [Answer::genuine(), Answer::genuine().after_committing()];
            let deaths = steps.iter().map(Death::At).chain(held.into_iter().map(Death::WhileHeld));
            for death in deaths {
                tried += 1;
                let end = death.happens(&stage, program).await?;
                let what = end.comes_out(&stage, mode).await?;
                wrong.extend(what.map(|what| format!("{}, {reuse:?}, {}: {what}", mode.name, death.name())));
            }
        }
    }
    let right = tried - wrong.len();
    let about = wrong.first().map_or_else(
        || {
            format!(
                "{} points and 2 moments at the server, {} modes, 3 prices of a reuse",
                steps.len(),
                MODES.len()
            )
        },
        |first| format!("first: {first}"),
    );
    let what = match answers {
        Answers::Short => "deaths at a step of a rotation that come out as the table says",
        Answers::Long => "the same with answers too long for a journal slot",
    };
    Ok(Figure::every(what, right, tried).with(about))
}

/// How a daemon dies.
enum Death<'a> {
    /// By itself, at a point.
    At(&'a Step),
    /// Killed while the server holds this answer back.
    WhileHeld(Answer),
}

/// How far things had come when a daemon died.
#[derive(Clone, Copy, Debug)]
struct End {
    rotations_before: usize,
    rotations: usize,
    reuse_events: usize,
    presented_again: usize,
    slot: Slot,
    /// The row had the new generation already.
    settled_before: u64,
}

impl Death<'_> {
    fn name(&self) -> String {
        match self {
            Self::At(step) => step.name.clone(),
            Self::WhileHeld(_) => "held back by the server".to_owned(),
        }
    }

    async fn happens(&self, stage: &Arc<Stage>, program: &Path) -> Result<End> {
        let (rotations_before, reuse_events, presented_again) =
            (stage.rotations(), stage.reuse_events(), presented_again(stage));
        let settled_before = Slot::read(&stage.home.state_dir(), &stage.sessions[0]).settled;
        match self {
            Self::At(step) => {
                let daemon = stage.start_with_points(program, &step.order()).await?;
                let daemon = daemon.context("the daemon died before anything was asked of it")?;
                // The end of the connection, or an answer that went out before the end.
                let _ = client(stage).recover(rotations_before).await;
                let status = daemon.ended().await?;
                ensure!(!status.success(), "the daemon ended well instead of dying at {}", step.name);
            }
            Self::WhileHeld(answer) => {
                let gate = Gate::new();
                stage.practice.answer_next_token_requests([answer.clone().held_by(&gate)]);
                let daemon = stage.start().await?;
                let mut client = client(stage);
                let asking = tokio::spawn(async move { client.recover(rotations_before).await });
                gate.arrived(1).await;
                daemon.kill().await?;
                // An error of the connection.
                let _ = asking.await?;
            }
        }
        let slot = Slot::read_with_database(&stage.home.state_dir(), &stage.sessions[0])?;
        Ok(End {
            rotations_before,
            rotations: stage.rotations(),
            reuse_events,
            presented_again,
            slot,
            settled_before,
        })
    }
}

impl End {
    /// Starts the shipped build; what came out wrong, if anything did.
    async fn comes_out(self, stage: &Arc<Stage>, mode: &Mode) -> Result<Option<String>> {
        let daemon = stage.start().await?;
        let recovery = client(stage).recover(self.rotations).await;
        let outcome = self.judge(stage, mode, &recovery?);
        if !matches!(outcome, Ok(Came::Alive)) {
            stage.sign_in(&stage.sessions[0]).await?;
        }
        daemon.stop().await?;
        Ok(outcome.err())
    }

    fn judge(self, stage: &Stage, mode: &Mode, recovery: &Recovery) -> Result<Came, String> {
        let committed = self.rotations > self.rotations_before;
        let kept = self.slot.is_answered() || self.slot.settled > self.settled_before;
        let again = presented_again(stage) - self.presented_again;
        let reused = stage.reuse_events() - self.reuse_events;
        let in_doubt = committed && !kept;
        match recovery {
            Recovery::Refreshed(_) if in_doubt && !mode.tolerates_retry => {
                Err("it lives where the server cannot have let it".to_owned())
            }
            Recovery::Refreshed(_) if reused > 0 => Err(format!("{reused} reuse events")),
            Recovery::Refreshed(_) if !in_doubt && again > 0 && mode.spends() => {
                Err(format!("{again} refresh tokens were presented again where one was known to be good"))
            }
            Recovery::Refreshed(_) => Ok(Came::Alive),
            Recovery::Lost { error, .. } if in_doubt && !mode.tolerates_retry => {
                if error == "rotation_interrupted" && reused == 1 {
                    Ok(Came::Lost)
                } else {
                    Err(format!("lost as it must be, but told as {error}, with {reused} reuse events"))
                }
            }
            Recovery::Lost { error, description } => {
                Err(format!("lost (committed {committed}, answer kept {kept}): {error}: {description}"))
            }
            Recovery::Stuck(why) => Err(why.clone()),
        }
    }
}

/// How a session came out of a death, as it should.
enum Came {
    Alive,
    Lost,
}

/// How many refresh tokens were presented more than once.
fn presented_again(stage: &Stage) -> usize {
    stage.practice.look(|ledger| ledger.redemptions().values().filter(|count| **count > 1).count())
}

/// Dies at each step of a revocation: the next start finishes it.
async fn revocations(program: &Path, steps: &[Step]) -> Result<Figure> {
    let (mut finished, mut first) = (0, None);
    for step in steps {
        let stage = one_session(&MODES[0], Reuse::default(), Answers::Short).await?;
        let session = format!("/v1/sessions/{}", stage.sessions[0]);
        let daemon = stage.start().await?;
        let Recovery::Refreshed(token) = client(&stage).recover(stage.rotations()).await? else {
            bail!("the session does not refresh")
        };
        daemon.stop().await?;
        let daemon = stage.start_with_points(program, &step.order()).await?.context("no start")?;
        // An error of the connection, or the answer to what was still finished.
        let _ = stage.home.delete(&session).await;
        daemon.ended().await?;
        let daemon = stage.start().await?;
        let gone = wait::until("the end of the session", TIME_LIMIT, async || {
            Ok((stage.home.get(&session).await?.status == 404).then_some(()))
        });
        let gone = gone.await.is_ok() && stage.practice.login_lives(&token) == Some(false);
        daemon.stop().await?;
        finished += usize::from(gone);
        if !gone {
            first.get_or_insert_with(|| format!("first not: {}", step.name));
        }
    }
    let figure =
        Figure::every("deaths at a step of a revocation that the next start finishes", finished, steps.len());
    Ok(figure.with(first.unwrap_or_default()))
}

/// The shipped build holds no point and does not look at the variable; the other one holds them all.
async fn shipped(with_points: &Path, names: &BTreeSet<String>) -> Result<Figure> {
    let stage = one_session(&MODES[0], Reuse::default(), Answers::Short).await?;
    let shipped = fs::read(&stage.home.programs().fourinsightd)?;
    let other = fs::read(with_points)?;
    let holds =
        |program: &[u8], text: &str| program.windows(text.len()).any(|window| window == text.as_bytes());
    ensure!(holds(&other, VARIABLE), "the build with points does not look at {VARIABLE}");
    let mut found = Vec::new();
    for text in names.iter().map(String::as_str).chain([VARIABLE]) {
        // Short names may stand in any text of a program.
        if text.contains('_') && holds(&shipped, text) {
            found.push(text.to_owned());
        }
    }
    let daemon =
        stage.start_with_points(&stage.home.programs().fourinsightd, "abort@intent_written:1").await?;
    let Some(daemon) = daemon else { bail!("the shipped build died before anything was asked of it") };
    if client(&stage).recover(stage.rotations()).await.is_err() {
        found.push("it died of the variable".to_owned());
    }
    daemon.kill().await?;
    Ok(Figure::new("points in the shipped build", found.len().to_string(), "0", found.is_empty())
        .with(found.join(", ")))
}
