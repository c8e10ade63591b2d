//! A person at a browser: opens an authorization URI, fills in the server's real forms, and lands on the redirect
//! URI. Cookies are kept, redirects followed, scripts ignored but for a form that posts itself.

mod cookies;
mod form;

use anyhow::{Context as _, Result, bail};
use hyper::header;
use url::Url;

use crate::http::{Request, Response};
use cookies::Cookies;

/// The password that everybody types: most forms here check none.
pub const PASSWORD: &str = "any password";

/// More hops than any login takes.
const LONGEST_WALK: usize = 30;

/// What the person says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The login they type.
    pub login: String,
    /// Whether they agree.
    pub decision: Decision,
}

impl Answer {
    /// A person who signs in and agrees.
    pub fn allow(login: &str) -> Self {
        Self { login: login.to_owned(), decision: Decision::Allow }
    }

    /// A person who declines.
    pub fn deny(login: &str) -> Self {
        Self { login: login.to_owned(), decision: Decision::Deny }
    }
}

/// Whether the person agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They sign in and consent.
    Allow,
    /// They go on to the first page that lets them decline, and decline.
    Deny,
}

/// Where a login ended.
#[derive(Clone, Debug)]
pub struct Landing {
    /// The redirect URI with what the server put into its query, or into the form that its page posted there.
    pub callback: Url,
    /// The address in the address bar at the end.
    pub address: Url,
    /// The page that the person sees at the end.
    pub page: Response,
}

/// How the server sends the browser back.
struct Return {
    callback: Url,
    request: Request,
}

/// One browser window.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: Cookies,
}

impl Browser {
    /// A window that has been nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Signs in (or declines) and opens the redirect URI, as a browser does.
    pub async fn sign_in(&mut self, authorization_uri: &str, answer: &Answer) -> Result<Landing> {
        let Return { callback, mut request } = self.walk(authorization_uri, answer).await?;
        for _ in 0..LONGEST_WALK {
            let address = request.url().clone();
            let page = self.open(request, &address).await?;
            match page.redirect(&address) {
                Some(next) => request = Request::get(next),
                None => return Ok(Landing { callback, address, page }),
            }
        }
        bail!("the redirect URI redirects for ever")
    }

    /// Signs in (or declines) and stops where the server sends the browser back: the callback URL that a person
    /// could copy from the address bar.
    pub async fn authorize(&mut self, authorization_uri: &str, answer: &Answer) -> Result<Url> {
        Ok(self.walk(authorization_uri, answer).await?.callback)
    }

    async fn walk(&mut self, authorization_uri: &str, answer: &Answer) -> Result<Return> {
        let mut at = Url::parse(authorization_uri).context("the authorization URI is no URL")?;
        let (_, redirect_uri) = at
            .query_pairs()
            .find(|(name, _)| name == "redirect_uri")
            .context("the authorization URI names no redirect URI")?;
        let redirect_uri = Url::parse(&redirect_uri)?;
        let is_callback =
            |url: &Url| url.origin() == redirect_uri.origin() && url.path() == redirect_uri.path();
        let mut page = self.open(Request::get(at.clone()), &at).await?;
        for _ in 0..LONGEST_WALK {
            let request = if let Some(callback) = page.redirect(&at).filter(is_callback) {
                return Ok(Return { request: Request::get(callback.clone()), callback });
            } else if let Some(next) = page.redirect(&at) {
                Request::get(next)
            } else if let Some((action, fields)) =
                form::posts_itself(&page.text(), &at).filter(|(action, _)| is_callback(action))
            {
                let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let request = Request::form(action.clone(), pairs);
                let mut callback = action;
                callback.query_pairs_mut().extend_pairs(&fields);
                return Ok(Return { callback, request });
            } else if page.status == 200 {
                let (request, _) = answer_page(&page.text(), &at, answer)
                    .with_context(|| format!("{} offers no form for {:?}", at.path(), answer.decision))?;
                request
            } else {
                bail!("{} answered {}: {}", at.path(), page.status, page.text());
            };
            at = request.url().clone();
            page = self.open(request, &at).await?;
        }
        bail!("the login takes more than {LONGEST_WALK} pages")
    }

    /// Enters a user code (RFC 8628 section 3.3), signs in and allows, or declines; gives the last page.
    pub async fn connect_device(
        &mut self,
        verification_uri: &str,
        user_code: &str,
        answer: &Answer,
    ) -> Result<Response> {
        let mut at = Url::parse(verification_uri).context("the verification URI is no URL")?;
        at.query_pairs_mut().append_pair("user_code", user_code);
        let mut page = self.open(Request::get(at.clone()), &at).await?;
        let mut declined = false;
        for _ in 0..LONGEST_WALK {
            let request = if let Some(next) = page.redirect(&at) {
                Request::get(next)
            } else if declined {
                return Ok(page);
            } else if page.status == 200 {
                match answer_page(&page.text(), &at, answer) {
                    Some((request, is_refusal)) => {
                        declined = is_refusal;
                        request
                    }
                    None => return Ok(page),
                }
            } else {
                bail!("{} answered {}: {}", at.path(), page.status, page.text());
            };
            at = request.url().clone();
            page = self.open(request, &at).await?;
        }
        bail!("connecting a device takes more than {LONGEST_WALK} pages")
    }

    async fn open(&mut self, request: Request, at: &Url) -> Result<Response> {
        let request = match self.cookies.header(at) {
            Some(cookies) => request.header(header::COOKIE, &cookies),
            None => request,
        };
        let answer = request.send().await?;
        self.cookies.keep(at, &answer.headers);
        Ok(answer)
    }
}

/// What a person does on a page, and whether they decline by it: pages before the one that lets them decline are gone
/// through.
fn answer_page(page: &str, at: &Url, answer: &Answer) -> Option<(Request, bool)> {
    let meant = form::submit(page, at, answer);
    let is_refusal = answer.decision == Decision::Deny && meant.is_some();
    let request = meant.or_else(|| form::submit(page, at, &Answer::allow(&answer.login)))?;
    Some((request, is_refusal))
}
