//! A copy that breaks off goes on with what it lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ccr::ShardRecoveryStatus;
use index_meta::SettingValue;
use indices::ResolveOptions;
use oplog::{ByteCount, LogOptions, ShardId, ShardNumber};
use serde_json::json;
use shard::{ForceMergeRequest, SNAPSHOT_PIECE_BYTES};

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
        let copying = Self::start_with(ByteCount::from_kib(8), DOCS).await;
        // It would do so by itself, at some moment of the copy.
        compact(&copying.leader).await;
        copying
    }

    async fn start_with(segment_bytes: ByteCount, docs: u64) -> Self {
        let leader_disk = Disk {
            log: LogOptions {
                segment_bytes,
                ..LogOptions::default()
            },
            ..Disk::new()
        };
        let disk = Disk::new();
        let leader = Node::start("lisbon-cluster", &leader_disk).await;
        leader.create_index("orders", 1).await;
        write(&leader, 0..docs).await;
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
        self.copy_until(READS_BEFORE_THE_CUT).await;
    }

    async fn copy_until(&self, reads: usize) {
        self.cut_after(reads);
        self.follower.begin_follow("orders", "copy").await.unwrap();
        until("the line is cut", || {
            self.leader.tap.file_reads().len() == reads
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_open_segment_goes_on_with_what_it_lacks() {
    const CHUNK: u64 = 64 << 10;
    const OPEN_SEGMENT: &str = "oplog/00000000000000000000.log";
    let copying = Copying::start_with(LogOptions::default().segment_bytes, 4_000).await;
    let shard = &copying.leader.shards("orders")[0];
    shard.refresh().wait().unwrap();
    let files = shard.pin_snapshot().unwrap().files().to_vec();
    let segment = files.iter().find(|file| file.name == OPEN_SEGMENT).unwrap();
    assert!(segment.length > 32 * CHUNK, "{segment:?}");
    let chunks_before = files.iter().take_while(|file| file.name != OPEN_SEGMENT);
    let chunks_before: u64 = chunks_before.map(|file| file.length.div_ceil(CHUNK)).sum();
    let chunk_size = SettingValue::String(CHUNK.to_string() + "b");
    copying
        .follower
        .set("ccr.indices.recovery.chunk_size", chunk_size)
        .await;

    copying
        .copy_until(usize::try_from(chunks_before + 24).unwrap())
        .await;
    write(&copying.leader, 4_000..4_100).await;
    let copying = copying.restart_follower().await;
    copying.mend();
    copying.caught_up().await;

    let (first, last) = copying.first_and_last_reads();
    let of_segment = |reads: &[FileRead]| {
        let reads = reads.iter().filter(|read| read.file == OPEN_SEGMENT);
        reads.map(|read| read.offset).collect::<Vec<_>>()
    };
    let (first, last) = (of_segment(&first), of_segment(&last));
    let copied = first.len() as u64 * CHUNK;
    assert!(copied >= 24 * CHUNK, "{first:?}");
    // Five chunks were on their way, and less than a piece was copied in vain.
    let lost = 5 * CHUNK + SNAPSHOT_PIECE_BYTES as u64;
    let resumed = *last.iter().min().unwrap();
    assert!(
        resumed + lost >= copied,
        "{copied} were copied, and it went on at {resumed}"
    );
}
