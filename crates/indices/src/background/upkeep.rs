//! Regular work on the shards of this node: history that nobody needs is given up, logs are compacted, and files read again to find damage.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::ClusterService;
use oplog::{ByteCount, Clock, SeqNo, ShardId};
use shard::{Shard, ShardError, Throttle};

use super::scrub::Scrub;
use super::signal::Signal;
use super::token_bucket::{Limited, TokenBucket};
use crate::local::LocalShards;
use crate::medium::FullShards;
use crate::settings::IndicesSettings;

/// The wait after a shard's first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);

/// Works on one shard after the other.
pub(crate) struct Upkeep {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) shards: Arc<LocalShards>,
    pub(crate) full: Arc<FullShards>,
    pub(crate) node_settings: IndicesSettings,
    pub(crate) signal: Arc<Signal>,
    pub(crate) clock: Arc<dyn Clock>,
    bucket: TokenBucket,
    scrub: Scrub,
    known: HashMap<ShardId, Known>,
}

/// What is remembered of a shard from round to round.
struct Known {
    /// A shard that was opened anew is looked at anew.
    shard: Weak<Shard>,
    /// As the shard was when there was nothing to do.
    at_rest: Option<Fingerprint>,
    failure: Option<Failure>,
}

/// What has to change before there is something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    max_seq_no: Option<SeqNo>,
    min_retained: SeqNo,
    log_segments: usize,
}

#[derive(Debug, Clone)]
struct Failure {
    reason: String,
    backoff: Duration,
    not_before: Duration,
}

impl Upkeep {
    pub(crate) fn new(
        cluster: Arc<ClusterService>,
        shards: Arc<LocalShards>,
        full: Arc<FullShards>,
        node_settings: IndicesSettings,
        signal: Arc<Signal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            cluster,
            shards,
            full,
            node_settings,
            signal,
            clock,
            bucket: TokenBucket::default(),
            scrub: Scrub::default(),
            known: HashMap::new(),
        }
    }

    /// Goes round all started shards. A shard that fails does not keep the others waiting.
    pub(crate) fn round(&mut self) {
        self.full.probe(&self.cluster.state(), &self.shards);
        let ids = self.shards.ids();
        self.known.retain(|id, _| ids.contains(id));
        for id in &ids {
            if self.signal.is_stopping() {
                return;
            }
            if let Ok(shard) = self.shards.get(id) {
                self.look_after(id.clone(), &shard);
            }
        }
        let settings = IndicesSettings::of(&self.cluster.state(), &self.node_settings);
        let now = self.clock.monotonic();
        let shards = &self.shards;
        self.scrub
            .round(&ids, now, settings.scrub_max_bytes_per_sec, |id, budget| {
                Some(shards.get(id).ok()?.scrub_step(budget))
            });
    }

    fn look_after(&mut self, id: ShardId, shard: &Arc<Shard>) {
        let now = self.clock.monotonic();
        let mut known = match self.known.remove(&id) {
            Some(known) if known.shard.as_ptr() == Arc::as_ptr(shard) => known,
            _ => Known {
                shard: Arc::downgrade(shard),
                at_rest: None,
                failure: None,
            },
        };
        if known
            .failure
            .as_ref()
            .is_none_or(|failure| failure.not_before <= now)
        {
            // An idle shard costs three short locks and nothing else.
            let found = Fingerprint::of(shard);
            if known.failure.is_some() || known.at_rest != Some(found) {
                self.work(shard, found, &mut known);
            }
        }
        self.known.insert(id, known);
    }

    fn work(&self, shard: &Shard, found: Fingerprint, known: &mut Known) {
        let limit = || {
            let settings = IndicesSettings::of(&self.cluster.state(), &self.node_settings);
            settings.compaction_max_bytes_per_sec
        };
        let throttle = Limited {
            bucket: &self.bucket,
            signal: &self.signal,
            clock: &*self.clock,
            limit: &limit,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| all_work_on(shard, &throttle)));
        let reason = match outcome {
            Ok(Ok(is_done)) => {
                known.at_rest = is_done.then_some(found);
                if known.failure.take().is_some() {
                    tracing::info!(shard = %shard.shard_id(), index = shard.index_name(), "maintenance of the shard works again");
                }
                return;
            }
            Ok(Err(ShardError::Closed)) => return,
            Ok(Err(error)) => es_exception::Exception::from(&error).reason().to_owned(),
            Err(_) => "maintenance panicked".to_owned(),
        };
        known.failure = Some(self.failed(shard, reason, known.failure.take()));
    }

    fn failed(&self, shard: &Shard, reason: String, before: Option<Failure>) -> Failure {
        if before.as_ref().is_none_or(|before| before.reason != reason) {
            tracing::warn!(shard = %shard.shard_id(), index = shard.index_name(), reason, "maintenance of the shard failed, and is tried again");
        }
        let backoff = before.map_or(FIRST_BACKOFF, |before| (2 * before.backoff).min(LONGEST_BACKOFF));
        Failure {
            reason,
            backoff,
            not_before: self.clock.monotonic() + backoff,
        }
    }
}

/// Every kind of regular work on one shard, one after the other. Answers whether nothing is left to do until the shard changes.
fn all_work_on(shard: &Shard, throttle: &dyn Throttle) -> Result<bool, ShardError> {
    let compacted = shard.maintain(throttle)?;
    let was_cut_short = !throttle.throttle(ByteCount::ZERO);
    Ok(!compacted.postponed && !was_cut_short)
}

impl Fingerprint {
    /// Raises the minimum retained seq_no first, since leases come and go without an operation.
    fn of(shard: &Shard) -> Self {
        Self {
            min_retained: shard.advance_min_retained(),
            max_seq_no: shard.log().max_seq_no(),
            log_segments: shard.log().segment_count(),
        }
    }
}
