//! Who is shown how the attempt ended, and how long its listener stays for that.

use std::time::Duration;

use fourinsight_ipc::message::LoginState;

use super::Attempt;

/// How long a browser that was sent to the page may take to ask for it.
const PAGE_WAIT: Duration = Duration::from_secs(10);

/// How long the listener of a login that was cancelled or has expired waits for a browser to tell so, on a port that
/// is nobody else's.
const LATE: Duration = Duration::from_mins(1);

/// How long the listener outlives its page, so that whatever asks again is told so.
const GRACE: Duration = Duration::from_secs(3);

/// Whether a browser still has to be shown how it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PageTurn {
    /// No browser brought the answer.
    NotOwed,
    Owed,
    Shown,
}

impl Attempt {
    /// The right to show the page: for one answer to one browser.
    pub(in crate::login) fn take_page(&self) -> bool {
        self.page.send_if_modified(|page| {
            let owed = *page == PageTurn::Owed;
            if owed {
                *page = PageTurn::Shown;
            }
            owed
        })
    }

    /// Whether the page is still to be shown.
    pub(in crate::login) fn owes_page(&self) -> bool {
        *self.page.borrow() == PageTurn::Owed
    }

    /// Returns when nothing more is to be said to a browser.
    pub(super) async fn served_its_purpose(&self, lingers: bool) {
        // Neither sender can go away: both belong to `self`.
        let ended =
            self.watch().wait_for(|status| status.state != LoginState::Pending).await.map(|s| s.state);
        if *self.page.borrow() == PageTurn::NotOwed {
            if lingers && matches!(ended, Ok(LoginState::Cancelled | LoginState::Expired)) {
                tokio::time::sleep(LATE).await;
            }
            return;
        }
        let mut page = self.page.subscribe();
        let shown = page.wait_for(|page| *page == PageTurn::Shown);
        let _ = tokio::time::timeout(PAGE_WAIT, shown).await;
        tokio::time::sleep(GRACE).await;
    }
}
