//! A figure, and the promise that it is held to.

/// What a campaign has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What was counted or measured.
    pub name: String,
    /// What came of it.
    pub measured: String,
    /// What was promised.
    pub promise: String,
    /// Whether the promise was kept.
    pub kept: bool,
    /// What else there is to say.
    pub detail: String,
}

impl Figure {
    /// A count of what must not happen, out of so many tries.
    pub fn none(name: impl Into<String>, happened: usize, of: usize) -> Self {
        Self::new(name, format!("{happened} of {of}"), "0", happened == 0 && of > 0)
    }

    /// Something that happened as often as it was tried.
    pub fn every(name: impl Into<String>, happened: usize, of: usize) -> Self {
        Self::new(name, format!("{happened} of {of}"), "all", happened == of && of > 0)
    }

    /// Something that is told for what it is worth, and kept whatever it is.
    pub fn told(name: impl Into<String>, measured: impl Into<String>) -> Self {
        Self::new(name, measured, "", true)
    }

    /// Something measured, with what was promised and whether that was kept.
    pub fn new(
        name: impl Into<String>,
        measured: impl Into<String>,
        promise: impl Into<String>,
        kept: bool,
    ) -> Self {
        let (name, measured, promise) = (name.into(), measured.into(), promise.into());
        Self { name, measured, promise, kept, detail: String::new() }
    }

    /// The same with more to say.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_only_where_something_was_tried() {
        assert!(Figure::none("lost", 0, 10).kept && !Figure::none("lost", 1, 10).kept);
        assert!(Figure::every("told", 3, 3).kept && !Figure::every("told", 2, 3).kept);
        assert!(!Figure::none("lost", 0, 0).kept && !Figure::every("told", 0, 0).kept);
        assert_eq!(Figure::none("lost", 0, 10).with("fast").detail, "fast");
    }
}
