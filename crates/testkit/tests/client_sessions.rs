//! `UserSession` and `ClientSession` of the client crate, with the real daemon: who is signed in by them, what reaches
//! the API, how often, and where no token goes.

use anyhow::Result;
use axum::{body::Bytes, http::StatusCode};
use fourinsight_client::{
    AsyncClient, ClientLogin, ClientSession, Error, RefusedUrl, SessionKey, UserSession,
};
use http_body_util::Full;
use testkit::{
    api::Api,
    leak::Search,
    practice::{Client, Practice, Serving, Settings, Transport, Verdict},
    process::{Daemon, Home},
    world::World,
};

#[tokio::test]
async fn a_persons_session_is_there_or_says_how_to_get_it() {
    let (world, api) = stage().await.unwrap();
    for (key, command) in [
        ("work", "`fourinsightctl login work --profile 4insight`"),
        ("default", "`fourinsightctl login default-1 --profile 4insight`"),
        ("my work", "`fourinsightctl login 'my work' --profile 4insight`"),
    ] {
        let error = UserSession::new(plain().unwrap(), asking(&world.home).unwrap(), Some(key)).await;
        let Err(error @ Error::LoginRequired(_)) = error else { panic!("{:?}", error.err()) };
        assert!(error.to_string().contains(command), "{error}");
    }

    let session = user(&world).await.unwrap();
    let token = session.token().await.unwrap();
    assert_eq!(world.practice.verdict(token.secret()), Verdict::Live);
    let answer = session.post(api.url("/things")).body("a").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "a");
    let [seen] = &api.seen()[..] else { panic!("{:?}", api.seen()) };
    assert_eq!((seen.sent.as_str(), seen.bearer.as_deref()), ("POST a", Some(token.secret())));
    let name = concat!("fourinsight-client/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.user_agent.as_deref(), Some(name));
    session.get(api.url("/things")).header("User-Agent", "mine").send().await.unwrap();
    assert_eq!(api.seen()[1].user_agent.as_deref(), Some("mine"));

    world.loses_its_login().await.unwrap();
    let error = session.get(api.url("/things")).send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error}") };
    let Some(error @ Error::LoginRequired(_)) = error.downcast_ref() else { panic!("{error}") };
    assert!(error.to_string().contains("`fourinsightctl login"), "{error}");
    assert_eq!(
        error.to_string().matches("fourinsightctl login").count(),
        1,
        "the daemon knows its profile: {error}"
    );
}

#[tokio::test]
async fn a_session_of_another_server_is_refused_before_anything_is_sent() {
    let world = World::over(Transport::Plain, Settings::default(), "").await.unwrap();
    world.sign_in().await.unwrap();
    let Err(error) = user(&world).await else { panic!("taken") };
    assert!(matches!(error.downcast_ref(), Some(Error::InvalidRequest(_))), "{error}");
    for word in ["session default", "profile practice", "another session_key", "--profile 4insight --force"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_refused_token_is_reported_and_the_request_sent_once_more() {
    let (world, api) = stage().await.unwrap();
    let session = user(&world).await.unwrap();
    session.put(api.url("/things")).body("a").send().await.unwrap();
    api.refuse_what_was_seen();
    let answer = session.patch(api.url("/things")).body("b").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "b");
    assert_eq!(statuses(&api), [200, 401, 200]);
    assert_eq!(world.requests("refresh_token").len(), 1);
    world.has_no_leak().unwrap();
}

#[tokio::test]
async fn other_statuses_may_mean_that_a_token_is_no_longer_good() {
    let (world, api) = stage().await.unwrap();
    let session = user(&world).await.unwrap();
    session.delete(api.url("/things")).send().await.unwrap();
    api.answer_refusals_with(StatusCode::FORBIDDEN);
    api.refuse_what_was_seen();
    assert_eq!(session.delete(api.url("/things")).send().await.unwrap().status(), 403, "it means nothing");
    let session = session.expired_statuses([StatusCode::FORBIDDEN]);
    assert_eq!(session.delete(api.url("/things")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_busy_api_is_asked_again() {
    let (world, api) = stage().await.unwrap();
    let session = user(&world).await.unwrap();
    let now = Some("0");
    api.be_busy([(413, now), (429, now), (503, now)]);
    let answer = session.post(api.url("/things")).body("a").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "a", "the body came every time");
    assert_eq!(statuses(&api), [413, 429, 503, 200]);
    assert!(api.seen().iter().all(|seen| seen.sent == "POST a"), "{:?}", api.seen());

    api.be_busy([(502, None), (504, now), (502, now), (503, now)]);
    let answer = session.get(api.url("/things")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), statuses(&api).len()), (503, 8), "it is asked four times");

    api.be_busy([(429, Some("86400"))]);
    let answer = session.get(api.url("/things")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), statuses(&api).len()), (429, 9), "nobody waits for a day");

    api.be_busy([(503, now)]);
    let once = reqwest::Body::wrap(Full::new(Bytes::from_static(b"a")));
    let answer = session.post(api.url("/things")).body(once).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), statuses(&api).len()), (503, 10), "it can be sent once");

    api.be_busy([(503, now)]);
    let answer = session.request(reqwest::Method::HEAD, api.url("/things")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), statuses(&api).len()), (503, 11));
}

#[tokio::test]
async fn some_addresses_are_not_asked() {
    let (world, api) = stage().await.unwrap();
    let session = user(&world).await.unwrap();
    let refused = async |request: reqwest_middleware::RequestBuilder| match request.send().await {
        Err(reqwest_middleware::Error::Middleware(error)) => error.downcast_ref::<RefusedUrl>().copied(),
        _ => None,
    };
    let internal = api.url("/internal/things");
    assert_eq!(refused(session.get(&internal)).await, Some(RefusedUrl::Internal));
    let pages = session.get_pages(&internal).next().await.unwrap_err();
    assert!(pages.to_string().contains("internal API"), "{pages}");
    assert_eq!(session.post(&internal).send().await.unwrap().status(), 404);
    for open in ["http://api.example.com/things", "http://10.0.0.1/things"] {
        assert_eq!(refused(session.post(open)).await, Some(RefusedUrl::NotSecure), "{open}");
    }
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn a_session_gives_its_token_to_the_origin_that_it_asked_first() {
    let (world, api) = stage().await.unwrap();
    let elsewhere = Api::new(&world.practice).await.unwrap();
    let session = user(&world).await.unwrap();
    session.get(api.url("/things")).send().await.unwrap();
    assert_eq!(session.get(elsewhere.url("/things")).send().await.unwrap().status(), 401);
    assert_eq!(session.clone().post(elsewhere.url("/things")).send().await.unwrap().status(), 401);
    assert!(elsewhere.seen().iter().all(|seen| seen.bearer.is_none()), "{:?}", elsewhere.seen());
    session.get(api.url("/things")).send().await.unwrap();
    assert_eq!(statuses(&api), [200, 200]);
    assert!(
        world.requests("refresh_token").is_empty(),
        "what is answered elsewhere is no verdict on the token"
    );
}

#[tokio::test]
async fn pages_are_followed_and_the_token_stays_with_the_first_ones_origin() {
    let (world, api) = stage().await.unwrap();
    let elsewhere = Api::new(&world.practice).await.unwrap();
    let session = user(&world).await.unwrap();

    let first = api.leading("/page?next", &api.leading("/page?next", "page"));
    let mut pages = session.get_pages(&first);
    let mut texts = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert_eq!(page.headers()["content-type"], "application/json");
        assert_eq!(page.url().path(), "/page");
        texts.push(page.text().await.unwrap());
    }
    assert_eq!(statuses(&api), [200, 200, 200]);
    assert!(texts[0].contains("nextLink") && texts[2].contains("the last thing"), "{texts:?}");

    let first = api.leading("/page?next", &elsewhere.leading("/page?next", &api.url("/page")));
    let mut pages = session.get_pages(first);
    assert_eq!(pages.next().await.unwrap().unwrap().status(), 200);
    assert_eq!(pages.next().await.unwrap().unwrap().status(), 401, "the failing answer is given");
    assert!(pages.next().await.unwrap().is_none(), "and is the last");
    assert!(elsewhere.seen().iter().all(|seen| seen.bearer.is_none()), "{:?}", elsewhere.seen());
    assert!(world.requests("refresh_token").is_empty(), "nor is it reported");

    let first = api.leading("/away?to", &elsewhere.leading("/page?next", &api.url("/page")));
    elsewhere.answer_refusals_with(StatusCode::OK);
    let mut pages = session.get_pages(first);
    assert_eq!(pages.next().await.unwrap().unwrap().status(), 200);
    assert!(elsewhere.seen().iter().all(|seen| seen.bearer.is_none()), "{:?}", elsewhere.seen());
    assert_eq!(
        pages.next().await.unwrap().unwrap().status(),
        401,
        "whoever led back may not spend the token"
    );
    assert_eq!(api.seen().last().unwrap().bearer, None);
}

#[tokio::test]
async fn a_client_signs_in_when_its_session_is_made() {
    let Service { practice, serving, home, daemon } = Service::new().await.unwrap();
    let api = Api::new(&practice).await.unwrap();
    for wrong in ["c4nary", ""] {
        let error = client_with(&home, wrong).await.err();
        let Some(error @ Error::AccessDenied(_)) = error else { panic!("{error:?}") };
        assert!(wrong.is_empty() || !format!("{error} {error:?}").contains(wrong), "{error}");
    }
    let session = client_with(&home, &secret()).await.unwrap();
    let token = session.token().await.unwrap();
    assert_eq!(practice.verdict(token.secret()), Verdict::Live);
    let same = client_with(&home, &secret()).await.unwrap();
    assert_eq!(same.token().await.unwrap().id(), token.id());
    assert!(matches!(client_with(&home, "wrong").await, Err(Error::AccessDenied(_))), "not another's token");
    let login = ClientLogin::new(Client::confidential().id, secret().into()).profile("batch").scope("read");
    let read = login.open(plain().unwrap(), asking(&home).unwrap()).await.unwrap();
    assert_ne!(read.token().await.unwrap().id(), token.id());
    assert_eq!(read.token().await.unwrap().scope(), Some("read"));

    api.refuse_what_was_seen();
    assert_eq!(session.get(api.url("/things")).send().await.unwrap().status(), 200);
    api.refuse_what_was_seen();
    assert_eq!(session.get(api.url("/things")).send().await.unwrap().status(), 200);
    assert_eq!(statuses(&api), [200, 401, 200]);

    let search = Search::new([secret(), token.secret().to_owned()].iter().map(String::as_str));
    for (path, content) in home.files().unwrap() {
        assert_eq!(search.leaks(&content), [], "in {}", path.display());
    }
    drop((serving, daemon));
}

#[tokio::test]
async fn a_client_goes_on_when_the_daemon_starts_anew() {
    let Service { practice, serving, home, daemon } = Service::new().await.unwrap();
    let api = Api::new(&practice).await.unwrap();
    let session = client_with(&home, &secret()).await.unwrap();
    assert_eq!(session.get(api.url("/things")).send().await.unwrap().status(), 200);
    assert!(daemon.stop().await.unwrap().success());
    let daemon = Daemon::start(&home).await.unwrap();
    assert!(asking(&home).unwrap().sessions().await.unwrap().is_empty(), "it knows nothing of the client");

    assert_eq!(session.clone().get(api.url("/things")).send().await.unwrap().status(), 200);
    let [before, after] = &api.seen()[..] else { panic!("{:?}", api.seen()) };
    assert_ne!(before.bearer, after.bearer);
    let token = session.token().await.unwrap();
    assert_eq!(after.bearer.as_deref(), Some(token.secret()));
    assert_ne!(token.session(), &SessionKey::default());
    drop((serving, daemon));
}

/// A daemon that is signed in, and an API that takes its tokens.
async fn stage() -> Result<(World, Api)> {
    let world = World::with_profile("4insight", Transport::Plain, Settings::default(), "").await?;
    world.sign_in().await?;
    let api = Api::new(&world.practice).await?;
    Ok((world, api))
}

/// A daemon with profiles for clients that sign in as themselves.
struct Service {
    practice: Practice,
    serving: Serving,
    home: Home,
    daemon: Daemon,
}

impl Service {
    async fn new() -> Result<Self> {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve_plain().await?;
        let endpoint = format!("{}/token", serving.issuer);
        let profiles = ["4insight-service", "batch"].map(|name| {
            format!(
                "[profiles.{name}]\nflow = \"client_credentials\"\ntoken_endpoint = \"{endpoint}\"\n\
                 client_auth = \"post\"\nscopes = \"api\"\n"
            )
        });
        let home = Home::new(&profiles.concat())?.with_variable("FOURINSIGHT_LOG", "trace");
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, serving, home, daemon })
    }
}

async fn user(world: &World) -> Result<UserSession> {
    Ok(UserSession::new(plain()?, asking(&world.home)?, None).await?)
}

async fn client_with(home: &Home, secret: &str) -> Result<ClientSession, Error> {
    let (http, client) = (plain().expect("it can be built"), asking(home).expect("the home has a socket"));
    ClientSession::new(http, client, Client::confidential().id, secret.into()).await
}

fn asking(home: &Home) -> Result<AsyncClient> {
    Ok(AsyncClient::at(home.endpoint()?))
}

fn secret() -> String {
    Client::confidential().secret.expect("the confidential client has a secret")
}

fn statuses(api: &Api) -> Vec<u16> {
    api.seen().iter().map(|seen| seen.status).collect()
}

/// A client that follows redirects, and no proxy.
#[expect(clippy::disallowed_types, reason = "what a program of a user's sends its requests with")]
fn plain() -> Result<reqwest::Client> {
    // In a build of the whole workspace reqwest knows TLS, as the daemon has it: without a provider. A test that was
    // here before has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
