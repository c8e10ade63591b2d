//! A person at the forms of the real provider.

use anyhow::Result;

use super::Chromium;
use crate::browser::{Answer, Decision};

/// What stands for a password: the provider wants one and checks none.
const PASSWORD: &str = "any password";

impl Chromium {
    /// Opens an authorization URI of the provider, signs in and consents, or aborts where consent is asked for.
    pub async fn sign_in(&self, authorization_uri: &str, answer: &Answer) -> Result<()> {
        self.open(authorization_uri).await?;
        self.answer(answer).await
    }

    /// Signs in and consents, or aborts where consent is asked for; the provider's login page is on its way.
    pub async fn answer(&self, answer: &Answer) -> Result<()> {
        self.fill("input[name=login]", &answer.login).await?;
        self.fill("input[name=password]", PASSWORD).await?;
        self.press("form:has([name=prompt][value=login]) [type=submit]").await?;
        self.press(match answer.decision {
            Decision::Allow => "form:has([name=prompt][value=consent]) [type=submit]",
            Decision::Deny => "body:has([name=prompt][value=consent]) a[href$='/abort']",
        })
        .await
    }

    /// Enters a user code at the provider (RFC 8628 section 3.3) and says whether it is the one on the device; whoever
    /// says so signs in and consents.
    pub async fn connect_device(
        &self,
        verification_uri: &str,
        user_code: &str,
        answer: &Answer,
    ) -> Result<()> {
        self.open(verification_uri).await?;
        self.fill("input[name=user_code]", user_code).await?;
        self.press("button[form='op.deviceInputForm']").await?;
        match answer.decision {
            Decision::Allow => {
                self.press("button[form='op.deviceConfirmForm']:not([name=abort])").await?;
                self.answer(answer).await
            }
            Decision::Deny => self.press("button[form='op.deviceConfirmForm'][name=abort]").await,
        }
    }
}
