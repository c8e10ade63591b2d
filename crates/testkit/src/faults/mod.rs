//! The fault harness: whether a login survives what can happen to the daemon, counted against the ledger of the
//! server that it is signed in at.

pub mod disk;
pub mod figure;

pub use figure::Figure;

/// How much harm is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Enough for every run of the tests.
    #[default]
    Quick,
    /// What the published figures come from.
    Full,
}

/// How the harness is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much harm is done.
    pub extent: Extent,
}

impl Options {
    /// One number for a quick run, another for a full one.
    pub fn count(&self, quick: usize, full: usize) -> usize {
        match self.extent {
            Extent::Quick => quick,
            Extent::Full => full,
        }
    }
}
