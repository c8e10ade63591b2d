//! The real program against a scripted daemon.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod another_person;
mod first_login;
mod login;
mod password;
mod profile;
mod revoke;
mod shells;
mod status;
mod support;
mod terminal;
mod token;
mod why;
