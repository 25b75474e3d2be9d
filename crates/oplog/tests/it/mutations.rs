//! Valid encodings with random damage, and arbitrary bytes, through the entry points that the fuzzers use (`fuzz/`): a bounded, repeatable
//! run of them in every test run.

use std::cell::Cell;

use oplog::fuzzing::Target;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngSeed, TestRunner};

const CASES: u32 = 2_000;

#[derive(Debug, Clone)]
enum Mutation {
    Flip { at: Index, bit: u8 },
    Number { at: Index, length: usize, value: u64 },
    Add { at: Index, length: usize, value: u64 },
    Remove { at: Index, count: usize },
    Repeat { at: Index, count: usize },
    Cut { at: Index },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Fields of all files lie at even offsets, most of them at multiples of eight.
    let number = || {
        let value = prop_oneof![
            0..300_u64,
            Just(u64::from(u32::MAX)),
            Just(u64::MAX),
            Just(u64::MAX / 16),
            Just(1 << 40),
            any::<u64>()
        ];
        (
            any::<Index>(),
            prop_oneof![Just(1_usize), Just(2), Just(4), Just(8)],
            value,
        )
    };
    prop_oneof![
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        4 => number().prop_map(|(at, length, value)| Mutation::Number { at, length, value }),
        2 => number().prop_map(|(at, length, value)| Mutation::Add { at, length, value }),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Mutation::Remove { at, count }),
        1 => (any::<Index>(), 1..200_usize).prop_map(|(at, count)| Mutation::Repeat { at, count }),
        1 => any::<Index>().prop_map(|at| Mutation::Cut { at }),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match *self {
            Self::Flip { at, bit } => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Number { at, length, value } => {
                let at = at.index(bytes.len()) / length * length;
                let end = bytes.len().min(at + length);
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            }
            Self::Add { at, length, value } => {
                let at = at.index(bytes.len()) / length * length;
                let end = bytes.len().min(at + length);
                let mut number = [0; 8];
                number[..end - at].copy_from_slice(&bytes[at..end]);
                let sum = u64::from_le_bytes(number).wrapping_add(value);
                bytes[at..end].copy_from_slice(&sum.to_le_bytes()[..end - at]);
            }
            Self::Remove { at, count } => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + count));
            }
            Self::Repeat { at, count } => {
                let at = at.index(bytes.len());
                let piece = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, piece);
            }
            Self::Cut { at } => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn runner() -> TestRunner {
    let mut config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    TestRunner::new(config)
}

/// Panics are failures of the decoders; so is a mutation run that never gets behind the checksums.
fn check(target: Target) {
    assert!(target.run(&target.example()), "the example is accepted");
    let arbitrary = prop::collection::vec(any::<u8>(), 0..3_000);
    let outcome = runner().run(&arbitrary, |bytes| {
        target.fuzz(&bytes);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("arbitrary bytes: {failure}");
    }
    let example = target.example();
    let accepted = Cell::new(0);
    let mutations = (prop::collection::vec(mutation(), 1..5), prop::bool::weighted(0.8));
    let outcome = runner().run(&mutations, |(mutations, seal)| {
        let mut bytes = example.clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        if seal {
            target.seal(&mut bytes);
        }
        accepted.set(accepted.get() + u32::from(target.run(&bytes)));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("mutations: {failure}");
    }
    assert!(
        accepted.get() >= CASES / 100,
        "only {} mutated encodings were accepted: the run does not reach the code behind the checksums",
        accepted.get()
    );
}

#[test]
fn frames_of_any_bytes() {
    check(Target::Frame);
}

#[test]
fn a_segment_of_any_bytes() {
    check(Target::Segment);
}

#[test]
fn an_index_of_any_bytes() {
    check(Target::Index);
}

#[test]
fn a_block_segment_of_any_bytes() {
    check(Target::BlockSegment);
}

#[test]
fn a_checkpoint_of_any_bytes() {
    check(Target::Checkpoint);
}

#[test]
fn a_live_set_of_any_bytes() {
    check(Target::Live);
}

#[test]
fn leases_of_any_bytes() {
    check(Target::Leases);
}

#[test]
fn what_heals_left_of_any_bytes() {
    check(Target::Healed);
}

#[test]
fn a_heal_journal_of_any_bytes() {
    check(Target::HealJournal);
}

/// Sets numbers of the trailer of the example, each `(offset in the trailer, value)`, with right checksums.
fn block_segment_with(numbers: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = Target::BlockSegment.example();
    let trailer = bytes.len() - 96;
    for (at, value) in numbers {
        bytes[trailer + at..trailer + at + 8].copy_from_slice(&value.to_le_bytes());
    }
    Target::BlockSegment.seal(&mut bytes);
    bytes
}

#[test]
fn numbers_of_a_block_trailer_that_overflow_are_refused() {
    let (last, count, blocks) = (24, 32, 64);
    for numbers in [
        vec![(count, u64::MAX)],
        vec![(count, u64::MAX), (last, u64::MAX)],
        vec![(blocks, u64::MAX / 16)],
        vec![(blocks, u64::MAX)],
    ] {
        assert!(
            !Target::BlockSegment.run(&block_segment_with(&numbers)),
            "{numbers:?}"
        );
    }
    assert!(Target::BlockSegment.run(&block_segment_with(&[])));
}

/// Looking for the operations of content that no block holds must end.
#[test]
fn content_that_no_block_holds_is_refused() {
    let mut bytes = Target::BlockSegment.example();
    let trailer = bytes.len() - 96;
    let table_at = usize::try_from(u64::from_le_bytes(
        bytes[trailer + 56..trailer + 64].try_into().unwrap(),
    ))
    .unwrap();
    // No record in the table, and pages that must be found again from the frames.
    bytes.drain(table_at..trailer);
    let length = bytes.len() as u64;
    let trailer = bytes.len() - 96;
    bytes[trailer + 64..trailer + 72].fill(0);
    bytes[trailer + 80..trailer + 88].copy_from_slice(&length.to_le_bytes());
    Target::BlockSegment.seal(&mut bytes);
    bytes[table_at - 1] ^= 1;
    assert!(!Target::BlockSegment.run(&bytes));
}

/// The entries of an index say how much is read at once.
#[test]
fn an_entry_that_points_out_of_its_segment_is_not_believed() {
    for (at, value) in [(64 + 3 * 16 + 4, u32::MAX - 1), (64 + 3 * 16, 1_000)] {
        let mut bytes = Target::Index.example();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Target::Index.seal(&mut bytes);
        // The segment is read instead, so that nothing is lost.
        assert!(Target::Index.run(&bytes), "{at}");
    }
}

/// The pages of entries are damaged and found again from the frames, of which there are fewer than the trailer says.
#[test]
fn more_operations_in_the_trailer_than_in_the_content_are_refused() {
    let count_at = 32;
    let example = Target::BlockSegment.example();
    let trailer = example.len() - 96;
    let number = |at: usize| u64::from_le_bytes(example[trailer + at..trailer + at + 8].try_into().unwrap());
    let (count, pages_at) = (number(count_at), number(48));
    let mut bytes = block_segment_with(&[(count_at, count + 1)]);
    bytes[usize::try_from(pages_at).unwrap()] ^= 1;
    assert!(!Target::BlockSegment.run(&bytes));
}
