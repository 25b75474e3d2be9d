//! gRPC between nodes and clusters: shard changes, retention leases, remote recovery, remote cluster metadata
#![forbid(unsafe_code)]
