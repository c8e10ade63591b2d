//! Where a middleware has its tokens from.

use crate::{AccessToken, AsyncClient, Error, TokenRequest};

/// Gives tokens, and is told of those that an API refused.
#[async_trait::async_trait]
pub(crate) trait Source: Send + Sync {
    /// A living token.
    async fn token(&self) -> Result<AccessToken, Error>;

    /// The daemon that it is from.
    fn client(&self) -> &AsyncClient;
}

/// Tokens of a session that others sign in.
pub(crate) struct Wanted {
    pub(crate) client: AsyncClient,
    pub(crate) request: TokenRequest,
}

#[async_trait::async_trait]
impl Source for Wanted {
    async fn token(&self) -> Result<AccessToken, Error> {
        self.client.token_for(&self.request).await
    }

    fn client(&self) -> &AsyncClient {
        &self.client
    }
}
