//! Whole sessions: the task, the state machine, the real store and the practice server, under paused time.

use std::{sync::Arc, time::Duration};

use super::{NoToken, Served, TokenRequest};
use crate::{
    testing::{SCOPES, World, usual},
    token::TokenKey,
};

mod audiences;
mod certificate;
mod client_credentials;
mod defects;
mod demands;
mod dialects;
mod disk;
mod doubt;
mod ephemeral;
mod history;
mod interrupted;
mod keeping_alive;
mod lines;
mod logins;
mod outages;
mod recovery;
mod recovery_table;
mod refused_for_long;
mod rejections;
mod revocation;
mod serving;
mod stopping;
mod suspended;

const HOUR: u64 = 3600;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A request for a token of other scopes or resources than the login's.
fn audience(scopes: &[&str], resources: &[&str]) -> TokenRequest {
    TokenRequest { key: Some(TokenKey::new(scopes.iter().copied(), resources.iter().copied())), ..usual() }
}

impl World {
    /// A world with somebody signed in to the session `default` for these resources.
    async fn signed_in_for(resources: &[&str]) -> Self {
        let world = Self::new().await;
        let login = world.login("ada", &SCOPES, resources).await;
        world.sign_in_with("default", login).await;
        world
    }

    /// A token of the session `default` on these terms.
    async fn ask(&self, request: &TokenRequest) -> Result<Arc<Served>, NoToken> {
        self.session().token(request).await
    }
}
