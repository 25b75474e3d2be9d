//! Cross-cluster replication: follow, remote recovery, follow tasks, retention leases, remote clusters
#![forbid(unsafe_code)]
