//! Any bytes as the file `healed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Healed.fuzz(bytes));
