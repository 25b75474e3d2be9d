//! The files of a log as others may rely on them: bytes that nobody vouches for.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which the lint does not see"
)]

mod mutations;
