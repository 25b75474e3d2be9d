//! Rolling an alias or a data stream over to a new index, on conditions or without any.

use std::sync::Arc;
use std::time::Duration;

use cluster::IndexMetadata;
use cluster::change::{self, NewIndexChange, RolloverNames};
use es_exception::Exception;
use oplog::{ByteCount, UnixMillis};

use crate::request::{CreateIndex, IndexStats, ResolveOptions};
use crate::service::IndicesService;

/// What must hold of the index that takes the alias's writes, for a rollover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloverCondition {
    /// Created at least so long ago.
    MaxAge(Duration),
    /// At least so many documents.
    MaxDocs(u64),
    /// At least so many bytes in all primary shards together.
    MaxSize(ByteCount),
    /// At least so many bytes in the largest primary shard.
    MaxPrimaryShardSize(ByteCount),
    /// At least so many documents in the largest primary shard.
    MaxPrimaryShardDocs(u64),
    /// At least so many documents, whatever else holds.
    MinDocs(u64),
}

impl RolloverCondition {
    /// Whether it forbids a rollover until it holds. The others ask for one as soon as one of them holds.
    #[must_use]
    pub fn is_min(self) -> bool {
        matches!(self, Self::MinDocs(_))
    }

    fn holds(self, measures: &Measures) -> bool {
        match self {
            Self::MaxAge(age) => measures.age >= age,
            Self::MaxDocs(docs) | Self::MinDocs(docs) => measures.docs >= docs,
            Self::MaxSize(size) => measures.bytes >= size.get(),
            Self::MaxPrimaryShardSize(size) => measures.largest_shard_bytes >= size.get(),
            Self::MaxPrimaryShardDocs(docs) => measures.largest_shard_docs >= docs,
        }
    }
}

/// A rollover that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct RolloverRequest {
    /// The alias, or the data stream.
    pub alias: String,
    /// The name of the new index; `None` counts on from the old one's.
    pub new_index: Option<String>,
    /// What must hold; none rolls over in any case.
    pub conditions: Vec<RolloverCondition>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Settings, mapping and aliases of the new index. Its name is not looked at.
    pub create: CreateIndex,
}

/// What came of a rollover.
#[derive(Debug, Clone)]
pub struct RolloverOutcome {
    /// The index that took the alias's writes.
    pub old_index: String,
    /// The index that takes them, or would.
    pub new_index: String,
    /// Each condition, and whether it held.
    pub conditions: Vec<(RolloverCondition, bool)>,
    /// The new index, if there was a rollover.
    pub created: Option<Arc<IndexMetadata>>,
    /// Whether all shards of the new index were started in time.
    pub shards_acknowledged: bool,
}

impl IndicesService {
    /// Creates a new index and gives it the writes of an alias or a data stream, in one step, if the conditions hold. Templates apply to the new index.
    ///
    /// Conditions are asked of live documents, searchable or not. When another rollover comes first, a rollover with conditions does nothing: they were
    /// asked of an index that takes no writes any more.
    ///
    /// # Errors
    /// What [`change::rollover`] refuses, and a full disk.
    pub async fn rollover(&self, request: RolloverRequest) -> Result<RolloverOutcome, Exception> {
        let new = self.new_index(&request.create)?;
        let alias = request.alias.as_str();
        let new_name = request.new_index.as_deref();
        let now = new.creation_date;
        let state = self.state();
        // The whole change, though only for what it refuses: a dry run answers what a rollover would.
        let (next, names) = change::rollover(&state, alias, new_name, &new, now)?;
        let created = next.require_index(&names.new_index)?;
        self.check_new_analysis(&created.settings, &created.mapping)
            .await?;
        let old = Arc::clone(state.require_index(&names.old_index)?);
        let conditions = self.evaluate(&old, &request.conditions, now).await?;
        if request.dry_run || !are_met(&conditions) {
            return Ok(not_done(names, conditions));
        }
        self.disk.check(&names.new_index)?;
        let done = self
            .cluster
            .update(&format!("rollover-index [{alias}]"), |state| {
                let (next, names) = change::rollover(state, alias, new_name, &new, now)?;
                let old_uuid = &state.require_index(&names.old_index)?.uuid;
                if !request.conditions.is_empty() && *old_uuid != old.uuid {
                    return Ok((state.clone(), None));
                }
                Ok((next, Some(names)))
            })
            .await?;
        match done {
            None => Ok(not_done(names, conditions)),
            Some(names) => self.rolled_over(names, conditions, &new).await,
        }
    }

    async fn rolled_over(
        &self,
        names: RolloverNames,
        conditions: Vec<(RolloverCondition, bool)>,
        new: &NewIndexChange,
    ) -> Result<RolloverOutcome, Exception> {
        let acknowledged = self.acknowledge(&names.new_index, &new.uuid).await?;
        Ok(RolloverOutcome {
            old_index: names.old_index,
            new_index: names.new_index,
            conditions,
            created: Some(acknowledged.index),
            shards_acknowledged: acknowledged.shards_acknowledged,
        })
    }

    async fn evaluate(
        &self,
        index: &IndexMetadata,
        conditions: &[RolloverCondition],
        now: UnixMillis,
    ) -> Result<Vec<(RolloverCondition, bool)>, Exception> {
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        let stats = self.stats(&index.name, &ResolveOptions::METADATA).await?;
        let measures = stats
            .iter()
            .find(|stats| stats.index.uuid == index.uuid)
            .map(|stats| Measures::of(stats, now));
        // Of an index that is gone meanwhile nothing holds.
        let holds = |condition: RolloverCondition| {
            measures
                .as_ref()
                .is_some_and(|measures| condition.holds(measures))
        };
        Ok(conditions
            .iter()
            .map(|condition| (*condition, holds(*condition)))
            .collect())
    }
}

/// What conditions are asked of.
#[derive(Debug, Default)]
struct Measures {
    age: Duration,
    docs: u64,
    bytes: u64,
    largest_shard_docs: u64,
    largest_shard_bytes: u64,
}

impl Measures {
    fn of(stats: &IndexStats, now: UnixMillis) -> Self {
        let age = now.get().saturating_sub(stats.index.creation_date.get());
        let mut measures = Self {
            age: Duration::from_millis(age),
            ..Self::default()
        };
        for shard in stats.shards.iter().filter_map(|shard| shard.stats.as_ref()) {
            measures.docs += shard.live_count;
            measures.bytes += shard.store_bytes;
            measures.largest_shard_docs = measures.largest_shard_docs.max(shard.live_count);
            measures.largest_shard_bytes = measures.largest_shard_bytes.max(shard.store_bytes);
        }
        measures
    }
}

/// Source: all that forbid must hold, and one of those that ask; without conditions a rollover is a command.
fn are_met(conditions: &[(RolloverCondition, bool)]) -> bool {
    let (min, max): (Vec<_>, Vec<_>) = conditions.iter().partition(|(condition, _)| condition.is_min());
    conditions.is_empty() || (min.iter().all(|(_, holds)| *holds) && max.iter().any(|(_, holds)| *holds))
}

fn not_done(names: RolloverNames, conditions: Vec<(RolloverCondition, bool)>) -> RolloverOutcome {
    RolloverOutcome {
        old_index: names.old_index,
        new_index: names.new_index,
        conditions,
        created: None,
        shards_acknowledged: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_from_its_value_on() {
        let measures = Measures {
            age: Duration::from_secs(60),
            docs: 10,
            bytes: 1000,
            largest_shard_docs: 6,
            largest_shard_bytes: 600,
        };
        for (condition, expected) in [
            (RolloverCondition::MaxAge(Duration::from_secs(60)), true),
            (RolloverCondition::MaxAge(Duration::from_secs(61)), false),
            (RolloverCondition::MaxDocs(10), true),
            (RolloverCondition::MaxDocs(11), false),
            (RolloverCondition::MaxSize(ByteCount::new(1000)), true),
            (RolloverCondition::MaxSize(ByteCount::new(1001)), false),
            (RolloverCondition::MaxPrimaryShardSize(ByteCount::new(600)), true),
            (RolloverCondition::MaxPrimaryShardSize(ByteCount::new(601)), false),
            (RolloverCondition::MaxPrimaryShardDocs(6), true),
            (RolloverCondition::MaxPrimaryShardDocs(7), false),
            (RolloverCondition::MinDocs(10), true),
            (RolloverCondition::MinDocs(11), false),
        ] {
            assert_eq!(condition.holds(&measures), expected, "{condition:?}");
        }
    }

    #[test]
    fn all_that_forbid_and_one_that_asks_must_hold() {
        let (max, min) = (RolloverCondition::MaxDocs(1), RolloverCondition::MinDocs(1));
        for (conditions, expected) in [
            (vec![], true),
            (vec![(max, true)], true),
            (vec![(max, false)], false),
            (vec![(max, false), (max, true)], true),
            (vec![(max, true), (min, false)], false),
            (vec![(max, true), (min, true)], true),
            (vec![(max, false), (min, true)], false),
            (vec![(min, true)], false),
        ] {
            assert_eq!(are_met(&conditions), expected, "{conditions:?}");
        }
    }
}
