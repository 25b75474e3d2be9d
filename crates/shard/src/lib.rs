//! One shard copy: the operation log and the search view derived from it
#![forbid(unsafe_code)]
