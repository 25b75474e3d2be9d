//! Bugs that other systems had, built in on purpose: with feature `mutants`, `CCR_MUTANT=<name>` switches one on, and a test must notice.
//! `cargo xtask mutants` does that with each. Without the feature none of this is in the program.

use std::collections::BTreeMap;

use index_meta::{AliasAction, AliasMetadata, Settings, SettingsSync};

/// One bug.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mutant {
    /// What looks after tasks of deleted indices takes a shard that does not answer for one that is gone (cross-cluster-replication#1725).
    CleansLiveTasks,
    /// A follower takes over that writes through an alias go to it (cross-cluster-replication#1625).
    TakesTheWriteIndex,
    /// A follower takes over how many replicas its leader has (cross-cluster-replication#1661).
    TakesTheReplicaCount,
}

impl Mutant {
    /// Whether this bug is in.
    #[cfg(feature = "mutants")]
    pub(crate) fn is_on(self) -> bool {
        std::env::var("CCR_MUTANT").is_ok_and(|name| name == format!("{self:?}"))
    }

    /// Whether this bug is in: it never is.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn is_on(self) -> bool {
        false
    }
}

/// What a sync of settings changes, with [`Mutant::TakesTheReplicaCount`].
pub(crate) fn in_settings(mut sync: SettingsSync, leader: &Settings) -> SettingsSync {
    const KEY: &str = "index.number_of_replicas";
    if Mutant::TakesTheReplicaCount.is_on()
        && let Some(count) = leader.get(KEY)
    {
        sync.dynamic.insert_value(KEY, count.clone());
    }
    sync
}

/// What a sync of aliases changes, with [`Mutant::TakesTheWriteIndex`].
pub(crate) fn in_aliases(
    mut actions: Vec<AliasAction>,
    leader: &BTreeMap<String, AliasMetadata>,
) -> Vec<AliasAction> {
    if Mutant::TakesTheWriteIndex.is_on() {
        for action in &mut actions {
            if let AliasAction::Add { alias, metadata } = action {
                metadata.is_write_index = leader.get(alias).and_then(|alias| alias.is_write_index);
            }
        }
    }
    actions
}
