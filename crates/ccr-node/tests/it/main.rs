//! The binary as a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod check;
mod data;
