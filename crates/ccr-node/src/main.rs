//! The node binary: configuration, wiring and the demo.
#![forbid(unsafe_code)]
fn main() {}
