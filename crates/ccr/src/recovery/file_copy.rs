//! What is under way of a shard's files: the chunks that are missing, and how much of a file is there without a gap.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use es_exception::Exception;
use parking_lot::Mutex;
use transport::RecoveryFile;

use super::files::{StagedFile, StagingDir};
use crate::blocking::blocking;

/// After so many bytes of a file what was copied is made durable, so that another attempt need not copy it again.
const BYTES_BETWEEN_SAVES: u64 = 64 << 20;
/// And after so long: over a slow line, so many bytes are hours of copying, and a process may die at any time.
const TIME_BETWEEN_SAVES: Duration = Duration::from_secs(5);

/// Most requests of a batch: what small files may add to the calls under way.
const MOST_OF_A_BATCH: usize = 16;

/// A range of a file that one request asks for. Of an empty file there is one, which is empty.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) file: Arc<FileCopy>,
    pub(super) range: Range<u64>,
}

/// All chunks of `files` that are missing, in order and in batches. A batch is one chunk, or several ends and small files that are together no
/// larger than one: over a long line each of them takes a round trip, so one after the other they would leave it empty.
pub(super) fn batches(files: &[Arc<FileCopy>], chunk_size: u64) -> impl Iterator<Item = Vec<Chunk>> {
    let mut chunks = files
        .iter()
        .flat_map(move |file| chunks(file, chunk_size))
        .peekable();
    std::iter::from_fn(move || {
        let mut batch = vec![chunks.next()?];
        let mut room = chunk_size.saturating_sub(length(&batch[0]));
        while batch.len() < MOST_OF_A_BATCH
            && let Some(chunk) = chunks.next_if(|chunk| length(chunk) <= room)
        {
            room -= length(&chunk);
            batch.push(chunk);
        }
        Some(batch)
    })
}

fn chunks(file: &Arc<FileCopy>, chunk_size: u64) -> impl Iterator<Item = Chunk> + use<> {
    let (file, start, end) = (Arc::clone(file), file.reused, file.wanted.length);
    let count = match end {
        0 => 1,
        end => (end - start).div_ceil(chunk_size),
    };
    (0..count).map(move |number| {
        let offset = start + number * chunk_size;
        Chunk {
            file: Arc::clone(&file),
            range: offset..end.min(offset + chunk_size),
        }
    })
}

fn length(chunk: &Chunk) -> u64 {
    chunk.range.end - chunk.range.start
}

/// Makes durable what is there of files whose copy failed, so that the next attempt goes on from it. Failing to is no second failure.
pub(super) async fn break_off(files: &[Arc<FileCopy>]) {
    for file in files {
        if let Err(error) = file.break_off().await {
            tracing::debug!(file = %file.wanted.name, %error, "what was copied of a file was not kept");
        }
    }
}

/// A file that is being copied, by chunks that arrive in any order.
#[derive(Debug)]
pub(super) struct FileCopy {
    pub(super) wanted: RecoveryFile,
    /// What an earlier attempt copied: so many of its first bytes.
    pub(super) reused: u64,
    staging: StagingDir,
    /// Open from the first chunk until the last.
    staged: tokio::sync::Mutex<Option<StagedFile>>,
    landed: Mutex<Landed>,
}

impl FileCopy {
    /// `now` is of the clock that [`landed`](Self::landed) is given.
    pub(super) fn new(wanted: RecoveryFile, staging: &StagingDir, now: Duration) -> Self {
        let reused = staging.durable(&wanted);
        Self {
            landed: Mutex::new(Landed::from(reused, now)),
            staged: tokio::sync::Mutex::default(),
            staging: staging.clone(),
            wanted,
            reused,
        }
    }

    /// The file to write to.
    pub(super) async fn staged(&self) -> Result<StagedFile, Exception> {
        let mut staged = self.staged.lock().await;
        if let Some(file) = &*staged {
            return Ok(file.clone());
        }
        let (staging, wanted) = (self.staging.clone(), self.wanted.clone());
        let file = blocking(move || staging.open_file(&wanted)).await?;
        *staged = Some(file.clone());
        Ok(file)
    }

    /// Notes that a part was written, and makes durable what is due. Answers whether the file is complete.
    pub(super) async fn landed(&self, range: Range<u64>, now: Duration) -> Result<bool, Exception> {
        let due = self.landed.lock().add(range, self.wanted.length, now);
        if let Some(end) = due {
            self.save(end).await?;
        }
        let is_complete = due == Some(self.wanted.length);
        if is_complete {
            *self.staged.lock().await = None;
        }
        Ok(is_complete)
    }

    /// Makes durable what is there without a gap: the attempt ends here, and the next one shall go on from it.
    async fn break_off(&self) -> Result<(), Exception> {
        let rest = self.landed.lock().rest();
        match rest {
            Some(end) => self.save(end).await,
            None => Ok(()),
        }
    }

    async fn save(&self, end: u64) -> Result<(), Exception> {
        let staged = self.staged().await?;
        let (staging, wanted) = (self.staging.clone(), self.wanted.clone());
        blocking(move || staging.save(&wanted, &staged, end)).await?;
        self.landed.lock().saved(end);
        Ok(())
    }
}

/// Which bytes of a file are there.
#[derive(Debug)]
struct Landed {
    /// The first bytes without a gap.
    prefix: u64,
    /// Up to where somebody was told to save, and when.
    due: u64,
    due_at: Duration,
    /// Up to where it was saved.
    saved: u64,
    /// What came before something in front of it: start and end.
    beyond: BTreeMap<u64, u64>,
}

impl Landed {
    fn from(saved: u64, now: Duration) -> Self {
        Self {
            prefix: saved,
            due: saved,
            due_at: now,
            saved,
            beyond: BTreeMap::new(),
        }
    }

    /// Notes a range. Answers up to where the file should be made durable now, if it should.
    fn add(&mut self, range: Range<u64>, length: u64, now: Duration) -> Option<u64> {
        self.beyond.insert(range.start, range.end);
        while let Some(end) = self.beyond.remove(&self.prefix) {
            self.prefix = end;
        }
        let is_overdue = self.prefix > self.due && now.saturating_sub(self.due_at) >= TIME_BETWEEN_SAVES;
        let is_due = self.prefix == length || self.prefix - self.due >= BYTES_BETWEEN_SAVES || is_overdue;
        is_due.then(|| {
            (self.due, self.due_at) = (self.prefix, now);
            self.due
        })
    }

    fn saved(&mut self, end: u64) {
        self.saved = self.saved.max(end);
    }

    /// What is there and was not saved.
    fn rest(&self) -> Option<u64> {
        (self.prefix > self.saved).then_some(self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = 100;

    fn staging() -> (tempfile::TempDir, StagingDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let staging = StagingDir::prepare(&dir.path().join("shard"), &[]).expect("prepare");
        (dir, staging)
    }

    fn file(name: &str, length: u64, reused: u64, staging: &StagingDir) -> Arc<FileCopy> {
        let wanted = RecoveryFile {
            name: name.to_owned(),
            length,
            content_id: Some(1),
            pieces: None,
        };
        Arc::new(FileCopy {
            reused,
            ..FileCopy::new(wanted, staging, Duration::ZERO)
        })
    }

    #[test]
    fn small_files_and_ends_of_files_share_a_batch() {
        let (_dir, staging) = staging();
        let files = [
            ("large", 250, 0),
            ("empty", 0, 0),
            ("small", 30, 0),
            ("begun", 210, 120),
            ("there", 40, 40),
            ("last", 20, 0),
        ];
        let files = files.map(|(name, length, reused)| file(name, length, reused, &staging));
        let batches: Vec<Vec<_>> = batches(&files, CHUNK)
            .map(|batch| {
                let shown = batch
                    .iter()
                    .map(|chunk| (chunk.file.wanted.name.clone(), chunk.range.clone()));
                shown.collect()
            })
            .collect();
        let chunk = |name: &str, range| (name.to_owned(), range);
        assert_eq!(
            batches,
            [
                vec![chunk("large", 0..100)],
                vec![chunk("large", 100..200)],
                vec![
                    chunk("large", 200..250),
                    chunk("empty", 0..0),
                    chunk("small", 0..30)
                ],
                vec![chunk("begun", 120..210)],
                vec![chunk("last", 0..20)],
            ]
        );
    }

    #[test]
    fn a_batch_has_a_bounded_number_of_requests() {
        let (_dir, staging) = staging();
        let files: Vec<_> = (0..40)
            .map(|number| file(&format!("f{number}"), 1, 0, &staging))
            .collect();
        let sizes: Vec<_> = batches(&files, CHUNK).map(|batch| batch.len()).collect();
        assert_eq!(sizes, [16, 16, 8]);
    }

    #[test]
    fn only_bytes_without_a_gap_are_saved() {
        let mut landed = Landed::from(10, Duration::ZERO);
        let length = 4 * BYTES_BETWEEN_SAVES;
        assert_eq!(landed.add(20..30, length, Duration::ZERO), None);
        assert_eq!(landed.rest(), None, "a gap is before it");
        assert_eq!(landed.add(10..20, length, Duration::ZERO), None);
        assert_eq!(landed.rest(), Some(30));
        let far = 30 + BYTES_BETWEEN_SAVES;
        assert_eq!(landed.add(40..far, length, Duration::ZERO), None);
        assert_eq!(
            landed.add(30..40, length, Duration::ZERO),
            Some(far),
            "so much is due"
        );
        assert_eq!(
            landed.add(far..far + 5, length, Duration::ZERO),
            None,
            "and is due once"
        );
        assert_eq!(landed.rest(), Some(far + 5), "it was not saved yet");
        landed.saved(far + 5);
        assert_eq!(landed.rest(), None);
        assert_eq!(
            landed.add(far + 5..length, length, Duration::ZERO),
            Some(length),
            "the end is due"
        );
        assert_eq!(
            Landed::from(0, Duration::ZERO).add(0..0, 0, Duration::ZERO),
            Some(0),
            "an empty file is complete"
        );
    }

    #[test]
    fn a_slow_copy_is_saved_from_time_to_time() {
        let at = Duration::from_secs;
        let mut landed = Landed::from(0, at(100));
        assert_eq!(landed.add(0..10, 1_000, at(104)), None);
        assert_eq!(landed.add(10..20, 1_000, at(105)), Some(20));
        assert_eq!(landed.add(20..30, 1_000, at(109)), None);
        assert_eq!(
            landed.add(40..50, 1_000, at(110)),
            Some(30),
            "what comes behind a gap reminds of it"
        );
        assert_eq!(
            landed.add(50..60, 1_000, at(120)),
            None,
            "nothing more is there without a gap"
        );
    }
}
