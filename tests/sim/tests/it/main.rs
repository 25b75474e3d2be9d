//! What a test run simulates, and that the checkers notice what is broken.

mod determinism;
mod mutants;
mod seeds;
