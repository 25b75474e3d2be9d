//! Any bytes as the file `heal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplog::fuzzing::Target::HealJournal.fuzz(bytes));
