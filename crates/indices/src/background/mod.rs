//! What a node does by itself, on two threads of its own: upkeep of its shards, and watching its disk.

mod rounds;
mod scrub;
mod signal;
mod token_bucket;
mod upkeep;

pub(crate) use rounds::Rounds;
pub(crate) use signal::Signal;
pub(crate) use upkeep::Upkeep;
