//! How often a daemon wakes up that nobody asks anything. A minute is needed, and passes beside the other parts.

use std::time::Duration;

use anyhow::Result;

use super::{
    clock::Moment,
    figure::{Bar, Figure, Measured, Unit},
    processes,
    stage::Stage,
};
use crate::process::{Daemon, Home};

/// Two rounds of the daemon's ticker, which turns every 30 s.
const WINDOW: Duration = Duration::from_mins(1);

const WAKE_UPS: Figure = Figure { name: "wake-ups when idle", unit: Unit::PerMinute, bar: Bar::AtMost(4.0) };

/// A daemon at rest.
pub(super) struct Idle {
    daemon: Daemon,
    about: &'static str,
    since: Moment,
    wake_ups: u64,
}

impl Idle {
    pub(super) fn begin(stage: &Stage, home: &Home, about: &'static str) -> Result<Self> {
        let daemon = stage.start(home)?;
        processes::settle(daemon.id()?)?;
        Ok(Self { wake_ups: processes::wake_ups(daemon.id()?)?, since: Moment::now(), daemon, about })
    }

    /// Waits for the end of the minute if it is not over yet.
    pub(super) fn end(self, stage: &Stage) -> Result<Vec<Measured>> {
        while let Some(left) = WINDOW.checked_sub(self.since.elapsed()) {
            processes::pause(left);
        }
        let process = self.daemon.id()?;
        let count = processes::wake_ups(process)? - self.wake_ups;
        let seconds = self.since.elapsed().as_secs_f64();
        stage.stop(self.daemon)?;
        let detail = format!("{count} in {seconds:.0} s");
        Ok(vec![WAKE_UPS.measured(&[count as f64 * 60.0 / seconds], detail).about(self.about)])
    }
}
