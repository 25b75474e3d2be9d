//! Indices end to end, on a real directory.

mod documents;
mod follower;
mod life_cycle;
mod node;
mod search;
