//! Following over the real stack: real nodes, follow tasks and leader services, the real client and server of gRPC, on a network that is simulated
//! by turmoil and has faults.
//!
//! The layer above `tests/sim`: what that simulation states again as thin rules is here the code itself, with the wire encoding, reconnects, keepalive, streams
//! that are cut in the middle and connections that are half open. It deliberately has no REST, no search and no several nodes of one cluster.
//!
//! One seed fixes the network's chance, the faults and what users write. It does not fix everything: logs and search views work on threads of their own
//! and on real files, identifiers and the spread of reconnects are random, so two runs of a seed are alike and not equal. Simulated time
//! waits for blocking calls, and beside them goes by at most twenty times as fast as real time.
//!
//! Reading order: [`Plan`] and [`run`]; [`World`], [`Following`], [`Fault`], [`Line`]; inside, `host.rs`, `node.rs`, `disk.rs`.
#![forbid(unsafe_code)]

mod checks;
mod clock;
mod disk;
mod faults;
mod host;
mod line;
mod node;
mod panics;
mod random;
mod run;
mod workload;
mod world;

pub use checks::Following;
pub use faults::Fault;
pub use line::{Cut, Line};
pub use node::{Node, RENEW_INTERVAL};
pub use run::{Plan, Tally, Topology, impatient, run};
pub use workload::{Shape, Users, deletion, document};
pub use world::World;
