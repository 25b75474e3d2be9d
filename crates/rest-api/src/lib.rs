//! The Elasticsearch-compatible REST API
#![forbid(unsafe_code)]
