//! The seeds of every test run.

use sim::{Plan, Tally, run};

/// The same ones each time: a failure is due to the change at hand. `cargo xtask sim` tries others.
const SEEDS: u64 = 320;

/// Every topology has its turn: it follows from the seed.
fn sweep(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut total = Tally::default();
    for seed in seeds {
        match run(&Plan::of(seed)) {
            Ok(report) => total.add(&report.tally),
            Err(failure) => panic!("{failure}"),
        }
    }
    total
}

#[test]
fn nothing_is_lost_and_everyone_recovers() {
    let total = sweep(0..SEEDS);
    println!("{total}");
    assert_eq!(total.runs, SEEDS);
    assert!(total.in_sync > SEEDS / 2, "{total}");
    for kind in sim::FaultKind::ALL {
        assert!(total.faults.contains_key(kind), "no seed has {kind:?}: {total}");
    }
    assert!(total.heals > 20, "{total}");
    for reason in ["leader index gone", "history changed", "fell behind"] {
        assert!(
            total.fatal.contains_key(reason),
            "no follower ended by {reason}: {total}"
        );
    }
}
