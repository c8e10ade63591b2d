//! Whole sessions: the task, the state machine, the real store and the practice server, under paused time.

use std::{sync::Arc, time::Duration};

use super::{NoToken, Served, TokenRequest};
use crate::{
    testing::{World, usual},
    token::TokenKey,
};

mod audiences;
mod certificate;
mod client_credentials;
mod dialects;
mod disk;
mod ephemeral;
mod history;
mod logins;
mod outages;
mod recovery;
mod rejections;
mod revocation;
mod serving;

const HOUR: u64 = 3600;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A request for a token of other scopes or resources than the login's.
fn audience(scopes: &[&str], resources: &[&str]) -> TokenRequest {
    TokenRequest { key: Some(TokenKey::new(scopes.iter().copied(), resources.iter().copied())), ..usual() }
}

impl World {
    /// A token of the session `default` on these terms.
    async fn ask(&self, request: &TokenRequest) -> Result<Arc<Served>, NoToken> {
        self.session().token(request).await
    }
}
