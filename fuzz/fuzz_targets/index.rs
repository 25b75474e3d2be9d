//! Any bytes as the offset index of a sealed segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Index.fuzz(bytes));
