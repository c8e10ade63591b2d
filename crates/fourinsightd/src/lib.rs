//! `fourinsightd`, the local token broker.

pub mod authority;
pub mod clock;
pub mod config;
pub mod http;
pub mod login;
pub mod profile;
pub mod token;

mod sys;
