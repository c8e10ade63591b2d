//! The browser flow with what a profile adds to its authorization request, at a certified OpenID Provider.

use testkit::{
    browser::{Answer, Browser},
    process::{Daemon, Home},
    provider::{Options, Provider},
};
use url::Url;

fn parameter(uri: &str, name: &str) -> Option<String> {
    Url::parse(uri)
        .expect("a URL")
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profiles_parameters_reach_the_server_and_max_age_holds() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let config = provider.config().replace(
        "prompt = \"consent\"",
        "prompt = \"consent\", max_age = \"300\", login_hint = \"ada\", ui_locales = \"nb en\"",
    );
    let home = Home::new(&config).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    for (arguments, prompt) in [(&[][..], "consent"), (&["--force"], "login consent")] {
        let login = home.begin_login(arguments).await.unwrap();
        let uri = login.authorization_uri.clone();
        for (name, value) in [
            ("prompt", prompt),
            ("max_age", "300"),
            ("login_hint", "ada"),
            ("ui_locales", "nb en"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(parameter(&uri, name).as_deref(), Some(value), "{name}");
        }
        Browser::new().sign_in(&uri, &Answer::allow("ada")).await.unwrap();
        // The provider says when ada signed in, because max_age asks for it.
        let says = login.finish().await.unwrap().success().unwrap();
        assert_eq!(says, "Signed in as ada of Practice (ada), session default.");
        let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
        assert!(provider.introspect(&token).await.unwrap().active);
    }
}
