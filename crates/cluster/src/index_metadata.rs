//! What the cluster knows of one index, and how its versions advance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use index_meta::{AliasMetadata, Mapping, Settings};
use oplog::{IndexUuid, PrimaryTerm, ShardId, ShardNumber, UnixMillis};

/// Setting that marks a follower index. Written by following and unfollowing only.
pub const FOLLOWING_INDEX_SETTING: &str = "index.xpack.ccr.following_index";

/// Whether an index serves requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// The index serves reads and writes.
    Open,
    /// The index keeps its data and serves nothing.
    Close,
}

/// One index. Its versions start at 1 and advance by one with each committed change of what they count.
#[derive(Debug, Clone)]
pub struct IndexMetadata {
    /// The index's name; unique among indices and aliases.
    pub name: String,
    /// The index's identity: a new index of the same name has another.
    pub uuid: IndexUuid,
    /// Whether the index is open.
    pub state: IndexState,
    /// Counts every change of this metadata.
    pub version: u64,
    /// Counts changes of [`mapping`](Self::mapping).
    pub mapping_version: u64,
    /// Counts changes of [`settings`](Self::settings).
    pub settings_version: u64,
    /// Counts changes of [`aliases`](Self::aliases).
    pub aliases_version: u64,
    /// Flat settings as users see them, with `index.uuid`, `index.creation_date` and the like.
    pub settings: Settings,
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// Aliases by name.
    pub aliases: BTreeMap<String, AliasMetadata>,
    /// When the index was created here.
    pub creation_date: UnixMillis,
    /// Number of shards; never changes.
    pub number_of_shards: u32,
    /// Number of slots that a routing hash is taken modulo; never changes. A multiple of the number of shards.
    pub number_of_routing_shards: u32,
    /// Metadata of other components by their name, for instance `ccr`.
    pub custom: BTreeMap<String, BTreeMap<String, String>>,
    /// The primary term of each shard, by shard number.
    pub primary_terms: Vec<PrimaryTerm>,
    /// Shards that have been started once: their data must exist. A shard that is not in here may be created empty.
    /// Losing an entry would let a node throw away a shard's data, so it is added before the shard takes its first operation.
    pub in_sync_shards: BTreeSet<u32>,
    /// The index is a follower whose shards are still being restored from its leader; no shard exists by itself.
    pub recovering: bool,
}

/// Key of the custom metadata that marks an index which is closed for as long as its settings are changed (our addition).
pub(crate) const SETTINGS_CHANGE_CUSTOM: &str = "ccr_settings_change";

/// What Elasticsearch shows of a closed index.
const VERIFIED_BEFORE_CLOSE: &str = "index.verified_before_close";

impl IndexMetadata {
    /// Opens or closes the index. Source: that is a change of a setting too, so that the version of the settings counts it.
    pub fn set_state(&mut self, state: IndexState) {
        match state {
            IndexState::Open => drop(self.settings.remove(VERIFIED_BEFORE_CLOSE)),
            IndexState::Close => self.settings.insert(VERIFIED_BEFORE_CLOSE, "true"),
        }
        self.state = state;
    }

    /// Whether this index follows one of another cluster.
    #[must_use]
    pub fn is_follower(&self) -> bool {
        self.has_flag(FOLLOWING_INDEX_SETTING)
    }

    /// Whether the index is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == IndexState::Open
    }

    /// Whether expressions with wildcards skip this index unless they ask for hidden ones.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.has_flag("index.hidden")
    }

    /// Whether the boolean setting `key` is set and true.
    #[must_use]
    pub fn has_flag(&self, key: &str) -> bool {
        self.settings.get_str(key) == Some("true")
    }

    /// The ids of all shards, in order.
    pub fn shard_ids(&self) -> impl Iterator<Item = ShardId> + '_ {
        (0..self.number_of_shards).map(|shard| ShardId::new(self.uuid.clone(), ShardNumber::new(shard)))
    }

    /// The primary term of `shard`.
    #[must_use]
    pub fn primary_term(&self, shard: u32) -> PrimaryTerm {
        self.primary_terms
            .get(shard as usize)
            .copied()
            .unwrap_or(PrimaryTerm::FIRST)
    }

    /// Whether the data of `shard` is still to come, from the leader that the index follows.
    #[must_use]
    pub fn is_restoring(&self, shard: u32) -> bool {
        self.recovering && !self.in_sync_shards.contains(&shard)
    }

    /// Fails unless the index is open.
    ///
    /// # Errors
    /// `index_closed_exception`.
    pub fn require_open(&self) -> Result<(), Exception> {
        if self.is_open() {
            return Ok(());
        }
        Err(Exception::new(ExceptionKind::IndexClosed, "closed").with_index(&self.name))
    }

    /// Whether both say the same, versions aside.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.name == other.name
            && self.uuid == other.uuid
            && self.state == other.state
            && self.settings == other.settings
            && same_mapping(&self.mapping, &other.mapping)
            && self.aliases == other.aliases
            && self.creation_date == other.creation_date
            && self.number_of_shards == other.number_of_shards
            && self.number_of_routing_shards == other.number_of_routing_shards
            && self.custom == other.custom
            && self.primary_terms == other.primary_terms
            && self.in_sync_shards == other.in_sync_shards
            && self.recovering == other.recovering
    }

    /// Sets the versions to those that follow from `previous`: each is one higher exactly if what it counts differs.
    #[must_use]
    pub(crate) fn succeeding(mut self, previous: &Self) -> Self {
        let next = |version: u64, changed: bool| version + u64::from(changed);
        self.mapping_version = next(
            previous.mapping_version,
            !same_mapping(&self.mapping, &previous.mapping),
        );
        self.settings_version = next(previous.settings_version, self.settings != previous.settings);
        self.aliases_version = next(previous.aliases_version, self.aliases != previous.aliases);
        self.version = next(previous.version, !self.same_content(previous));
        self
    }
}

fn same_mapping(left: &Arc<Mapping>, right: &Arc<Mapping>) -> bool {
    Arc::ptr_eq(left, right) || left.to_json() == right.to_json()
}

/// How many slots the routing hash of an index with `number_of_shards` is taken modulo.
///
/// Source: Elasticsearch's `MetadataCreateIndexService.calculateNumRoutingShards`: room for splits up to 1024 shards, at least one split.
#[must_use]
pub fn default_number_of_routing_shards(number_of_shards: u32) -> u32 {
    let bits = u32::BITS - number_of_shards.saturating_sub(1).leading_zeros();
    let splits = 10_u32.saturating_sub(bits).max(1);
    number_of_shards << splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_shards_are_those_of_elasticsearch() {
        let expected = [
            (1, 1024),
            (2, 1024),
            (3, 768),
            (5, 640),
            (6, 768),
            (512, 1024),
            (513, 1026),
            (1024, 2048),
        ];
        for (shards, routing_shards) in expected {
            assert_eq!(
                default_number_of_routing_shards(shards),
                routing_shards,
                "{shards}"
            );
        }
    }
}
