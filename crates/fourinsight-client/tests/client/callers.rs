//! The clients behind one face, so that a rule for both is written once.

use fourinsight_client::{
    AccessToken, Client, Endpoint, Error, Locations, LoginRequest, SessionKey, Version,
};

/// A client of either kind, for the session `default`.
pub(crate) trait Caller {
    fn token(&self) -> Result<AccessToken, Error>;
    fn version(&self) -> Result<Version, Error>;
    fn start_login(&self) -> Result<(), Error>;
    fn revoke(&self) -> Result<(), Error>;
}

/// One client of each kind that this build has, at an endpoint.
pub(crate) fn at(endpoint: &Endpoint) -> Vec<Box<dyn Caller>> {
    vec![
        Box::new(Client::at(endpoint.clone())),
        #[cfg(feature = "tokio")]
        Box::new(asynchronous::Driven::new(fourinsight_client::AsyncClient::at(endpoint.clone()))),
    ]
}

/// One client of each kind that this build has, at these locations.
pub(crate) fn with_locations(locations: &Locations) -> Vec<Box<dyn Caller>> {
    vec![
        Box::new(Client::with_locations(locations.clone())),
        #[cfg(feature = "tokio")]
        Box::new(asynchronous::Driven::new(fourinsight_client::AsyncClient::with_locations(
            locations.clone(),
        ))),
    ]
}

impl Caller for Client {
    fn token(&self) -> Result<AccessToken, Error> {
        self.token(&SessionKey::default())
    }

    fn version(&self) -> Result<Version, Error> {
        self.version()
    }

    fn start_login(&self) -> Result<(), Error> {
        self.start_login(&LoginRequest::default()).map(drop)
    }

    fn revoke(&self) -> Result<(), Error> {
        self.revoke(&SessionKey::default()).map(drop)
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use fourinsight_client::{AccessToken, AsyncClient, Error, LoginRequest, SessionKey, Version};
    use tokio::runtime::{Builder, Runtime};

    /// The asynchronous client and a runtime of its own.
    pub(super) struct Driven {
        client: AsyncClient,
        runtime: Runtime,
    }

    impl Driven {
        pub(super) fn new(client: AsyncClient) -> Self {
            Self { client, runtime: Builder::new_current_thread().enable_all().build().unwrap() }
        }
    }

    impl super::Caller for Driven {
        fn token(&self) -> Result<AccessToken, Error> {
            self.runtime.block_on(self.client.token(&SessionKey::default()))
        }

        fn version(&self) -> Result<Version, Error> {
            self.runtime.block_on(self.client.version())
        }

        fn start_login(&self) -> Result<(), Error> {
            self.runtime.block_on(self.client.start_login(&LoginRequest::default())).map(drop)
        }

        fn revoke(&self) -> Result<(), Error> {
            self.runtime.block_on(self.client.revoke(&SessionKey::default())).map(drop)
        }
    }
}
