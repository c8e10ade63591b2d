//! When a token is fresh, when it is renewed, and how long to wait after a failure. Pure: time and chance come as
//! arguments.

use std::time::Duration;

use crate::{
    authority::pace::LONGEST_RETRY_AFTER,
    clock::Timestamp,
    token::{Expiry, Lifetime, Token},
};

/// How long a token is believed to live when nobody said.
pub const ASSUMED_LIFE: Duration = Duration::from_mins(10);

/// The longest pause between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// How soon after one answer a refresh token is used again only to keep it alive.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What two answers' ends may differ by though they mean the same.
const TIDE: Duration = Duration::from_secs(10);

/// How good a token is for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It lives long enough.
    Fresh,
    /// It lives long enough, and its renewal is due.
    Due,
    /// It lives, but for less than was asked.
    Short,
    /// It is dead.
    Expired,
}

/// Judges a token at the moment of a request. Without `min_validity` a token must live for another minute, or a
/// tenth of its life if that is less.
pub fn freshness(token: &Token, now: Timestamp, min_validity: Option<Duration>) -> Freshness {
    let Expiry::At { at, .. } = token.expiry else { return Freshness::Fresh };
    let left = at.since(now);
    if left.is_zero() {
        return Freshness::Expired;
    }
    let life = at.since(token.obtained_at);
    // What no token has for long is worth one fetch, not one fetch for every request.
    let wanted = min_validity
        .filter(|wanted| !is_out_of_reach(*wanted, life) || !token.on_demand)
        .unwrap_or_else(|| margin(life));
    if left < wanted {
        Freshness::Short
    } else if token.renew_at.is_some_and(|renew_at| renew_at <= now) {
        Freshness::Due
    } else {
        Freshness::Fresh
    }
}

/// When a token ends. `renewable` tells whether anything could replace it.
pub fn expiry(lifetime: Lifetime, obtained_at: Timestamp, renewable: bool) -> Expiry {
    match lifetime {
        Lifetime::Seconds(seconds) => Expiry::At { at: obtained_at + life(seconds), assumed: false },
        Lifetime::Unknown if renewable => Expiry::At { at: obtained_at + ASSUMED_LIFE, assumed: true },
        Lifetime::Unknown => Expiry::Unknown,
    }
}

/// When to renew a token: where the server said, else at three quarters of its life; drawn once, up to a
/// twentieth of the life earlier, so that tokens which arrived together part ways.
pub fn renewal(
    expiry: Expiry,
    obtained_at: Timestamp,
    refresh_in: Option<u64>,
    chance: Chance,
) -> Option<Timestamp> {
    let Expiry::At { at, .. } = expiry else { return None };
    let life = at.since(obtained_at);
    let wished = refresh_in.map_or(life / 4 * 3, Duration::from_secs);
    let latest = life.saturating_sub(margin(life));
    Some(obtained_at + wished.min(latest).saturating_sub(chance.of(life / 20)))
}

/// When to use a refresh token so that it does not end unused: well before its idle end, and never in a hurry that
/// would wear its server down.
pub fn keep_alive(idle_end: Timestamp, obtained_at: Timestamp) -> Timestamp {
    let idle = idle_end.since(obtained_at);
    let early = (idle / 4).min(Duration::from_hours(24));
    (idle_end - early).max(obtained_at + SHORTEST_KEEP_ALIVE)
}

/// Whether the end of a refresh token stays where it is however often the token is used. Two answers tell: when each
/// was asked for, and the end that it names. They must lie further apart than their roundings and delays.
pub fn is_fixed(before: (Timestamp, Timestamp), after: (Timestamp, Timestamp)) -> Option<bool> {
    let apart = after.0.since(before.0);
    let moved = after.1.since(before.1);
    (apart > 2 * TIDE).then_some(moved + TIDE < apart)
}

/// How long to pause after so many failures in a row: full jitter between one second and a bound that doubles up
/// to five minutes, and at least what the server asked for. Once the bound is reached the pause is nearly all of it:
/// no day of an outage costs a session more than 320 attempts.
pub fn backoff(failures: u32, retry_after: Option<Duration>, chance: Chance) -> Duration {
    let bound = Duration::from_secs(1u64 << failures.clamp(1, 9)).min(LONGEST_BACKOFF);
    let floor = if bound < LONGEST_BACKOFF { Duration::from_secs(1) } else { LONGEST_BACKOFF / 10 * 9 };
    let drawn = floor + chance.of(bound.saturating_sub(floor));
    drawn.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// The pause after the server refused the client registration itself: only a person can mend that.
pub fn misconfigured_backoff(chance: Chance) -> Duration {
    LONGEST_BACKOFF + chance.of(LONGEST_BACKOFF)
}

/// A number drawn by the caller, uniform in [0, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance(f64);

impl Chance {
    /// From 64 random bits.
    pub fn from_bits(bits: u64) -> Self {
        Self((bits >> 11) as f64 / (1u64 << 53) as f64)
    }

    fn of(self, whole: Duration) -> Duration {
        whole.mul_f64(self.0)
    }
}

/// Whether so much validity is more than a token has for a while after it arrived: its life is shorter, or nearly so.
pub(super) fn is_out_of_reach(wanted: Duration, life: Duration) -> bool {
    wanted > life.saturating_sub(margin(life))
}

/// The share of a token's life that is kept in reserve.
fn margin(life: Duration) -> Duration {
    (life / 10).min(Duration::from_mins(1))
}

/// Servers round; under a minute that second counts.
fn life(seconds: i64) -> Duration {
    let Ok(seconds) = u64::try_from(seconds) else { return Duration::ZERO };
    let whole = Duration::from_secs(seconds);
    if seconds < 60 { (whole / 2).max(whole.saturating_sub(Duration::from_secs(1))) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{AccessToken, TokenId};

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const NEVER: Chance = Chance(0.0);
    const ALWAYS: Chance = Chance(0.999_999);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn token(lifetime: i64) -> Token {
        let expiry = expiry(Lifetime::Seconds(lifetime), START, true);
        Token {
            id: TokenId(1),
            secret: AccessToken::new(String::from("t")),
            token_type: "Bearer".into(),
            scope: None,
            obtained_at: START,
            expiry,
            renew_at: renewal(expiry, START, None, NEVER),
            on_demand: false,
        }
    }

    #[test]
    fn a_token_is_fresh_then_due_then_short_then_expired() {
        let token = token(1000);
        let at = |second| freshness(&token, START + seconds(second), None);
        assert_eq!(at(0), Freshness::Fresh);
        assert_eq!(at(749), Freshness::Fresh);
        assert_eq!(at(750), Freshness::Due);
        assert_eq!(at(940), Freshness::Due);
        assert_eq!(at(941), Freshness::Short);
        assert_eq!(at(999), Freshness::Short);
        assert_eq!(at(1000), Freshness::Expired);
    }

    #[test]
    fn left_out_the_minimum_is_a_minute_or_a_tenth_of_the_life() {
        let hour = token(3600);
        assert_eq!(freshness(&hour, START + seconds(3540), None), Freshness::Due);
        assert_eq!(freshness(&hour, START + seconds(3541), None), Freshness::Short);
        let short = token(100);
        assert_eq!(freshness(&short, START + seconds(90), None), Freshness::Due);
        assert_eq!(freshness(&short, START + seconds(91), None), Freshness::Short);
    }

    #[test]
    fn more_than_a_whole_life_is_worth_one_fetch_only() {
        let mut token = token(100);
        assert_eq!(freshness(&token, START, Some(seconds(500))), Freshness::Short);
        token.on_demand = true;
        assert_eq!(freshness(&token, START + seconds(1), Some(seconds(500))), Freshness::Fresh);
        assert_eq!(freshness(&token, START + seconds(50), Some(seconds(60))), Freshness::Short);
    }

    #[test]
    fn a_whole_life_is_worth_one_fetch_only_as_well() {
        let mut token = token(100);
        token.on_demand = true;
        assert_eq!(freshness(&token, START + seconds(1), Some(seconds(100))), Freshness::Fresh);
        assert_eq!(freshness(&token, START + seconds(5), Some(seconds(99))), Freshness::Fresh);
        assert_eq!(freshness(&token, START + seconds(11), Some(seconds(90))), Freshness::Short);
        assert!(is_out_of_reach(seconds(91), seconds(100)) && !is_out_of_reach(seconds(90), seconds(100)));
    }

    #[test]
    fn a_life_under_a_minute_loses_a_second_and_never_more_than_half() {
        let life = |seconds| match expiry(Lifetime::Seconds(seconds), START, true) {
            Expiry::At { at, .. } => at.since(START),
            Expiry::Unknown => unreachable!("a life was given"),
        };
        assert_eq!(life(60), seconds(60));
        assert_eq!(life(59), seconds(58));
        assert_eq!(life(1), Duration::from_millis(500));
        assert_eq!(life(-30), Duration::ZERO);
    }

    #[test]
    fn an_unsaid_life_is_assumed_when_renewable_and_unknown_when_not() {
        let at = START + ASSUMED_LIFE;
        assert_eq!(expiry(Lifetime::Unknown, START, true), Expiry::At { at, assumed: true });
        assert_eq!(expiry(Lifetime::Unknown, START, false), Expiry::Unknown);
    }

    #[test]
    fn renewal_follows_the_server_but_never_into_the_margin() {
        let expiry = expiry(Lifetime::Seconds(1000), START, true);
        let renewal = |refresh_in, chance| renewal(expiry, START, refresh_in, chance).unwrap();
        assert_eq!(renewal(None, NEVER), START + seconds(750));
        assert!(renewal(None, ALWAYS) < START + seconds(701));
        assert_eq!(renewal(Some(300), NEVER), START + seconds(300));
        assert_eq!(renewal(Some(5000), NEVER), START + seconds(940));
    }

    #[test]
    fn backoff_grows_to_five_minutes_and_honours_the_server() {
        assert_eq!(backoff(1, None, NEVER), seconds(1));
        assert!(backoff(1, None, ALWAYS) <= seconds(2));
        assert!(backoff(30, None, ALWAYS) <= seconds(300));
        assert!(backoff(30, None, ALWAYS) > seconds(299));
        assert_eq!(backoff(8, None, NEVER), seconds(1));
        assert_eq!(backoff(9, None, NEVER), seconds(270));
        assert_eq!(backoff(1, Some(seconds(120)), ALWAYS), seconds(120));
        assert_eq!(backoff(1, Some(seconds(86_400)), NEVER), seconds(3600));
    }

    #[test]
    fn two_answers_tell_whether_an_end_moves() {
        let told = |asked, end| is_fixed((START, START + seconds(1800)), (START + asked, START + end));
        assert_eq!(told(seconds(300), seconds(2100)), Some(false), "it moves with each use");
        assert_eq!(told(seconds(300), seconds(1803)), Some(true), "it stays, by its server's rounding");
        assert_eq!(told(seconds(300), seconds(1900)), Some(true), "it moves no further than to there");
        assert_eq!(told(seconds(300), seconds(900)), Some(true), "it has come nearer");
        assert_eq!(told(seconds(15), seconds(1800)), None, "too soon to tell");
    }

    #[test]
    fn a_refresh_token_is_used_well_before_its_idle_end() {
        assert_eq!(keep_alive(START + seconds(1800), START), START + seconds(1350));
        assert_eq!(keep_alive(START + seconds(90 * 86_400), START), START + seconds(89 * 86_400));
        assert_eq!(keep_alive(START + seconds(4), START), START + seconds(10), "a storm is no care");
    }
}
