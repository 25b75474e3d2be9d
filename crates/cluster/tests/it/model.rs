//! The embedded store against a map in memory, through random transactions and reopenings.

use std::collections::BTreeMap;

use cluster::{Compare, RedbStore, StateStore, TransactionOutcome, Write};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Compares some keys with versions that are right or not, and writes or deletes some.
    Transaction {
        compare: Vec<(u8, Guess)>,
        writes: Vec<(u8, Option<Vec<u8>>)>,
    },
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Guess {
    Right,
    Absent,
    Stale,
}

fn key(number: u8) -> String {
    // Keys that are prefixes of each other, for listings.
    ["a", "a/", "a/1", "a/2", "a0", "b"][usize::from(number) % 6].to_owned()
}

fn step() -> impl Strategy<Value = Step> {
    let guess = prop_oneof![6 => Just(Guess::Right), 1 => Just(Guess::Absent), 1 => Just(Guess::Stale)];
    let compare = prop::collection::vec((0..6_u8, guess), 0..3);
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let writes = prop::collection::vec((0..6_u8, value), 0..4);
    prop_oneof![
        9 => (compare, writes).prop_map(|(compare, writes)| Step::Transaction { compare, writes }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_equals_a_map(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let mut store = RedbStore::open(&path).unwrap();
    let mut model: BTreeMap<String, (u64, Vec<u8>)> = BTreeMap::new();
    let mut revision = 0;
    for step in steps {
        match step {
            Step::Reopen => {
                drop(store);
                store = RedbStore::open(&path).unwrap();
            }
            Step::Transaction { compare, writes } => {
                let held = |key: &str| model.get(key).map(|(version, _)| *version);
                let conditions: Vec<Compare> = compare
                    .iter()
                    .map(|(number, guess)| {
                        let key = key(*number);
                        let version = match guess {
                            Guess::Right => held(&key),
                            Guess::Absent => None,
                            Guess::Stale => Some(revision + 7),
                        };
                        Compare { key, version }
                    })
                    .collect();
                let holds = conditions
                    .iter()
                    .all(|condition| held(&condition.key) == condition.version);
                let requested = writes
                    .iter()
                    .map(|(number, value)| match value {
                        Some(value) => Write::Put {
                            key: key(*number),
                            value: value.clone(),
                        },
                        None => Write::Delete { key: key(*number) },
                    })
                    .collect();
                let outcome = store.transaction(conditions, requested).await.unwrap();
                if holds {
                    revision += 1;
                    prop_assert_eq!(outcome, TransactionOutcome::Committed(revision));
                    for (number, value) in writes {
                        match value {
                            Some(value) => model.insert(key(number), (revision, value)),
                            None => model.remove(&key(number)),
                        };
                    }
                } else {
                    prop_assert_eq!(outcome, TransactionOutcome::Conflict);
                }
            }
        }
        for prefix in ["", "a", "a/"] {
            let listing = store.list(prefix).await.unwrap();
            prop_assert_eq!(listing.revision, revision);
            let found: Vec<_> = listing
                .records
                .into_iter()
                .map(|(key, record)| (key, (record.version, record.value)))
                .collect();
            let expected: Vec<_> = model
                .clone()
                .into_iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .collect();
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(*store.watch().borrow(), revision);
    }
    Ok(())
}
