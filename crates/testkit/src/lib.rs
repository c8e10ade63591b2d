//! testkit

pub mod browser;
pub mod http;
pub mod process;
pub mod provider;
pub mod wait;
