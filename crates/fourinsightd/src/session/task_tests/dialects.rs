//! Renewals in the server's own words, and answers that grant other scopes than were asked for.

use serde_json::json;
use testkit::practice::{Answer, Ledger};

use super::{HOUR, audience};
use crate::{
    authority::{Dialect, ResourceStyle},
    testing::{SCOPES, World, pass},
};

const API: &str = "https://api.test";

/// A session of a login for these scopes and resources, whose server speaks as Entra does from then on.
async fn at_entra(scopes: &[&str], resources: &[&str], by_device: bool) -> World {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.registration.dialect = Dialect { resource_style: ResourceStyle::Entra, by_device };
    login.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    login.resources = resources.iter().map(|&resource| resource.to_owned()).collect();
    world.sign_in_with("default", login).await;
    world
}

/// An answer that names the granted scopes as Entra does: never by the scope that was asked for.
fn granted(access_token: &str) -> Answer {
    let scope = format!("{API}/read {API}/write");
    let more = json!({ "client_info": "e30", "ext_expires_in": 7199, "foci": "1" });
    let mut answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 3600, "scope": scope, "refresh_token": "next",
    });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Answer::json(200, &answer)
}

/// What each refresh asked for.
fn asked(ledger: &Ledger) -> Vec<String> {
    let refreshes = ledger.token_requests("refresh_token");
    assert!(refreshes.iter().all(|refresh| refresh.form.get("resource").is_none()));
    refreshes.iter().map(|refresh| refresh.form.get("scope").unwrap_or("-").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refresh_at_entra_repeats_what_keeps_it_alive() {
    let default = format!("{API}/.default");
    for (scopes, resources, by_device, scope) in [
        (&["openid", &*default][..], &[][..], false, format!("{default} offline_access")),
        (&["openid", &*default], &[], true, default.clone()),
        (&["openid", "offline_access"], &[API], true, default.clone()),
        (&["b", "a"], &[], true, "a b offline_access".to_owned()),
        (&["openid"], &[], false, "openid profile offline_access".to_owned()),
    ] {
        let world = at_entra(scopes, resources, by_device).await;
        world.script([granted("second"), granted("third")]);
        pass(HOUR).await;
        let token = world.token().await.unwrap();
        assert_eq!(token.token.secret.expose(), "second");
        let same = audience(scopes, resources);
        assert_eq!(world.ask(&same).await.unwrap().token.id, token.token.id, "its own key is still its own");
        let world = world.restarted().await;
        assert_eq!(world.token().await.unwrap().token.id, token.token.id);
        pass(HOUR).await;
        assert_eq!(world.token().await.unwrap().token.secret.expose(), "third");
        assert_eq!(asked(&world.practice.ledger()), [scope.clone(), scope], "{scopes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_audience_at_entra_is_asked_for_by_its_default_scope() {
    let world = at_entra(&["openid", "api://own/.default"], &[], true).await;
    world.script([granted("for the other")]);
    for request in [audience(&[], &[API]), audience(&["openid"], &[API])] {
        assert_eq!(world.ask(&request).await.unwrap().token.secret.expose(), "for the other");
    }
    assert_eq!(asked(&world.practice.ledger()), [format!("{API}/.default")]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_in_the_profiles_refresh_params_goes_first() {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.registration.dialect.resource_style = ResourceStyle::Entra;
    login.registration.refresh_params = [("scope".to_owned(), "read".to_owned())].into();
    world.sign_in_with("default", login).await;
    pass(HOUR).await;
    assert_eq!(asked(&world.practice.ledger()), ["read"]);
}
