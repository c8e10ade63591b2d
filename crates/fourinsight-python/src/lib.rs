//! The native part of the Python package `fourinsight-broker`: the client of `fourinsightd`, as Python calls it.
//!
//! Nothing is decided here. Each call of [`client`] lets other threads of Python run while it waits, hands its answer
//! over as Python's own dicts ([`value`]), and raises what [`error`] makes of a failure. The files that are taken over
//! are read and put away here ([`token_file`]), so that no login passes through Python.

mod client;
mod error;
mod request;
mod signals;
mod token;
mod token_file;
mod value;

use pyo3::pymodule;

/// The module `fourinsight_broker._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::client::{Client, session_key_of_seed};
    #[pymodule_export]
    use super::token::AccessToken;
    #[pymodule_export]
    use super::token_file::token_file_of_seed;

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python's modules have for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
