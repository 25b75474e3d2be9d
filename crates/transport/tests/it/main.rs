//! Leaders and followers over loopback.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panic, as tests do")]

mod compression;
mod connections;
mod faults;
mod leader;
mod open_reads;
mod round_trip;
mod setup;
