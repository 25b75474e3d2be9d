//! What must hold of a follower: at any time, and once it has caught up.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::IndexMetadata;
use follow_task::{FollowTaskPhase, ShardFollowTaskStatus};
use index_meta::replicated_settings_equal;
use oplog::{Frame, Log, ReadLimits, SeqNo};
use serde_json::{Value, json};
use shard::{Query, SearchRequest, Shard};

use crate::{Node, World};

/// A shard of the leader, and the follower's of the same number.
type ShardPair = (Arc<Shard>, Arc<Shard>);

/// A follower index and whom it follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Following {
    /// Host of the leader.
    pub leader: &'static str,
    /// Name of the leader index.
    pub leader_index: &'static str,
    /// Host of the follower.
    pub follower: &'static str,
    /// Name of the follower index.
    pub follower_index: &'static str,
}

impl Following {
    fn nodes(&self, world: &World) -> Result<(Arc<Node>, Arc<Node>), String> {
        let node = |host: &str| world.node(host).ok_or_else(|| format!("{host} is down"));
        Ok((node(self.leader)?, node(self.follower)?))
    }

    /// The shards of the leader and of the follower, in order.
    fn shards(&self, world: &World) -> Result<Vec<ShardPair>, String> {
        let (leader, follower) = self.nodes(world)?;
        let (theirs, mine) = (
            leader.shards(self.leader_index),
            follower.shards(self.follower_index),
        );
        if theirs.is_empty() || theirs.len() != mine.len() {
            return Err(format!(
                "{} shards serve there and {} here",
                theirs.len(),
                mine.len()
            ));
        }
        Ok(theirs.into_iter().zip(mine).collect())
    }

    /// The follow tasks, in order of shards.
    pub fn tasks(&self, world: &World) -> Vec<ShardFollowTaskStatus> {
        let node = world.node(self.follower);
        node.map(|node| node.tasks(self.follower_index))
            .unwrap_or_default()
    }

    /// What holds at any time.
    ///
    /// # Panics
    /// When the follower has what its leader could still lose (TR-1, FT-1), or a task failed for good, for which nothing here is a reason (FT-5).
    pub fn check_always(&self, world: &World) {
        if let Some(fatal) = self
            .tasks(world)
            .into_iter()
            .find_map(|task| task.fatal_exception)
        {
            panic!("FT-5: {self:?} ended: {fatal}");
        }
        let Ok((leader, follower)) = self.nodes(world) else {
            return;
        };
        // The follower first: the leader may go on between the two looks.
        let mine = follower.shards(self.follower_index);
        let mine = mine
            .iter()
            .map(|shard| (shard.shard_id().shard, shard.log().max_seq_no()));
        let mine: BTreeMap<_, _> = mine.collect();
        for shard in leader.shards(self.leader_index) {
            let durable = shard.log().durable_checkpoint();
            if let Some(applied) = mine.get(&shard.shard_id().shard) {
                assert!(
                    *applied <= durable,
                    "TR-1: {self:?} applied {applied:?}, and {durable:?} is durable on its leader"
                );
            }
        }
    }

    /// Whether the follower has caught up and says so.
    ///
    /// # Errors
    /// What is missing.
    pub fn settled(&self, world: &World) -> Result<(), String> {
        let shards = self.shards(world)?;
        for (theirs, mine) in &shards {
            let (theirs_live, mine_live) = (theirs.log().live_summary(), mine.log().live_summary());
            let (theirs_durable, mine_durable) =
                (theirs.log().durable_checkpoint(), mine.log().durable_checkpoint());
            let end = theirs.log().max_seq_no();
            if theirs_live != mine_live || theirs_durable != end || mine_durable != end {
                let tasks = self.tasks(world);
                return Err(format!(
                    "{theirs_live:?}, durable {theirs_durable:?} there, {mine_live:?}, durable {mine_durable:?} here; {tasks:#?}"
                ));
            }
        }
        let tasks = self.tasks(world);
        if tasks.len() != shards.len() {
            return Err(format!("{} tasks for {} shards", tasks.len(), shards.len()));
        }
        tasks.iter().try_for_each(is_quiet)?;
        let (leader, follower) = self.nodes(world)?;
        has_same_metadata((&leader, self.leader_index), (&follower, self.follower_index))
    }

    /// Compares a follower that has caught up with its leader, operation by operation, and each with itself.
    ///
    /// # Panics
    /// When they differ.
    pub fn compare(&self, world: &World) -> usize {
        let shards = self.shards(world).expect("both have settled");
        let mut compared = 0;
        for (theirs, mine) in shards {
            assert_eq!(documents(&theirs), documents(&mine), "{self:?}: documents differ");
            assert_eq!(answers(&theirs), answers(&mine), "{self:?}: searches differ");
            let (theirs_held, mine_held) = (held(theirs.log()), held(mine.log()));
            for (seq_no, operation) in &mine_held {
                if let Some(original) = theirs_held.get(seq_no) {
                    assert_eq!(
                        original, operation,
                        "FT-1: {self:?}: operation {seq_no} is another one"
                    );
                    compared += 1;
                }
            }
            for log in [theirs.log(), mine.log()] {
                let computed = log.recompute_live_summary().expect("the log can be read");
                assert_eq!(computed, log.live_summary(), "OL-5: {self:?}");
            }
        }
        compared
    }

    /// Operations that each task has written, and the operation after the last that its shard has: between two looks at a quiet time both grow by the same
    /// number, unless operations are written twice or left out.
    pub fn written(&self, world: &World) -> Vec<(u64, u64)> {
        let next = |seq_no: Option<SeqNo>| seq_no.map_or(0, |seq_no| seq_no.get() + 1);
        let tasks = self.tasks(world);
        let of_task =
            |task: &ShardFollowTaskStatus| (task.operations_written, next(task.follower_max_seq_no));
        tasks.iter().map(of_task).collect()
    }
}

fn is_quiet(task: &ShardFollowTaskStatus) -> Result<(), String> {
    let is_quiet = task.phase == FollowTaskPhase::Following
        && task.read_exceptions.is_empty()
        && task.follower_to_leader_lagging_ops_count == 0
        && task.follower_to_leader_lag_millis == 0
        && task.write_buffer_operation_count == 0
        && task.outstanding_write_requests == 0;
    if is_quiet {
        Ok(())
    } else {
        Err(format!("not quiet: {task:#?}"))
    }
}

/// Mapping, replicated settings and aliases.
fn has_same_metadata(leader: (&Node, &str), follower: (&Node, &str)) -> Result<(), String> {
    let metadata = |(node, index): (&Node, &str)| {
        let state = node.cluster.state();
        state
            .require_index(index)
            .cloned()
            .map_err(|gone| gone.to_string())
    };
    let (theirs, mine) = (metadata(leader)?, metadata(follower)?);
    let (theirs_mapping, mine_mapping) = (theirs.mapping.to_json(), mine.mapping.to_json());
    if theirs_mapping != mine_mapping {
        return Err(format!("mapping {theirs_mapping} there, {mine_mapping} here"));
    }
    if !replicated_settings_equal(&theirs.settings, &mine.settings) {
        return Err(format!(
            "settings {:?} there, {:?} here",
            theirs.settings, mine.settings
        ));
    }
    // A follower is nobody's write index, whatever its leader is.
    let aliases = |index: &IndexMetadata| {
        let mut aliases = index.aliases.clone();
        aliases.values_mut().for_each(|alias| alias.is_write_index = None);
        aliases
    };
    if aliases(&theirs) != aliases(&mine) {
        return Err(format!(
            "aliases {:?} there, {:?} here",
            theirs.aliases, mine.aliases
        ));
    }
    Ok(())
}

/// Id, `seq_no`, version and source of every document.
fn documents(shard: &Shard) -> Vec<(String, u64, u64, Vec<u8>)> {
    let live = shard.scan(None, usize::MAX).expect("the copy can be read");
    let document = |frame: &Frame| {
        let (seq_no, version) = (frame.seq_no().get(), frame.version().get());
        (frame.id().to_owned(), seq_no, version, frame.source().to_vec())
    };
    live.iter().map(document).collect()
}

/// What searches of every mapped field find: its documents, and of them those with a value in the upper half or with one of some words.
fn answers(shard: &Shard) -> BTreeMap<String, Vec<u64>> {
    shard.refresh().wait().expect("the copy can be searched");
    let find = |query: Value| {
        let request = SearchRequest {
            query: Query::from_json(&query).expect("a query"),
            size: 10_000,
            ..SearchRequest::default()
        };
        let found = shard.search(&request).expect("the copy can be searched");
        let mut seq_nos: Vec<_> = found.hits.iter().map(|hit| hit.seq_no.get()).collect();
        seq_nos.sort_unstable();
        seq_nos
    };
    let mut answers = BTreeMap::new();
    for field in shard.mapping().fields() {
        let path = field.path();
        let mut ask = |query: Value| answers.insert(query.to_string(), find(query));
        ask(json!({"exists": {"field": path}}));
        if field.field_type().is_numeric() {
            ask(json!({"range": {path: {"gte": 500_000}}}));
        } else {
            for word in ["a", "b", "ab", "z"] {
                ask(json!({"match": {path: word}}));
            }
        }
    }
    answers
}

/// Every operation that a log still has.
fn held(log: &Log) -> BTreeMap<u64, Frame> {
    let Some(last) = log.max_seq_no() else {
        return BTreeMap::new();
    };
    let (held, next) = log
        .read_held(SeqNo::ZERO, last, ReadLimits::NONE)
        .expect("the log can be read");
    assert!(next > last, "all of it was asked for");
    held.into_iter()
        .map(|frame| (frame.seq_no().get(), frame))
        .collect()
}
