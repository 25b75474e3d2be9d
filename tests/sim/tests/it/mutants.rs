//! Each rule broken on purpose is noticed, by the check that is there for it.

use sim::{Mutant, Plan, run};

/// Seeds tried for each.
const SEEDS: u64 = 300;

/// The invariants whose checks may be the first to notice: one seed shows a broken rule by what it does, another by what comes of it.
fn guards(mutant: Mutant) -> &'static [&'static str] {
    match mutant {
        Mutant::SkipsAnOperation
        | Mutant::AppliesTwice
        | Mutant::AltersBytes
        | Mutant::FillsTheHandOffWithNoOps => &["FT-1"],
        // It applies what it must not, or follows on where it must say that its leader is gone.
        Mutant::FindsTheLeaderByName => &["FT-1", "FT-4"],
        Mutant::OverrunsTheBuffer | Mutant::BatchesByCountOnly => &["FT-2"],
        Mutant::PretendsToSyncTheMapping | Mutant::TakesVersionsBeforeOperations => &["FT-3"],
        Mutant::RenewsOnlyOnTraffic
        | Mutant::RenewsAtNothingAfterRestart
        | Mutant::ComparesTheHistoryOnlyWithOperations
        | Mutant::LeavesTheCycleHalfDone
        | Mutant::NeverRecovers => &["FT-4"],
        Mutant::TreatsRefusalAsFatal => &["FT-5"],
        Mutant::PrunesWithoutLooking | Mutant::RenewsForWhatIsNotDurable | Mutant::SharesOneLease => {
            &["OL-4"]
        }
        Mutant::CopiesWithoutALease => &["OL-4", "FT-5"],
        Mutant::AcknowledgesBeforeTheSync => &["OL-2"],
        Mutant::ShowsWhatIsNotDurable => &["TR-1", "FT-1"],
    }
}

#[test]
fn every_mutant_is_caught_by_its_check() {
    for mutant in Mutant::ALL {
        let failure = (0..SEEDS).find_map(|seed| run(&Plan::of(seed).with_mutant(*mutant)).err());
        let failure = failure.unwrap_or_else(|| panic!("nothing noticed {mutant:?}"));
        assert!(
            guards(*mutant).contains(&failure.violation.invariant),
            "{mutant:?} was noticed by another check: {failure}"
        );
    }
}
