//! Sessions for the API of 4insight.io, as the Python package `fourinsight.api` has them.

mod manners;
mod of_client;
mod of_user;
mod pages;
mod repeat;
mod requests;

pub use manners::RefusedUrl;
pub use of_client::{ClientLogin, ClientSession};
pub use of_user::UserSession;
pub use pages::Pages;

/// Where the addresses of 4insight.io's API begin.
pub const API_BASE_URL: &str = "https://api.4insight.io/";

/// What `UserSession` and `ClientSession` have in common; each has a field `requests`.
macro_rules! has_requests {
    ($session:ident) => {
        impl $session {
            /// Begins a `GET`. A URL with `internal` in it is refused, with
            /// [`RefusedUrl::Internal`](crate::RefusedUrl::Internal): that API is for 4insight itself.
            pub fn get(&self, url: impl AsRef<str>) -> reqwest_middleware::RequestBuilder {
                self.requests.get(url.as_ref())
            }

            /// Begins a `POST`.
            pub fn post(&self, url: impl AsRef<str>) -> reqwest_middleware::RequestBuilder {
                self.request(reqwest::Method::POST, url)
            }

            /// Begins a `PUT`.
            pub fn put(&self, url: impl AsRef<str>) -> reqwest_middleware::RequestBuilder {
                self.request(reqwest::Method::PUT, url)
            }

            /// Begins a `PATCH`.
            pub fn patch(&self, url: impl AsRef<str>) -> reqwest_middleware::RequestBuilder {
                self.request(reqwest::Method::PATCH, url)
            }

            /// Begins a `DELETE`.
            pub fn delete(&self, url: impl AsRef<str>) -> reqwest_middleware::RequestBuilder {
                self.request(reqwest::Method::DELETE, url)
            }

            /// Begins a request of any method.
            pub fn request(
                &self,
                method: reqwest::Method,
                url: impl AsRef<str>,
            ) -> reqwest_middleware::RequestBuilder {
                self.requests.request(method, url.as_ref())
            }

            /// Gets an answer page by page, along `@odata.nextLink`.
            pub fn get_pages(&self, url: impl AsRef<str>) -> $crate::fourinsight::Pages {
                $crate::fourinsight::Pages::new(self.requests.clone(), url.as_ref())
            }

            /// A living access token, for what is sent by other means.
            pub async fn token(&self) -> Result<$crate::AccessToken, $crate::Error> {
                self.requests.token().await
            }

            /// The statuses by which this API says that a token is no longer good, if not 401 alone.
            #[must_use]
            pub fn expired_statuses(
                mut self,
                statuses: impl IntoIterator<Item = reqwest::StatusCode>,
            ) -> Self {
                self.requests = self.requests.expired_statuses(statuses);
                self
            }
        }
    };
}
use has_requests;
