//! The shard follow task: a pure state machine that plans reads, buffers, writes and retries, and its driver
#![forbid(unsafe_code)]
