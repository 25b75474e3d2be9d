//! Data streams: how their backing indices are named and ordered, and how a stream changes. Pure: whether its indices exist is for others to know.

mod name;
mod stream;

pub use name::{BACKING_INDEX_PREFIX, BackingIndexName, backing_index_name};
pub use stream::DataStream;

/// The field that every document of a data stream has. Source: Elasticsearch's data streams know no other.
pub const TIMESTAMP_FIELD: &str = "@timestamp";
