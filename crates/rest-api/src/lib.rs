//! The Elasticsearch-compatible REST API.
//!
//! Official clients and the tools of Elasticsearch's world talk to a node through this crate: it reads their requests, calls the
//! services below, and writes the answers that they expect, byte names and status codes included. It deliberately decides nothing: what a
//! request means for an index is `indices`' business, what it means for replication is `ccr`'s.
//!
//! Reading order: [`serve`] is the entry; then `routes` (the table of every endpoint and its parameters), `dispatch` (the checks
//! that each request passes), `handlers` (one file per family), `render` (how answers are written).
//!
//! What always holds here:
//! - Every answer names the product in a header; every refusal has Elasticsearch's error shape and status.
//! - A parameter or body field that is not known is refused by name, never ignored; a request that is refused has changed nothing.
//! - A request that changes something is carried to its end when its client hangs up.
//! - Elasticsearch's -1 for "no sequence number" exists in this crate only.
//!
//! ```no_run
//! # async fn start(state: rest_api::RestState) -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9200").await?;
//! let stop = tokio_util::sync::CancellationToken::new();
//! rest_api::serve(listener, state, stop).await
//! # }
//! ```
#![forbid(unsafe_code)]

mod bulk_body;
mod call;
mod config;
mod date_math_names;
mod dispatch;
mod error_body;
mod filter_path;
mod handlers;
mod json_body;
mod layers;
mod media_type;
mod openapi;
mod params;
mod render;
mod reply;
mod route;
mod routes;
mod server;
mod state;
mod system;
mod tasks;
mod units;
mod wildcard;

pub use config::{CorsConfig, RestConfig};
pub use server::serve;
pub use state::RestState;
