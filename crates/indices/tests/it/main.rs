//! Indices end to end, on a real directory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod background;
mod disk;
mod documents;
mod failure;
mod follower;
mod life_cycle;
mod node;
mod read_only;
mod search;
