//! The closing figures: what the workers counted and what the server saw, and what must hold of them.

use std::time::Duration;

use anyhow::Result;

use super::{ACCESS_TOKEN_LIFE, Revoked, stage::Stage, tally::Tally, view::View, workers::Kind};
use crate::practice::{Endpoint, Ledger, SecretKind, Verdict};

/// The fewest renewals that show anything.
const FEWEST_RENEWALS: usize = 3;

/// The fewest tokens that each kind of program must have got.
const FEWEST_TOKENS: usize = 10;

/// What is known when the workers have finished.
pub(super) struct Figures {
    tally: Tally,
    seen: Seen,
}

/// What the server saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    requests: usize,
    authorization: usize,
    token: usize,
    code_exchanges: usize,
    refresh_requests: usize,
    refreshes: usize,
    /// The shortest time between two renewals.
    shortest_pause: Option<Duration>,
    api: usize,
    api_refused: usize,
    /// Access tokens that it issued.
    issued: usize,
    /// How often the most used refresh token was used.
    most_redemptions: usize,
    reuses: usize,
}

impl Figures {
    pub(super) fn gather(stage: &Stage, tally: Tally) -> Self {
        Self { tally, seen: Seen::of(&stage.practice.ledger()) }
    }

    pub(super) fn summary(&self) -> String {
        let (total, seen) = (self.tally.total(), &self.seen);
        let by_kind = Kind::ALL.map(|kind| format!("{} {}", kind.name(), self.tally.of(kind).served));
        let mut text = format!(
            "tokens served            {:>5}   {}\n\
             renewals                 {:>5}   {} access tokens issued, each refresh token used {} at most\n\
             requests the server saw  {:>5}   {} to sign in, {} to the token endpoint, {} to the API\n\
             failures                 {:>5}",
            total.served,
            by_kind.join(", "),
            seen.refreshes,
            seen.issued,
            times(seen.most_redemptions),
            seen.requests,
            seen.authorization,
            seen.token,
            seen.api,
            total.failed,
        );
        for problem in &self.tally.problems {
            text.extend(["\n  ", problem]);
        }
        text
    }

    /// Shows what does not hold, or each check when asked to, and counts what does not.
    pub(super) fn judge(&self, revoked: Revoked, show_all: bool, view: &View) -> Result<usize> {
        let checks = self.checks(revoked);
        if show_all {
            view.chapter("Checks")?;
        }
        for (holds, what) in checks.iter().filter(|(holds, _)| show_all || !holds) {
            view.line(&format!("{} {what}", if *holds { "holds: " } else { "FAILED:" }))?;
        }
        Ok(checks.iter().filter(|(holds, _)| !holds).count())
    }

    fn checks(&self, revoked: Revoked) -> Vec<(bool, String)> {
        let (tally, seen) = (&self.tally, &self.seen);
        let total = tally.total();
        let mut checks = vec![
            (seen.refreshes >= FEWEST_RENEWALS, format!("at least {FEWEST_RENEWALS} renewals")),
            (total.failed == 0, "nobody failed to get a token that the API takes".to_owned()),
            (
                seen.api == total.served && seen.api_refused == 0,
                "each token served was used, and taken".into(),
            ),
            (seen.code_exchanges == 1, "one login".to_owned()),
            (
                seen.refresh_requests == seen.refreshes && seen.most_redemptions == 1 && seen.reuses == 0,
                "each refresh token was redeemed once, and no redemption refused".to_owned(),
            ),
            (
                seen.shortest_pause.is_some_and(|pause| pause >= ACCESS_TOKEN_LIFE / 2),
                "no token renewed in the first half of its life".to_owned(),
            ),
            (
                seen.issued == seen.refreshes + 1,
                "no access token but of the login and the renewals".to_owned(),
            ),
        ];
        checks.extend(Kind::ALL.map(|kind| {
            let what = format!("at least {FEWEST_TOKENS} tokens for {}", kind.name());
            (tally.of(kind).served >= FEWEST_TOKENS, what)
        }));
        let expected = Revoked { before: 200, after: 401, verdict: Verdict::Revoked, exit: Some(3) };
        checks.push((revoked == expected, format!("the revoked token is dead: {revoked:?}")));
        checks
    }
}

impl Seen {
    fn of(ledger: &Ledger) -> Self {
        let count = |endpoint| ledger.requests(endpoint).count();
        Self {
            requests: ledger.entries().len(),
            authorization: count(Endpoint::Discovery) + count(Endpoint::Authorization),
            token: count(Endpoint::Token),
            code_exchanges: ledger.token_requests("authorization_code").len(),
            refresh_requests: ledger.token_requests("refresh_token").len(),
            refreshes: ledger.refreshes().len(),
            shortest_pause: ledger
                .refreshes()
                .windows(2)
                .map(|pair| pair[1].at.saturating_sub(pair[0].at))
                .min(),
            api: count(Endpoint::Api),
            api_refused: ledger.requests(Endpoint::Api).filter(|entry| entry.status != Some(200)).count(),
            issued: ledger.secrets_of(SecretKind::AccessToken).count(),
            most_redemptions: ledger.most_redemptions(),
            reuses: ledger.reuse_events().len(),
        }
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ask::Ask;

    const DEAD: Revoked = Revoked { before: 200, after: 401, verdict: Verdict::Revoked, exit: Some(3) };

    fn good() -> Figures {
        let mut tally = Tally::default();
        for kind in Kind::ALL {
            (0..FEWEST_TOKENS).for_each(|_| tally.add((kind, Ask::Served { left: 5 })));
        }
        let seen = Seen {
            requests: 40,
            authorization: 3,
            token: 4,
            code_exchanges: 1,
            refresh_requests: 3,
            refreshes: 3,
            shortest_pause: Some(Duration::from_secs(6)),
            api: 30,
            api_refused: 0,
            issued: 4,
            most_redemptions: 1,
            reuses: 0,
        };
        Figures { tally, seen }
    }

    fn unmet(figures: &Figures, revoked: Revoked) -> usize {
        figures.checks(revoked).iter().filter(|(holds, _)| !holds).count()
    }

    #[test]
    fn good_figures_hold() {
        assert_eq!(unmet(&good(), DEAD), 0);
    }

    #[test]
    fn each_bad_figure_is_noticed() {
        let spoil: [fn(&mut Figures); 8] = [
            |figures| figures.seen.shortest_pause = Some(Duration::from_millis(20)),
            |figures| figures.seen.code_exchanges = 2,
            |figures| figures.seen.api += 1,
            |figures| figures.seen.api_refused = 1,
            |figures| figures.seen.refresh_requests += 1,
            |figures| figures.seen.most_redemptions = 2,
            |figures| figures.seen.reuses = 1,
            |figures| figures.tally.add((Kind::Curl, Ask::Failed { problem: "x".into() })),
        ];
        for (index, spoil) in spoil.iter().enumerate() {
            let mut figures = good();
            spoil(&mut figures);
            assert_eq!(unmet(&figures, DEAD), 1, "spoilt in way {index}");
        }
        let mut two_renewals = good();
        (two_renewals.seen.refreshes, two_renewals.seen.refresh_requests) = (2, 2);
        two_renewals.seen.issued = 3;
        assert_eq!(unmet(&two_renewals, DEAD), 1);
    }

    #[test]
    fn a_token_that_has_merely_expired_proves_nothing() {
        assert_eq!(unmet(&good(), Revoked { verdict: Verdict::Expired, ..DEAD }), 1);
        assert_eq!(unmet(&good(), Revoked { after: 200, ..DEAD }), 1);
    }
}
