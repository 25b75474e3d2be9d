//! Any bytes as the file `leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::Leases.fuzz(bytes));
