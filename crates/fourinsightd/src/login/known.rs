//! What a session was signed in with before, and whether a login would put another person in the place of its own.

use crate::{
    authority::{Registration, allowed::PinnedEndpoint, id_token, issuer::PinnedIssuer, step_up::StepUp},
    profile::Profile,
    token::Person,
};

/// What a session was signed in with before, as far as a new login must know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The name of the profile that it was signed in with.
    pub profile: Option<String>,
    /// The `session_key` of `fourinsight.api` that it stands for, where its key cannot say that itself.
    pub original_key: Option<String>,
    /// The token endpoint that a package named.
    pub pinned_endpoint: Option<PinnedEndpoint>,
    /// The tenant that the profile's issuer stood for.
    pub pinned_issuer: Option<PinnedIssuer>,
    /// Who is signed in, or was when its login ended.
    pub signed_in_as: SignedInAs,
    /// What the next login must ask for.
    pub step_up: Option<StepUp>,
}

/// As whom a session is signed in, or was when its login ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignedInAs {
    /// Nobody, or somebody who has been signed out.
    #[default]
    Nobody,
    /// Somebody, but no server said who; or a client as itself.
    Unknown,
    /// This person.
    Person(Person),
}

impl Known {
    /// What a login by this profile must ask for: nothing, where it goes by another one, perhaps at another server.
    pub fn step_up_by(&self, profile: &str) -> Option<&StepUp> {
        self.step_up.as_ref().filter(|_| self.profile.as_deref() == Some(profile))
    }

    /// Who is known to be signed in.
    pub fn person(&self) -> Option<&Person> {
        match &self.signed_in_as {
            SignedInAs::Person(person) => Some(person),
            SignedInAs::Nobody | SignedInAs::Unknown => None,
        }
    }

    /// What the server is told to recognise the person by. What one server said is not for another, and a prompt that
    /// has the person choose is not answered for them.
    pub(super) fn login_hint(&self, profile: &Profile, registration: &Registration) -> Option<String> {
        let person = self.person().filter(|_| self.profile.as_ref() == Some(&profile.name))?;
        let stand_in = id_token::stand_in_issuer(registration);
        let vouched_here = registration.issuer.as_ref().or(stand_in.as_ref()) == Some(&person.issuer);
        let params = &registration.authorize_params;
        let prompt = params.get("prompt").map_or("", String::as_str);
        let chooses = prompt.split_ascii_whitespace().any(|word| matches!(word, "select_account" | "create"));
        person.login_hint.clone().filter(|_| vouched_here && !chooses && !params.contains_key("login_hint"))
    }

    /// Whether a login as this person, or as one that no server names, puts another in the place of whoever the
    /// session has now. Where only one of both is known, nobody can say that they are the same.
    pub fn is_replaced_by(&self, person: Option<&Person>) -> bool {
        match (&self.signed_in_as, person) {
            (SignedInAs::Nobody, _) | (SignedInAs::Unknown, None) => false,
            (SignedInAs::Person(known), Some(person)) => !known.is(person),
            (SignedInAs::Unknown, Some(_)) | (SignedInAs::Person(_), None) => true,
        }
    }

    /// Whether the session has whom it had then.
    pub(super) fn has_whom_it_had(&self, then: &Self) -> bool {
        match (&self.signed_in_as, &then.signed_in_as) {
            (SignedInAs::Person(now), SignedInAs::Person(then)) => now.is(then),
            (now, then) => now == then,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(issuer: &str, subject: &str, name: &str) -> Person {
        Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            name: Some(name.to_owned()),
            login_hint: None,
        }
    }

    #[test]
    fn another_person_is_one_of_another_issuer_or_subject_or_one_that_cannot_be_compared() {
        let ada = person("https://id.example", "1", "Ada");
        let as_ada = SignedInAs::Person(ada.clone());
        let renamed = person("https://id.example", "1", "Ada King");
        let grace = person("https://id.example", "2", "Ada");
        let elsewhere = person("https://other.example", "1", "Ada");
        for (signed_in_as, login, asks) in [
            (SignedInAs::Nobody, None, false),
            (SignedInAs::Nobody, Some(&ada), false),
            (SignedInAs::Unknown, None, false),
            (SignedInAs::Unknown, Some(&ada), true),
            (as_ada.clone(), None, true),
            (as_ada.clone(), Some(&ada), false),
            (as_ada.clone(), Some(&renamed), false),
            (as_ada.clone(), Some(&grace), true),
            (as_ada, Some(&elsewhere), true),
        ] {
            let known = Known { signed_in_as, ..Known::default() };
            assert_eq!(known.is_replaced_by(login), asks, "{known:?} {login:?}");
        }
    }
}
