//! The code generated from `proto/ccr/v1/`. It never leaves this crate.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "generated code"
)]

tonic::include_proto!("ccr.v1");
