//! `fourinsightd`, the local token broker.

pub mod authority;
pub mod clock;
pub mod http;
pub mod profile;
pub mod store;
pub mod token;

mod sys;
