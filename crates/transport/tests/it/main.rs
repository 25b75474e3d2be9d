//! Leaders and followers over loopback.

mod connections;
mod faults;
mod leader;
mod round_trip;
mod setup;
