//! A copy that breaks off goes on with what it lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ccr::ShardRecoveryStatus;
use indices::ResolveOptions;
use oplog::{ByteCount, LogOptions, ShardId, ShardNumber};
use serde_json::json;
use shard::ForceMergeRequest;

use crate::leader_tap::FileRead;
use crate::support::{Disk, FOLLOWER_CLUSTER, Node, caught_up, document, until};

const DOCS: u64 = 600;
/// Reads that are answered before the line is cut: more than the view's files need.
const READS_BEFORE_THE_CUT: usize = 25;

/// A leader whose log has many segments, and a follower that is connected to it.
struct Copying {
    leader: Node,
    follower: Node,
    disk: Disk,
    _leader_disk: Disk,
}

impl Copying {
    async fn start() -> Self {
        let leader_disk = Disk {
            log: LogOptions {
                segment_bytes: ByteCount::from_kib(8),
                ..LogOptions::default()
            },
            ..Disk::new()
        };
        let disk = Disk::new();
        let leader = Node::start("lisbon-cluster", &leader_disk).await;
        leader.create_index("orders", 1).await;
        write(&leader, 0..DOCS).await;
        // It would do so by itself, at some moment of the copy.
        compact(&leader).await;
        let follower = Node::start(FOLLOWER_CLUSTER, &disk).await;
        follower.connect(&leader).await;
        Self {
            leader,
            follower,
            disk,
            _leader_disk: leader_disk,
        }
    }

    /// Begins to follow and waits until the line is cut in the middle of the copy.
    async fn copy_until_cut(&self) {
        self.cut_after(READS_BEFORE_THE_CUT);
        self.follower.begin_follow("orders", "copy").await.unwrap();
        until("the line is cut", || {
            self.leader.tap.file_reads().len() == READS_BEFORE_THE_CUT
                && self.status().is_some_and(|status| status.failure.is_some())
        })
        .await;
    }

    fn cut_after(&self, reads: usize) {
        self.leader
            .tap
            .file_reads_until_cut
            .store(reads, Ordering::SeqCst);
    }

    fn mend(&self) {
        self.cut_after(usize::MAX);
    }

    fn status(&self) -> Option<ShardRecoveryStatus> {
        self.follower
            .ccr
            .recoveries("copy", &ResolveOptions::METADATA)
            .ok()?
            .into_iter()
            .next()
    }

    /// The follower's process dies and comes back.
    async fn restart_follower(self) -> Self {
        self.follower.shutdown().await;
        let follower = Node::start(FOLLOWER_CLUSTER, &self.disk).await;
        Self { follower, ..self }
    }

    async fn caught_up(&self) {
        caught_up(&self.leader, &self.follower, "orders", "copy").await;
        self.follower.shards("copy")[0].verify_log().unwrap();
    }

    /// What was read in the first session and what in the last one.
    fn first_and_last_reads(&self) -> (Vec<FileRead>, Vec<FileRead>) {
        let reads = self.leader.tap.file_reads();
        let of = |read: &FileRead| {
            let same = |other: &&FileRead| other.session_id == read.session_id;
            reads.iter().filter(same).cloned().collect()
        };
        (of(reads.first().unwrap()), of(reads.last().unwrap()))
    }

    fn copied_files(&self) -> Vec<PathBuf> {
        let id = ShardId::new(self.follower.uuid("copy"), ShardNumber::new(0));
        let log = self.follower.indices.shard_dir(&id).join("oplog");
        let entries = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> = entries.filter(|path| is_segment(path)).collect();
        segments.sort();
        segments
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "log")
}

async fn write(leader: &Node, ids: std::ops::Range<u64>) {
    let source = |id: u64| json!({"n": id, "text": format!("{id} ").repeat(100)});
    leader
        .write_all(ids.map(|id| document("orders", id, &source(id))).collect())
        .await;
}

/// Rewrites the log and the search view.
async fn compact(leader: &Node) {
    let request = ForceMergeRequest {
        max_num_segments: Some(1),
        ..ForceMergeRequest::default()
    };
    leader
        .indices
        .force_merge("orders", &ResolveOptions::OPEN, request, true)
        .await
        .unwrap();
}

fn names(reads: &[FileRead]) -> BTreeSet<&str> {
    reads.iter().map(|read| read.file.as_str()).collect()
}

/// Files that every session copies: they may have changed.
fn may_change(name: &str) -> bool {
    [
        "index/meta.json",
        "index/.managed.json",
        "oplog/checkpoint",
        "oplog/live",
    ]
    .contains(&name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_copy_goes_on_with_what_it_lacks() {
    let copying = Copying::start().await;
    copying.copy_until_cut().await;
    copying.mend();
    copying.caught_up().await;

    let (first, last) = copying.first_and_last_reads();
    assert_eq!(first.len(), READS_BEFORE_THE_CUT);
    let (before, after) = (names(&first), names(&last));
    let again: Vec<_> = before
        .intersection(&after)
        .filter(|name| !may_change(name))
        .collect();
    // What was on its way when the line was cut was not whole yet.
    assert!(again.len() <= 1, "copied twice: {again:?}");
    assert!(after.len() > 10, "much was left: {after:?}");
    let status = copying.status().unwrap();
    assert!(status.attempts > 1, "{status:?}");
    assert!(status.files_reused + 5 > READS_BEFORE_THE_CUT, "{status:?}");
    assert_eq!(
        status.bytes_recovered + status.bytes_reused,
        status.bytes_total,
        "{status:?}"
    );
    assert_eq!(
        status.files_recovered + status.files_reused,
        status.files_total,
        "{status:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_goes_on_after_its_node_was_started_again() {
    let copying = Copying::start().await;
    copying.copy_until_cut().await;
    let copying = copying.restart_follower().await;
    copying.mend();
    copying.caught_up().await;
    let (first, last) = copying.first_and_last_reads();
    let (before, after) = (names(&first), names(&last));
    let again: Vec<_> = before
        .intersection(&after)
        .filter(|name| !may_change(name))
        .collect();
    assert!(again.len() <= 1, "copied twice: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_changes_meanwhile_costs_what_changed() {
    let copying = Copying::start().await;
    copying.copy_until_cut().await;
    // New operations, and a log and a view that are rewritten.
    write(&copying.leader, DOCS..DOCS + 20).await;
    compact(&copying.leader).await;
    write(&copying.leader, DOCS + 20..DOCS + 40).await;
    copying.mend();
    copying.caught_up().await;
    let status = copying.status().unwrap();
    assert_eq!(
        status.bytes_recovered + status.bytes_reused,
        status.bytes_total,
        "{status:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_files_were_damaged_meanwhile_begins_anew() {
    let copying = Copying::start().await;
    copying.copy_until_cut().await;
    let copied = copying.copied_files();
    let mut content = std::fs::read(&copied[0]).unwrap();
    // In the operations, which begin after 32 bytes.
    content[100] ^= 1;
    std::fs::write(&copied[0], content).unwrap();
    copying.mend();
    copying.caught_up().await;
    let name = format!("oplog/{}", copied[0].file_name().unwrap().to_str().unwrap());
    let (_, last) = copying.first_and_last_reads();
    assert!(names(&last).contains(name.as_str()), "it was copied again");
}
