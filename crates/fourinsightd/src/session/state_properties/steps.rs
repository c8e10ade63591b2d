//! What may happen to a session, one step at a time.

use proptest::prelude::*;

use crate::{authority::Verdict, profile::Rotation};

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Pass(u64),
    Request(u8, Option<u64>),
    Reject(Why),
    Demand(u8, u8),
    /// A token is handed out without a word to the session.
    Use(usize),
    Answer(Answer),
    SignIn {
        grant: Brings,
        lifetime: i64,
        rotation: Rotation,
    },
    Open,
    Opened(Answer),
    Revoke,
    RevocationEnded,
    DiskWorks(bool),
    Stop,
}

/// What a login brings to renew with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    RefreshToken,
    ClientCredentials,
    Nothing,
}

/// Why an API refused a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Unsaid,
    Claims(u8),
    Person,
}

/// What a server answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Granted { refresh: bool, lifetime: i64 },
    Retry(Option<u64>),
    Refused(Verdict),
}

/// Any step, the likelier ones more often.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let lifetime = prop_oneof![Just(-30), Just(1), Just(10), Just(3600)];
    let verdict = prop_oneof![
        Just(Verdict::Final),
        Just(Verdict::InteractionRequired),
        Just(Verdict::Scope),
        Just(Verdict::Target),
        Just(Verdict::Misconfigured),
        Just(Verdict::PersonChanged),
    ];
    let rotation = prop_oneof![
        Just(Rotation::Unknown),
        Just(Rotation::Strict),
        Just(Rotation::Grace(30)),
        Just(Rotation::None)
    ];
    let brings = prop_oneof![3 => Just(Brings::RefreshToken), 2 => Just(Brings::ClientCredentials), 1 => Just(Brings::Nothing)];
    let answer = prop_oneof![
        4 => (any::<bool>(), lifetime.clone()).prop_map(|(refresh, lifetime)| Answer::Granted { refresh, lifetime }),
        2 => proptest::option::of(0u64..5000).prop_map(Answer::Retry),
        1 => verdict.prop_map(Answer::Refused),
    ];
    prop_oneof![
        6 => (0u64..4000).prop_map(Step::Pass),
        4 => (0u8..70, proptest::option::of(0u64..5000)).prop_map(|(key, wanted)| Step::Request(key, wanted)),
        2 => prop_oneof![Just(Why::Unsaid), (0u8..3).prop_map(Why::Claims), Just(Why::Person)].prop_map(Step::Reject),
        2 => (0u8..3, 0u8..4).prop_map(|(key, claims)| Step::Demand(key, claims)),
        3 => (0usize..70).prop_map(Step::Use),
        8 => answer.clone().prop_map(Step::Answer),
        2 => (brings, lifetime, rotation)
            .prop_map(|(grant, lifetime, rotation)| Step::SignIn { grant, lifetime, rotation }),
        1 => Just(Step::Open),
        2 => answer.prop_map(Step::Opened),
        1 => Just(Step::Revoke),
        1 => Just(Step::RevocationEnded),
        2 => any::<bool>().prop_map(Step::DiskWorks),
        1 => Just(Step::Stop),
    ]
}
