//! Development only: what the tests, the demo and the bench need beside the programs themselves.
//!
//! | module | what it is |
//! |---|---|
//! | [`practice`] | the practice authorization server, in memory or on a socket, with a ledger as the oracle |

pub mod practice;
