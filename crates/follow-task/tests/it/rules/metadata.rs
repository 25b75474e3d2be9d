//! Mapping, settings and aliases come before the operations that need them.

use std::time::Duration;

use follow_task::{Action, Event, FollowTaskPhase, MetadataKind};

use crate::harness::{Rig, answer, fatal, reads, retryable, state};

#[test]
fn newer_metadata_is_applied_before_the_operations() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut newer = answer(0..64, 63);
    (
        newer.aliases_version,
        newer.settings_version,
        newer.mapping_version,
    ) = (2, 3, 4);
    rig.read_done(id, Ok(newer));
    for (expected, version) in [
        (MetadataKind::Aliases, 2),
        (MetadataKind::Settings, 3),
        (MetadataKind::Mapping, 4),
    ] {
        assert_eq!(rig.appends(), [], "operations before {expected:?}");
        for attempt in 1..=5 {
            assert_eq!(rig.sync(Err(retryable())), expected);
            let failing = rig.status().metadata_exception.unwrap();
            assert_eq!((failing.kind, failing.exception), (expected, retryable()));
            assert_eq!(failing.retries, attempt);
            while !rig
                .actions
                .iter()
                .any(|action| matches!(action, Action::SyncMetadata { .. }))
            {
                rig.wake();
            }
        }
        assert_eq!(rig.sync(Ok(version)), expected);
        assert_eq!(rig.status().metadata_exception, None);
    }
    assert_eq!(rig.appends().len(), 1);
    let status = rig.status();
    let versions = (
        status.follower_aliases_version,
        status.follower_settings_version,
        status.follower_mapping_version,
    );
    assert_eq!(versions, (2, 3, 4));
}

#[test]
fn a_fatal_sync_error_stops_before_the_operations() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut newer = answer(0..64, 63);
    newer.mapping_version = 2;
    rig.read_done(id, Ok(newer));
    rig.sync(Err(fatal()));
    assert_eq!(rig.appends(), []);
    let status = rig.status();
    assert_eq!(
        (status.phase, status.follower_mapping_version),
        (FollowTaskPhase::Failed, 1)
    );
}

/// What is to be synced now, and the version needed.
fn syncs(rig: &Rig) -> Vec<(MetadataKind, u64)> {
    let sync = |action: &Action| match action {
        Action::SyncMetadata { kind, required, .. } => Some((*kind, *required)),
        _ => None,
    };
    rig.actions.iter().filter_map(sync).collect()
}

#[test]
fn nothing_is_read_before_all_metadata_was_synced_once() {
    let mut rig = Rig::new(reads(8, 1));
    rig.step(Event::Wake);
    let id = rig.question();
    rig.state_known(id, Ok(state(3)));
    for expected in [
        MetadataKind::Aliases,
        MetadataKind::Settings,
        MetadataKind::Mapping,
    ] {
        assert_eq!(syncs(&rig), [(expected, 0)], "one at a time, any version will do");
        assert_eq!(rig.reads(), []);
        rig.sync(Err(retryable()));
        rig.until(|action| matches!(action, Action::SyncMetadata { .. }));
        assert_eq!(rig.reads(), []);
        rig.sync(Ok(5));
    }
    rig.one_read(4, 8);
}

#[test]
fn a_metadata_failure_at_the_start_that_no_retry_mends_is_fatal() {
    for done in 0..3 {
        let mut rig = Rig::new(reads(8, 1));
        rig.step(Event::Wake);
        let id = rig.question();
        rig.state_known(id, Ok(state(3)));
        for _ in 0..done {
            rig.sync(Ok(1));
        }
        rig.sync(Err(fatal()));
        assert_eq!(rig.status().phase, FollowTaskPhase::Failed);
        assert_eq!((syncs(&rig), rig.reads()), (vec![], vec![]));
    }
}

#[test]
fn only_newer_versions_are_synced_also_after_an_empty_answer() {
    use MetadataKind::{Aliases, Mapping, Settings};
    // (aliases, settings and mapping version of the answer; what is synced, where 5 of each is held)
    type Case<'a> = ([u64; 3], &'a [(MetadataKind, u64)]);
    let cases: [Case<'_>; 7] = [
        ([5, 5, 5], &[]),
        ([4, 1, 0], &[]),
        ([6, 5, 5], &[(Aliases, 6)]),
        ([5, 7, 5], &[(Settings, 7)]),
        ([5, 5, 8], &[(Mapping, 8)]),
        ([6, 4, 8], &[(Aliases, 6), (Mapping, 8)]),
        ([6, 7, 8], &[(Aliases, 6), (Settings, 7), (Mapping, 8)]),
    ];
    for operations in [0, 4] {
        for (versions, expected) in cases {
            let mut rig = Rig::new(reads(8, 1));
            rig.step(Event::Wake);
            let id = rig.question();
            rig.state_known(id, Ok(state(-1)));
            for _ in 0..3 {
                rig.sync(Ok(5));
            }
            let mut newer = answer(0..operations, 3);
            [
                newer.aliases_version,
                newer.settings_version,
                newer.mapping_version,
            ] = versions;
            let id = rig.one_read(0, 8);
            rig.read_done(id, Ok(newer));
            for (kind, version) in expected {
                assert_eq!(syncs(&rig), [(*kind, *version)], "{versions:?}");
                assert_eq!((rig.reads(), rig.appends()), (vec![], vec![]));
                rig.sync(Ok(*version));
            }
            assert_eq!(syncs(&rig), [], "{versions:?}");
            assert_eq!(rig.appends().len() as u64, operations.min(1));
            assert_eq!(rig.reads().len(), 1);
            let status = rig.status();
            let held = [
                status.follower_aliases_version,
                status.follower_settings_version,
                status.follower_mapping_version,
            ];
            assert_eq!(held, versions.map(|version| version.max(5)));
        }
    }
}

#[test]
fn a_sync_that_gives_more_than_was_needed_is_not_repeated() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    let mut newer = answer(0..8, 63);
    newer.mapping_version = 2;
    rig.read_done(id, Ok(newer));
    rig.sync(Ok(9));
    assert_eq!(rig.status().follower_mapping_version, 9);
    let id = rig.one_read(8, 8);
    let mut newer = answer(8..16, 63);
    newer.mapping_version = 9;
    rig.read_done(id, Ok(newer));
    assert_eq!(syncs(&rig), []);
}

#[test]
fn a_sync_that_gives_less_than_was_needed_is_tried_again_and_its_operations_wait() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    let mut newer = answer(0..8, 63);
    newer.mapping_version = 4;
    rig.read_done(id, Ok(newer));
    rig.sync(Ok(3));
    assert_eq!(rig.appends(), []);
    assert_eq!(rig.status().follower_mapping_version, 3);
    rig.until(|action| matches!(action, Action::SyncMetadata { .. }));
    assert_eq!(syncs(&rig), [(MetadataKind::Mapping, 4)]);
    rig.sync(Ok(4));
    assert_eq!(rig.appends().len(), 1);
}

#[test]
fn operations_wait_for_their_own_metadata_and_not_for_that_of_others() {
    let mut rig = Rig::started(reads(8, 3), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 23)));
    let three = rig.reads();
    let with_mapping = |range, version| {
        let mut newer = answer(range, 23);
        newer.mapping_version = version;
        newer
    };
    rig.read_done(three[1].0, Ok(with_mapping(8..16, 2)));
    rig.read_done(three[2].0, Ok(with_mapping(16..24, 4)));
    rig.read_done(three[0].0, Ok(with_mapping(0..8, 1)));
    assert_eq!(rig.appends()[0].1, (0..8).collect::<Vec<_>>(), "held already");
    assert_eq!(syncs(&rig), [(MetadataKind::Mapping, 2)], "one at a time");
    rig.sync(Ok(2));
    assert_eq!(rig.appends()[0].1, (8..16).collect::<Vec<_>>());
    assert_eq!(syncs(&rig), [(MetadataKind::Mapping, 4)]);
    rig.sync(Ok(4));
    assert_eq!(rig.appends()[0].1, (16..24).collect::<Vec<_>>());
}

#[test]
fn metadata_is_not_synced_again_while_nothing_newer_is_known() {
    let mut rig = Rig::started(reads(8, 1), -1);
    rig.take();
    for _ in 0..10 {
        rig.now = rig.now.after(Duration::from_secs(60));
        rig.step(Event::Wake);
    }
    assert_eq!(syncs(&rig), []);
}

#[test]
fn versions_in_any_order_end_at_the_highest_and_never_go_back() {
    let mut rig = Rig::started(reads(1, 100), -1);
    let id = rig.one_read(0, 1);
    rig.read_done(id, Ok(answer(0..0, 1999)));
    let held = |rig: &Rig| {
        let status = rig.status();
        [
            status.follower_aliases_version,
            status.follower_settings_version,
            status.follower_mapping_version,
        ]
    };
    let (mut last, mut highest) = (held(&rig), [1; 3]);
    for step in 0..2000_u64 {
        if let Some((kind, required)) = syncs(&rig).pop() {
            assert_eq!(rig.sync(Ok(required)), kind);
        }
        // Any one of those under way, not the first.
        let mut under_way = rig.reads();
        if !under_way.is_empty() {
            let (id, request) = under_way.swap_remove((step as usize * 7) % under_way.len());
            let from = request.from.get();
            let mut newer = answer(from..from + 1, 1999);
            let versions = [step * 7919 % 101, step * 104_729 % 211, step * 1_299_709 % 307];
            [
                newer.aliases_version,
                newer.settings_version,
                newer.mapping_version,
            ] = versions;
            rig.read_done(id, Ok(newer));
            for (highest, version) in highest.iter_mut().zip(versions) {
                *highest = version.max(*highest);
            }
        }
        let reads = |(id, request)| Action::Read { id, request };
        rig.actions.extend(under_way.into_iter().map(reads));
        let now = held(&rig);
        assert!(
            now.iter().zip(last).all(|(now, last)| *now >= last),
            "{now:?} after {last:?}"
        );
        last = now;
    }
    while let Some((_, required)) = syncs(&rig).pop() {
        rig.sync(Ok(required));
    }
    assert_eq!(held(&rig), highest);
}
