//! The operation log of a shard copy: checksummed frames in seq_no order, durable checkpoint, live set, digest, retention leases
#![forbid(unsafe_code)]
