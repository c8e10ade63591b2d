//! One ask: a token from the daemon, and a call to the API with it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// What came of asking once, as one line of JSON between processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// There was a token, and the API took it; it said how many seconds more it will.
    Served {
        /// The seconds that the token has left, by the server's clock.
        left: u64,
    },
    /// There was no token, or the API refused it.
    Failed {
        /// What went wrong.
        problem: String,
    },
}

/// The API's answer.
#[derive(Clone, Debug)]
pub struct Called {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

impl Called {
    /// How long the token that was presented still lives; an error when it was refused.
    pub fn left(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Hello {
            expires_in: u64,
        }
        if self.status != 200 {
            bail!("the API answered {}", self.status);
        }
        let hello: Hello = serde_json::from_str(&self.body).context("the API does not say hello")?;
        Ok(hello.expires_in)
    }
}

impl From<Result<u64>> for Ask {
    fn from(left: Result<u64>) -> Self {
        match left {
            Ok(left) => Self::Served { left },
            Err(error) => Self::Failed { problem: format!("{error:#}") },
        }
    }
}

/// How long each worker rests between two asks.
pub const REST: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_api_that_says_hello_counts_as_served() {
        let called = |status, body: &str| Called { status, body: body.to_owned() };
        assert_eq!(called(200, r#"{"hello":"Ada","expires_in":7}"#).left().unwrap(), 7);
        assert!(called(401, r#"{"hello":"Ada","expires_in":7}"#).left().is_err());
        assert!(called(200, "<html>").left().is_err());
    }

    #[test]
    fn a_failure_travels_with_its_reason() {
        let ask = Ask::from(called_off());
        let line = serde_json::to_string(&ask).unwrap();
        assert_eq!(serde_json::from_str::<Ask>(&line).unwrap(), ask);
        assert!(line.contains("no daemon: refused"), "{line}");
    }

    fn called_off() -> Result<u64> {
        Err(anyhow::anyhow!("refused").context("no daemon"))
    }
}
