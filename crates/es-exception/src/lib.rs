//! The closed vocabulary of failures that cross a process boundary.
//!
//! A failure on a leader must be shown, by name, in the follow stats of a follower, and one in a shard must reach the
//! REST client with the status that Elasticsearch's clients expect. So every layer that fails towards another process
//! names its failure by one [`ExceptionKind`] and carries it as an [`Exception`]. This crate deliberately does not know who raises which
//! kind, how an exception travels (that is `transport`) or how it is rendered as an HTTP answer (that is `rest-api`).
//!
//! Reading order: [`ExceptionKind`], [`Exception`].
//!
//! ```
//! use es_exception::{Exception, ExceptionKind};
//! let missing = Exception::new(ExceptionKind::IndexNotFound, "no such index [orders]").with_index("orders");
//! assert_eq!(missing.kind().type_name(), "index_not_found_exception");
//! assert_eq!(missing.status(), 404);
//! assert!(!missing.is_retryable());
//! ```
#![forbid(unsafe_code)]

mod exception;
mod kind;

pub use exception::Exception;
pub use kind::ExceptionKind;
