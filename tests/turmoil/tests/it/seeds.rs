//! The seeds of every test run.

use real_stack::{Fault, Plan, Tally, run};

/// The same ones each time: a failure is due to the change at hand. Others by `REAL_STACK_FIRST_SEED` and `REAL_STACK_SEEDS`.
const SEEDS: u64 = 6;
const METADATA_SEEDS: u64 = 3;

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// Every second seed: two tests share them, for two cores.
fn sweep(half: u64, test: &'static str) -> Tally {
    let (first, count) = (
        number("REAL_STACK_FIRST_SEED", 0),
        number("REAL_STACK_SEEDS", SEEDS),
    );
    let mut total = Tally::default();
    for seed in (first..first + count).filter(|seed| seed % 2 == half) {
        let tally = run(&Plan::of(seed), test);
        println!("seed {seed}: {tally}");
        total.add(&tally);
    }
    println!("{total}");
    total
}

#[test]
fn every_follower_of_even_seeds_recovers() {
    sweep(0, "seeds");
}

#[test]
fn every_follower_of_odd_seeds_recovers() {
    sweep(1, "seeds");
}

/// Mapping, settings and aliases change before every third bulk request, by document and by call; the index is closed and opened for it.
#[test]
fn metadata_that_changes_all_the_time_ends_the_same_on_both_sides() {
    let (first, count) = (
        number("REAL_STACK_FIRST_SEED", 100),
        number("REAL_STACK_SEEDS", METADATA_SEEDS),
    );
    let mut total = Tally::default();
    for seed in first..first + count {
        total.add(&run(&Plan::of(seed).with_metadata(0.3, 0.05), "seeds"));
    }
    println!("{total}");
}

#[test]
fn every_kind_of_fault_is_in_some_seed() {
    let plans: Vec<_> = (0..SEEDS).map(Plan::of).collect();
    for fault in Fault::ALL {
        let has = plans.iter().any(|plan| plan.faults().contains(&fault));
        assert!(has, "no seed has {fault:?}");
    }
}
