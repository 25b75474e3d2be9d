//! The files of a log as others may rely on them: fixtures of released versions, every byte, and bytes that nobody vouches for.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which the lint does not see"
)]

mod bytes;
mod fixture;
mod mutations;
mod scenario;
