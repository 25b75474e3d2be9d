//! Any bytes as the file `live`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Live.fuzz(bytes));
