//! Any bytes as frames, as they come over the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Frame.fuzz(bytes));
