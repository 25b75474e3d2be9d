//! Any bytes as the only segment of a log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Segment.fuzz(bytes));
