//! What is remembered, for how long, and what forgets it.

use std::time::Duration;

use super::*;
use crate::{
    clock::Timestamp,
    http::{ExchangeFuture, HttpRequest},
};

const DAY: Duration = Duration::from_hours(24);

/// Whether a cache still asks, and what it finds.
async fn asks(cache: &Cache, profile: &Profile, ask_again: bool, now: Timestamp) -> bool {
    let fake = only(&metadata(""));
    cache.discover(&fake, profile, ask_again, now).await.unwrap();
    !fake.seen().is_empty()
}

#[tokio::test]
async fn a_server_is_asked_once_a_day_unless_somebody_insists() {
    let cache = Cache::default();
    let start = Timestamp::from_millis(1_000_000);
    let almost = start + DAY - Duration::from_millis(1);
    for (now, ask_again, asked) in [
        (start, false, true),
        (start, false, false),
        (almost, false, false),
        (start + DAY, false, true),
        (start + DAY, true, true),
        (start + DAY + DAY - Duration::from_secs(1), false, false),
    ] {
        assert_eq!(asks(&cache, &profile(), ask_again, now).await, asked, "{now:?} {ask_again}");
    }
}

#[tokio::test]
async fn each_issuer_and_each_way_there_stands_for_itself_and_each_profile_is_made_anew() {
    let cache = Cache::default();
    let now = Timestamp::from_millis(0);
    assert!(asks(&cache, &profile(), false, now).await);
    let by_proxy =
        Profile { route: Route { proxy: Some("http://proxy:3128".into()), ..Route::default() }, ..profile() };
    assert!(asks(&cache, &by_proxy, false, now).await);
    let mut other = Profile { client_id: "other".into(), flow: Flow::ClientCredentials, ..profile() };
    other.endpoints.token = Some("https://by-hand.example.com/t".into());
    let found = cache.discover(&Fake::default(), &other, false, now).await.unwrap();
    assert_eq!(found.registration.client_id, "other");
    assert_eq!(found.registration.token_endpoint, "https://by-hand.example.com/t");
    assert!(found.warnings.is_empty(), "only what concerns this profile is told");
    let found = cache.discover(&Fake::default(), &profile(), false, now).await.unwrap();
    assert_eq!((found.registration.client_id.as_str(), found.warnings.len()), ("abc", 1));
}

#[tokio::test]
async fn what_failed_is_asked_for_again() {
    let cache = Cache::default();
    let now = Timestamp::from_millis(0);
    for fake in [
        Fake::default().answer(404, "").answer(404, ""),
        Fake::default().fail(true).answer(404, ""),
        only("{}"),
    ] {
        cache.discover(&fake, &profile(), false, now).await.unwrap_err();
    }
    // The second place may say more when it answers again.
    let half = Fake::default().answer(200, &metadata("")).answer(503, "");
    cache.discover(&half, &profile(), false, now).await.unwrap();
    assert!(asks(&cache, &profile(), false, now).await);
    assert!(!asks(&cache, &profile(), false, now).await);

    let found = cache.discover(&Fake::default(), &profile(), false, now).await.unwrap();
    cache
        .forget(&Registration { issuer: Some("https://other.example".into()), ..found.registration.clone() });
    assert!(!asks(&cache, &profile(), false, now).await);
    cache.forget(&found.registration);
    assert!(asks(&cache, &profile(), false, now).await);
}

#[tokio::test]
async fn a_tenant_is_forgotten_by_the_name_it_was_asked_for() {
    let issuer = "https://login.microsoftonline.com/8a7b6c5d-0123-4567-89ab-0123456789ab/v2.0";
    let document =
        metadata("").replace(&format!(r#""issuer":"{ISSUER}""#), &format!(r#""issuer":"{issuer}""#));
    let tenant =
        Profile { issuer: Some("https://login.microsoftonline.com/contoso.com/v2.0".into()), ..profile() };
    let (cache, now) = (Cache::default(), Timestamp::from_millis(0));
    let found = cache.discover(&only(&document), &tenant, false, now).await.unwrap();
    cache.forget(&found.registration);
    let again = only(&document);
    cache.discover(&again, &tenant, false, now).await.unwrap();
    assert_eq!(again.seen().len(), 2);
}

/// A server that takes a second for each answer.
#[derive(Default)]
struct Slow(Fake);

impl HttpExchange for Slow {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        let answer = self.0.exchange(request);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn many_at_once_ask_once_and_all_hear_what_came_of_it() {
    let (cache, now) = (Cache::default(), Timestamp::from_millis(0));
    let (good, broken, other) = (Slow(only(&metadata(""))), Slow(only("{}")), Slow(Fake::default()));
    let profile = profile();
    let ask = |server| cache.discover(server, &profile, false, now);
    for (server, found) in [(&broken, false), (&good, true)] {
        let all = tokio::join!(ask(server), ask(&other), cache.discover(&other, &profile, true, now));
        for heard in [all.0, all.1, all.2] {
            assert_eq!(heard.is_ok(), found);
        }
        assert_eq!(server.0.seen().len(), 2);
    }
    assert!(other.0.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_asks_when_the_one_that_asked_goes_away() {
    let (cache, now) = (Cache::default(), Timestamp::from_millis(0));
    let (left, good) = (Slow(only(&metadata(""))), Slow(only(&metadata(""))));
    let profile = profile();
    let leaving =
        tokio::time::timeout(Duration::from_millis(500), cache.discover(&left, &profile, false, now));
    let (gone, heard) = tokio::join!(leaving, cache.discover(&good, &profile, false, now));
    assert!(gone.is_err());
    heard.unwrap();
    assert_eq!((left.0.seen().len(), good.0.seen().len()), (2, 2));
    assert!(!asks(&cache, &profile, false, now).await);
}

#[tokio::test]
async fn many_servers_do_not_grow_without_end() {
    let (cache, now) = (Cache::default(), Timestamp::from_millis(0));
    let profile = profile();
    for number in 0..200 {
        let issuer = format!("https://id-{number}.example.com");
        let document =
            metadata("").replace(&format!(r#""issuer":"{ISSUER}""#), &format!(r#""issuer":"{issuer}""#));
        let profile = Profile { issuer: Some(issuer), ..profile.clone() };
        cache.discover(&only(&document), &profile, false, now).await.unwrap();
    }
    assert_eq!(cache.known().len(), cache::MOST);
    assert!(asks(&cache, &profile, false, now + DAY).await);
    assert_eq!(cache.known().len(), 1);
}
