//! Any bytes as a segment of compressed blocks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::BlockSegment.fuzz(bytes));
