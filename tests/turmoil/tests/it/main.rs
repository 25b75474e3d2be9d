//! Following over the real stack and a simulated network.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod cut_answers;
mod heals;
mod recoveries;
mod seeds;
mod settings;
mod setup;
