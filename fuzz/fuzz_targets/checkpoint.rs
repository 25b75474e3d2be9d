//! Any bytes as the file `checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Checkpoint.fuzz(bytes));
