//! Comparing what is printed with golden files: `UPDATE_GOLDEN=1 cargo test -p fourinsightctl` writes them anew.

use std::path::Path;

/// Fails unless `actual` is what the golden file of this name holds.
pub(crate) fn check(name: &str, actual: &str, golden: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        std::fs::write(path, actual).unwrap();
        return;
    }
    assert_eq!(actual, golden, "{name} differs from what is printed");
}
