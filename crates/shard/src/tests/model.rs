//! A shard and its follower against a map, through random writes, refreshes, reopenings and crashes.

use std::collections::{BTreeMap, BTreeSet};

use oplog::{ByteCount, LeaseError, LeaseId, ReadLimits};
use proptest::prelude::*;
use serde_json::json;

use super::follower::same;
use super::*;
use crate::view::next_of;
use crate::{Counting, ForceMergeRequest, Query, SearchCancellation, Unthrottled, WriteError, WriteResult};

fn lease() -> LeaseId {
    "follower".parse().unwrap()
}

#[derive(Debug, Clone)]
enum Kind {
    Index,
    Create,
    Delete,
    IfCurrent,
    IfWrong,
    External(u64),
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u8, Kind)>),
    Refresh,
    Reopen,
    Crash,
    Replicate {
        operations: usize,
    },
    ReopenFollower,
    /// So many writes of the same few documents, which leaves garbage.
    Churn(usize),
    /// A background round on leader or follower.
    Maintain {
        leader: bool,
    },
    ForceMerge {
        leader: bool,
        request: ForceMergeRequest,
    },
    /// The leader loses its search view and indexes its log anew, whatever was compacted.
    LoseView,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        5 => Just(Kind::Index),
        2 => Just(Kind::Create),
        3 => Just(Kind::Delete),
        2 => Just(Kind::IfCurrent),
        1 => Just(Kind::IfWrong),
        1 => (1_u64..12).prop_map(Kind::External),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((0_u8..6, kind()), 1..6).prop_map(Step::Write),
        3 => Just(Step::Refresh),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        2 => (1_usize..8).prop_map(|operations| Step::Replicate { operations }),
        1 => Just(Step::ReopenFollower),
        3 => (20_usize..120).prop_map(Step::Churn),
        3 => any::<bool>().prop_map(|leader| Step::Maintain { leader }),
        2 => (any::<bool>(), prop::option::of(1_usize..3), any::<bool>()).prop_map(|(leader, most, expunge)| {
            let request = ForceMergeRequest {
                max_num_segments: most.filter(|_| !expunge),
                only_expunge_deletes: expunge,
            };
            Step::ForceMerge { leader, request }
        }),
        1 => Just(Step::LoseView),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Document {
    seq_no: u64,
    version: u64,
    source: String,
}

/// What a shard should hold.
#[derive(Debug, Default)]
struct Model {
    documents: BTreeMap<String, Document>,
    /// Versions of deletions, which a reopened shard may have forgotten.
    deleted: BTreeMap<String, u64>,
    forgetful: BTreeSet<String>,
    next: u64,
}

impl Model {
    /// Writes one document to the batch, and says what must come of it.
    fn write(&mut self, id: &str, kind: &Kind) -> (DocumentWrite, Option<WriteResult>) {
        let source = json!({"n": self.next, "tag": id});
        let current = self.documents.get(id).cloned();
        let held = current.as_ref().map_or(0, |document| document.seq_no);
        let (write, allowed) = match kind {
            Kind::Index => (index(id, &source), true),
            Kind::Create => (create(id, &source), current.is_none()),
            Kind::Delete => (delete(id), true),
            Kind::IfCurrent => (when(index(id, &source), seq_no(held)), current.is_some()),
            Kind::IfWrong => (when(index(id, &source), seq_no(held + 1)), false),
            Kind::External(version) => {
                let known = current
                    .as_ref()
                    .map(|document| document.version)
                    .or_else(|| self.deleted.get(id).copied());
                (
                    when(index(id, &source), external(*version)),
                    known.is_none_or(|known| *version > known),
                )
            }
        };
        if !allowed {
            return (write, None);
        }
        let version = match kind {
            Kind::External(version) => *version,
            _ => {
                current.as_ref().map_or_else(
                    || self.deleted.get(id).copied().unwrap_or(0),
                    |document| document.version,
                ) + 1
            }
        };
        let deletes = matches!(kind, Kind::Delete);
        let result = match (deletes, current.is_some()) {
            (true, true) => WriteResult::Deleted,
            (true, false) => WriteResult::NotFound,
            (false, true) => WriteResult::Updated,
            (false, false) => WriteResult::Created,
        };
        if deletes {
            self.documents.remove(id);
            self.deleted.insert(id.into(), version);
        } else {
            self.deleted.remove(id);
            let document = Document {
                seq_no: self.next,
                version,
                source: source.to_string(),
            };
            self.documents.insert(id.into(), document);
        }
        self.forgetful.remove(id);
        self.next += 1;
        (write, Some(result))
    }

    /// A reopened shard knows the deletions in its tail only; the model follows what the shard says.
    fn reopened(&mut self) {
        self.forgetful = self.deleted.keys().cloned().collect();
    }
}

struct Run {
    leader: Fixture,
    follower: Fixture,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let services = services(ViewPoolConfig {
            writer_idle_millis: 50,
            ..small_pool()
        });
        let fixture = |role| {
            let dir = tempfile::tempdir().unwrap();
            let shard = Shard::create(
                config(dir.path(), role),
                HistoryUuid::generate(),
                services.clone(),
            )
            .unwrap();
            Fixture {
                dir,
                services: services.clone(),
                shard,
            }
        };
        let leader = fixture(ShardRole::Primary);
        leader
            .shard
            .log()
            .add_retention_lease(lease(), None, "ccr")
            .unwrap();
        Self {
            leader,
            follower: fixture(ShardRole::Follower),
            model: Model::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(writes) => self.write(writes),
            Step::Refresh => {
                self.leader.shard.refresh().wait().unwrap();
                self.check_search();
            }
            Step::Reopen => {
                self.leader.reopen();
                self.model.reopened();
            }
            Step::Crash => {
                self.leader.crash();
                self.model.reopened();
            }
            Step::Replicate { operations } => self.replicate(*operations),
            Step::ReopenFollower => self.follower.crash(),
            Step::Churn(count) => {
                let writes: Vec<_> = (0..*count)
                    .map(|place| ((place % 5) as u8, Kind::Index))
                    .collect();
                self.write(&writes);
            }
            Step::Maintain { leader } => {
                self.of(*leader).shard.maintain(&Unthrottled).unwrap();
            }
            Step::ForceMerge { leader, request } => {
                let report = self
                    .of(*leader)
                    .shard
                    .force_merge(*request, &Unthrottled)
                    .unwrap();
                assert!(!report.postponed, "nobody searches");
                let stats = self.of(*leader).shard.stats();
                if let Some(most) = request.max_num_segments {
                    assert!(stats.segments <= most, "{} segments", stats.segments);
                }
                if request.only_expunge_deletes {
                    assert_eq!(stats.deleted_docs, 0);
                }
            }
            Step::LoseView => {
                self.leader.shard.close().unwrap();
                std::fs::remove_dir_all(self.leader.dir.path().join("index")).unwrap();
                self.leader.open();
                self.model.reopened();
            }
        }
        for fixture in [&self.leader, &self.follower] {
            let log = fixture.shard.log();
            assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary(), "OL-5");
        }
        self.check_gets();
    }

    fn write(&mut self, writes: &[(u8, Kind)]) {
        // Which version a document gets after a forgotten deletion is decided one write at a time.
        let forgotten = writes
            .iter()
            .any(|(id, _)| self.model.forgetful.contains(&format!("d{id}")));
        let batches: Vec<&[(u8, Kind)]> = if forgotten {
            writes.chunks(1).collect()
        } else {
            vec![writes]
        };
        for batch in batches {
            if let [(id, _)] = batch
                && self.model.forgetful.remove(&format!("d{id}"))
                && self.leader.shard.tail.get(&format!("d{id}")).is_none()
            {
                self.model.deleted.remove(&format!("d{id}"));
            }
            let mut planned = Vec::new();
            let mut expected = Vec::new();
            for (id, kind) in batch {
                let (write, result) = self.model.write(&format!("d{id}"), kind);
                planned.push(write);
                expected.push(result);
            }
            let outcome = write(&self.leader.shard, planned);
            for (item, expected) in outcome.items.iter().zip(expected) {
                match (item, expected) {
                    (Ok(outcome), Some(result)) => assert_eq!(outcome.result, result),
                    (Err(WriteError::VersionConflict { .. } | WriteError::DocumentExists { .. }), None) => {}
                    (item, expected) => panic!("{item:?}, expected {expected:?}"),
                }
            }
            let next = self
                .leader
                .shard
                .log()
                .max_seq_no()
                .map_or(0, |last| last.get() + 1);
            assert_eq!(next, self.model.next);
        }
    }

    fn replicate(&self, operations: usize) {
        let from = self
            .follower
            .shard
            .log()
            .max_seq_no()
            .map_or(0, |last| last.get() + 1);
        let Some(last) = self
            .leader
            .shard
            .log()
            .max_seq_no()
            .filter(|last| last.get() >= from)
        else {
            return;
        };
        let limits = ReadLimits {
            operations,
            bytes: ByteCount::new(1 << 20),
        };
        let frames = self
            .leader
            .shard
            .read_changes(SeqNo::new(from), last, limits)
            .unwrap();
        if let Some(ticket) = self.follower.shard.append_frames(frames).unwrap() {
            ticket.wait().unwrap();
        }
        let next = next_of(self.follower.shard.log().durable_checkpoint());
        let renewed = self
            .leader
            .shard
            .log()
            .renew_retention_lease(lease(), Some(SeqNo::new(next)), "ccr");
        // A crash may have lost what the lease already gave up; then it stays where it is.
        assert!(
            matches!(renewed, Ok(_) | Err(LeaseError::InvalidRetainingSeqNo { .. })),
            "{renewed:?}"
        );
    }

    fn of(&self, leader: bool) -> &Fixture {
        if leader { &self.leader } else { &self.follower }
    }

    fn check_gets(&self) {
        for id in (0..6).map(|id| format!("d{id}")) {
            let read = self.leader.shard.get(&id).unwrap().map(|found| Document {
                seq_no: found.seq_no.get(),
                version: found.version.get(),
                source: String::from_utf8(found.source.to_vec()).unwrap(),
            });
            assert_eq!(read.as_ref(), self.model.documents.get(&id), "{id}");
        }
    }

    fn check_search(&self) {
        for shard in [Some(&self.leader.shard), self.caught_up()].into_iter().flatten() {
            let request = SearchRequest::from_json(&json!({"sort": "_seq_no", "size": 100})).unwrap();
            let hits = shard.search(&request).unwrap();
            let fetched = shard.fetch(&hits.hits, &request).unwrap();
            let read: BTreeMap<String, Document> = fetched
                .into_iter()
                .map(|hit| {
                    let source = String::from_utf8(hit.source.unwrap().to_vec()).unwrap();
                    (
                        hit.id,
                        Document {
                            seq_no: hit.seq_no.get(),
                            version: hit.version.get(),
                            source,
                        },
                    )
                })
                .collect();
            assert_eq!(read, self.model.documents);
            assert_eq!(hits.total, Some(self.model.documents.len() as u64));
            let query = Query::from_json(&json!({"exists": {"field": "tag"}})).unwrap();
            assert_eq!(
                shard
                    .count(&SearchCancellation::default(), &Counting::of(query))
                    .unwrap()
                    .0,
                self.model.documents.len() as u64
            );
        }
    }

    /// The follower, refreshed, if it holds everything.
    fn caught_up(&self) -> Option<&Arc<Shard>> {
        let shard = &self.follower.shard;
        if shard.log().max_seq_no() != self.leader.shard.log().max_seq_no() {
            return None;
        }
        shard.refresh().wait().unwrap();
        Some(shard)
    }

    fn finish(&self) {
        self.replicate(usize::MAX);
        self.leader.shard.refresh().wait().unwrap();
        self.check_search();
        same(&self.leader.shard, &self.follower.shard);
        for shard in [&self.leader.shard, &self.follower.shard] {
            assert_eq!(
                shard.log().recompute_live_summary().unwrap(),
                shard.log().live_summary()
            );
            assert_eq!(shard.stats().docs, self.model.documents.len() as u64);
            let scanned: Vec<u64> = shard
                .scan(None, usize::MAX)
                .unwrap()
                .iter()
                .map(|frame| frame.seq_no().get())
                .collect();
            let mut live: Vec<u64> = self
                .model
                .documents
                .values()
                .map(|document| document.seq_no)
                .collect();
            live.sort_unstable();
            assert_eq!(scanned, live);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_and_its_follower_equal_the_model(steps in prop::collection::vec(step(), 1..25)) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.finish();
    }
}
