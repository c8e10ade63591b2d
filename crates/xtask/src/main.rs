//! `cargo xtask`: orchestration only.
fn main() {}
