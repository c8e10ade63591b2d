//! `fourinsightctl`, the command line.
fn main() {}
