//! A deterministic simulation of following: leaders, followers, the network between them and their disks, all from one seed.
//!
//! The cores are the real ones: each follower runs a [`follow_task::FollowTask`] and shares a real [`follow_task::InflightBudget`]; every
//! shard copy is a real [`oplog::Log`] on storage that fails and loses power. What lies between them in the product (connections, drivers,
//! index life cycle, the leader's services) is asynchronous and is stated again here as thin rules, in `leader.rs`, `follower.rs`, `answers.rs` and
//! `bootstrap.rs`. So the simulation finds faults of the cores and of the rules, not of the code that carries the rules out.
//!
//! It deliberately has no search index, no REST, no real network, no threads, no wall clock and no randomness but the seed's: two runs of one
//! seed are equal, which [`Report::trace`] shows.
//!
//! A run has a phase of faults, in which everything that must always hold is checked after every event, and a phase without any, in which every
//! follower must catch up or say why it cannot, keep its lease through a long silence, and catch up again.
//!
//! Reading order: [`Plan`], [`run`], [`Report`] and [`Failure`]; inside, `world.rs`, `happening.rs`, `checkers.rs`, `faults.rs`. [`Mutant`] is what
//! shows that the checkers work: each breaks one rule, and some check must notice.
//!
//! ```
//! let report = sim::run(&sim::Plan::of(7)).expect("no invariant is broken");
//! assert!(report.tally.operations_checked > 0);
//! ```
#![forbid(unsafe_code)]

mod answers;
mod bootstrap;
mod checkers;
mod clock;
mod convergence;
mod copies;
mod delta_heal;
mod disk;
mod faults;
mod follower;
mod happening;
mod leader;
mod mutant;
mod network;
mod plan;
mod random;
mod run;
mod tally;
mod trace;
mod truth;
mod wire;
mod workload;
mod world;

pub use checkers::Violation;
pub use mutant::Mutant;
pub use plan::{Plan, Topology};
pub use run::{Failure, Report, run};
pub use tally::{FaultKind, Tally};
pub use trace::{Entry, Trace};
