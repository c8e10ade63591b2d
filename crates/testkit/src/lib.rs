//! Development only: what the tests, the demo and the bench need beside the programs themselves.
//!
//! | module | what it is |
//! |---|---|
//! | [`practice`] | the practice authorization server, in memory or on a socket, with a ledger as the oracle |
//! | [`provider`] | npm's `oidc-provider`, a certified OpenID Provider, as a process |
//! | [`django`] | PyPI's `django-oauth-toolkit` on Django, a second server by other hands, as a process |
//! | [`python`] | Python programs, in virtual environments of their own |
//! | [`package`] | our own Python package, built and installed as its users get it |
//! | [`witness`] | the programs that people come from, compared with ours field by field |
//! | [`browser`] | walks login pages over HTTP as a browser would |
//! | [`chromium`] | a real browser, for what HTTP alone does not show |
//! | [`process`] | the real programs, each run in a home of its own |
//! | [`keyring`] | a real keyring on a session bus of its own |
//! | [`api`] | an API that takes the practice server's tokens |
//! | [`world`] | the same with a practice server, from a login to its end |
//! | [`demo`], [`mod@bench`] | `cargo xtask demo` and `bench` |
//! | [`faults`] | `cargo xtask faults`: what a login survives |
//! | [`load`] | many client processes at once |
//! | [`readme`] | the commands of README.md, as they are written |
//! | [`leak`] | searches what was written for secrets |
//! | [`http`], [`clock`], [`wait`] | small parts of the above |

pub mod api;
pub mod bench;
pub mod browser;
pub mod chromium;
pub mod clock;
pub mod demo;
pub mod django;
pub mod faults;
pub mod http;
pub mod keyring;
pub mod leak;
pub mod load;
pub mod package;
pub mod practice;
pub mod process;
pub mod provider;
pub mod python;
pub mod readme;
pub mod wait;
pub mod witness;
pub mod world;
