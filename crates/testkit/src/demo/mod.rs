//! The demo: one login, and several separate programs that never see an expired token while the server renews every
//! few seconds. Everything in it is real but the people: the programs, the forms, the sockets, the rotation.
//!
//! | module | what it does |
//! |---|---|
//! | `stage` | a scratch home, the practice server, the daemon, the login |
//! | [`ask`] | one token and one call to the API, whoever makes it |
//! | `workers` | the programs that ask |
//! | `tally` | what came of it so far |
//! | `view` | the live view |
//! | `figures` | the closing summary, and what must hold |

pub mod ask;
mod figures;
mod stage;
mod tally;
mod view;
mod workers;

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::practice::Verdict;
use figures::Figures;
use stage::Stage;
use tally::Tally;
use view::View;

/// How long an access token lives.
const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(10);

/// How many renewals are shown before the end; one more than must hold.
const RENEWALS_SHOWN: usize = 4;

/// By when they have come, or do not come at all.
const LONGEST_SHOW: Duration = Duration::from_mins(1);

/// What the person wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The person signs in by hand, in a browser of their own.
    pub browser: bool,
    /// Each assertion is shown, and the view is plain.
    pub check: bool,
}

/// Runs the demo from the first daemon start to the last removed file; an error when any of its figures does not hold.
pub async fn run(options: Options) -> Result<()> {
    let view = View::new(options.check);
    workers::find_curl()?;
    view.chapter("A scratch home, the practice authorization server, and fourinsightd")?;
    let stage = Stage::set().await?;
    view.line(&format!(
        "authorization server {}, access tokens live {} s",
        stage.issuer(),
        ACCESS_TOKEN_LIFE.as_secs()
    ))?;
    view.line(&format!("daemon on {}", stage.home.socket().display()))?;

    view.chapter("One login: authorization code with PKCE, over the loopback redirect")?;
    view.command(stage::login_command(options.browser))?;
    view.output(&stage.login(options.browser).await?)?;

    view.chapter("Separate processes get tokens and call the API, while tokens are renewed under them")?;
    let tally = show(&stage, &view).await?;
    let figures = Figures::gather(&stage, tally);
    view.chapter("Summary")?;
    view.output(&figures.summary())?;

    view.chapter("Where the session stands")?;
    view.command("fourinsightctl status")?;
    view.output(&stage.home.ctl(&["status"]).await?.success()?)?;

    view.chapter("Revoked, and the token that was good a moment ago is dead")?;
    let revoked = revoke(&stage, &view).await?;

    let folder = stage.home.path().to_owned();
    stage.clear().await?;
    ensure!(!folder.exists(), "{} was left behind", folder.display());
    let unmet = figures.judge(revoked, options.check, &view)?;
    ensure!(unmet == 0, "{unmet} of the demo's figures do not hold");
    view.chapter("Done: the daemon is stopped, the scratch home removed")
}

/// Lets the workers work until enough renewals have been seen.
async fn show(stage: &Stage, view: &View) -> Result<Tally> {
    let mut workers = workers::start(stage)?;
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut frames = interval(view.pace());
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let enough = stage.practice.wait_until(|ledger| ledger.refreshes().len() >= RENEWALS_SHOWN);
    let enough = tokio::time::timeout(LONGEST_SHOW, enough);
    tokio::pin!(enough);
    loop {
        tokio::select! {
            asked = workers.next() => tally.add(asked?),
            _ = frames.tick() => {
                tally.renewed(stage.practice.ledger().refreshes().len(), start.elapsed());
                view.frame(&tally, start.elapsed())?;
            }
            // What is missing then shows in the figures.
            _ = &mut enough => break,
        }
    }
    // Everyone finishes what they are at, so that nothing is left uncounted.
    for asked in workers.finish().await? {
        tally.add(asked);
    }
    tally.renewed(stage.practice.ledger().refreshes().len(), start.elapsed());
    view.last_frame(&tally, start.elapsed())?;
    Ok(tally)
}

/// What is known of the last token before and after it was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Revoked {
    /// The API's answer before.
    before: u16,
    /// The API's answer after.
    after: u16,
    /// The server's own word after.
    verdict: Verdict,
    /// The exit code of `fourinsightctl token` after.
    exit: Option<i32>,
}

async fn revoke(stage: &Stage, view: &View) -> Result<Revoked> {
    let token = stage.home.ctl(&["token", "--no-autostart"]).await?.success()?;
    let before = workers::call_with_curl(stage, &token).await?;
    view.line(&format!("the API answers {} to the last token", before.status))?;
    view.command("fourinsightctl revoke default")?;
    view.output(&stage.home.ctl(&["revoke", "default"]).await?.success()?)?;
    let after = workers::call_with_curl(stage, &token).await?;
    view.line(&format!("the API answers {} to the same token", after.status))?;
    let verdict = stage.practice.verdict(&token);
    view.line(&format!("the server's own word on it: {verdict:?}"))?;
    view.command("fourinsightctl token")?;
    let refused = stage.home.ctl(&["token", "--no-autostart"]).await?;
    view.output(&refused.stderr)?;
    Ok(Revoked { before: before.status, after: after.status, verdict, exit: refused.code })
}
