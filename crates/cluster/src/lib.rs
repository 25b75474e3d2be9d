//! Cluster state, its transactional store, and persistent tasks
#![forbid(unsafe_code)]
