//! Mapping, settings and aliases come before the operations that need them.

use follow_task::{Action, FollowTaskPhase, MetadataKind};

use crate::harness::{Rig, answer, fatal, reads, retryable};

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
        for _ in 0..5 {
            assert_eq!(rig.sync(Err(retryable())), expected);
            while !rig
                .actions
                .iter()
                .any(|action| matches!(action, Action::SyncMetadata { .. }))
            {
                rig.wake();
            }
        }
        assert_eq!(rig.sync(Ok(version)), expected);
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
