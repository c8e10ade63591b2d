//! testkit

pub mod browser;
pub mod clock;
pub mod http;
pub mod leak;
pub mod load;
pub mod process;
pub mod provider;
pub mod wait;
