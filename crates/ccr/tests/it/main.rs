//! Two clusters in one process: a leader whose answers can be held back and changed, and a follower whose storage can fail.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod faults;
mod leader_tap;
mod metadata;
mod support;

mod acknowledged;
mod auto_follow;
mod bootstrap;
mod data_streams;
mod following;
mod heal;
mod known_bugs;
mod leader_reads;
mod recovery_rate;
mod recovery_resume;
mod resume_checks;
mod retention_leases;
mod tail_rate;
mod templates;
