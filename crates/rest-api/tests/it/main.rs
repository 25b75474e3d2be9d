//! A real server over a real node in a temporary directory, spoken to over a socket.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod mappings;
mod node;

mod administration;
mod aggregations;
mod aggregations_by_date;
mod aggregations_composite;
mod aggregations_refused;
mod aggregations_top_hits;
mod analysis;
mod auto_follow;
mod blocks;
mod by_query;
mod cat;
mod cluster;
mod damage;
mod data_streams;
mod disk;
mod documents;
mod edge;
mod follow_stats;
mod force_merge;
mod http;
mod indices;
mod patience;
mod replication;
mod rollover;
mod search_apis;
mod search_contexts;
mod search_hits;
mod server;
mod settings;
mod tasks;
mod templates;
mod wrong_input;
