//! Each rule broken on purpose is noticed, by the check that is there for it.

use sim::{Mutant, Plan, run};

/// Seeds tried for each.
const SEEDS: u64 = 300;

/// The first failure among the seeds.
fn caught_by(mutant: Mutant) -> Option<&'static str> {
    let failure = |seed| run(&Plan::of(seed).with_mutant(mutant)).err();
    (0..SEEDS)
        .find_map(failure)
        .map(|failure| failure.violation.invariant)
}

#[test]
fn every_mutant_is_caught() {
    let missed: Vec<_> = Mutant::ALL
        .iter()
        .filter(|mutant| caught_by(**mutant).is_none())
        .collect();
    assert!(missed.is_empty(), "nothing noticed {missed:?}");
}
