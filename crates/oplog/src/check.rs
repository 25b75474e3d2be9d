//! Verifying the files of a log that is not open, without changing any of them.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::atomic_file::TEMPORARY_SUFFIX;
use crate::checkpoint::{CHECKPOINT_NAME, Checkpoint};
use crate::heal::{JOURNAL_NAME, Journal, staged_name};
use crate::healed::{HEALED_NAME, Healed};
use crate::lease_file::{self, LEASES_NAME};
use crate::live_file::{LIVE_NAME, LiveFile};
use crate::scan::{Item, Scanner, read_header};
use crate::sealed::SealedSegment;
use crate::segment::{Encoding, HEADER_LENGTH, index_name, log_name, parse_log_name};
use crate::{Digest, Frame, LiveSet, LogError, OperationKind, SeqNo, Storage};

/// Verifies every byte of the log in `dir` and changes nothing. The log must not be open. Reads the segments twice.
///
/// # Errors
/// [`LogError::NotFound`] when `dir` has no files, [`LogError::Io`] when the medium fails. Damage is in the report.
pub fn check(storage: &dyn Storage, dir: &Path) -> Result<CheckReport, LogError> {
    Check::new(storage, dir)?.run()
}

pub use report::{CheckReport, CheckedCheckpoint, FileCheck, Problem};

struct Check<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    files: BTreeMap<String, FileCheck>,
    min_retained: SeqNo,
    healed: Option<Healed>,
    /// The segments of a heal that is to be finished, and the names that they have until then.
    staged: BTreeMap<SeqNo, String>,
    /// The operation that comes next.
    next: SeqNo,
    live: LiveSet,
    /// The live set as of the operation that the live file is valid through, when that is passed.
    live_then: Option<LiveSet>,
    report: CheckReport,
}

impl<'a> Check<'a> {
    fn new(storage: &'a dyn Storage, dir: &'a Path) -> Result<Self, LogError> {
        let names = match storage.list(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|source| LogError::io("list", dir, source))?,
        };
        if names.is_empty() {
            return Err(LogError::NotFound { dir: dir.to_owned() });
        }
        let mut files = BTreeMap::new();
        for name in names {
            let path = dir.join(&name);
            let length = storage.open(&path).and_then(|file| file.len());
            let length = length.map_err(|source| LogError::io("read", path, source))?;
            let problems = if name.ends_with(TEMPORARY_SUFFIX) {
                vec![Problem::Leftover]
            } else {
                Vec::new()
            };
            files.insert(
                name.clone(),
                FileCheck {
                    name,
                    length,
                    problems,
                },
            );
        }
        Ok(Self {
            storage,
            dir,
            files,
            min_retained: SeqNo::ZERO,
            healed: None,
            staged: BTreeMap::new(),
            next: SeqNo::ZERO,
            live: LiveSet::new(),
            live_then: None,
            report: CheckReport::default(),
        })
    }

    fn note(&mut self, name: &str, problem: Problem) {
        let absent = || FileCheck {
            name: name.to_owned(),
            length: 0,
            problems: Vec::new(),
        };
        let file = self.files.entry(name.to_owned()).or_insert_with(absent);
        if !file.problems.contains(&problem) {
            file.problems.push(problem);
        }
    }

    /// Takes what was loaded; damage goes into the report.
    fn loaded<T>(
        &mut self,
        name: &str,
        result: Result<Option<T>, LogError>,
        problem: impl Fn(u64, Option<SeqNo>, String) -> Problem,
    ) -> Result<Option<T>, LogError> {
        match result {
            Err(LogError::Corrupt {
                offset,
                seq_no,
                reason,
                ..
            }) => {
                self.note(name, problem(offset, seq_no, reason));
                Ok(None)
            }
            Err(error @ LogError::UnsupportedFormat { .. }) => {
                self.note(name, Problem::damaged(0, None, error.to_string()));
                Ok(None)
            }
            other => other,
        }
    }

    fn run(mut self) -> Result<CheckReport, LogError> {
        let journal = Journal::load(self.storage, self.dir);
        let journal = self.loaded(JOURNAL_NAME, journal, Problem::damaged)?;
        let checkpoint = Checkpoint::load(self.storage, self.dir);
        let checkpoint = self.loaded(CHECKPOINT_NAME, checkpoint, Problem::damaged)?;
        if checkpoint.is_none() && !self.files.contains_key(CHECKPOINT_NAME) {
            self.note(CHECKPOINT_NAME, Problem::damaged(0, None, "it is missing"));
        }
        let leases = lease_file::load(self.storage, self.dir);
        self.report.retention_leases = self.loaded(LEASES_NAME, leases, Problem::damaged)?;
        let live = LiveFile::load(self.storage, self.dir);
        let live = self.loaded(LIVE_NAME, live, |_, _, reason| Problem::rebuilt(reason))?;
        let is_healed = checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.is_healed);
        let healed = Healed::load_expected(self.storage, self.dir, is_healed);
        self.healed = self.loaded(HEALED_NAME, healed, Problem::damaged)?;
        let (checkpoint, live) = match journal {
            Some(journal) => self.after_heal(journal),
            None => (checkpoint, live),
        };
        self.report.checkpoint = checkpoint.as_ref().map(|checkpoint| CheckedCheckpoint {
            durable: checkpoint.durable,
            min_retained: checkpoint.min_retained,
            history_uuid: checkpoint.history_uuid.clone(),
            primary_term: checkpoint.primary_term,
        });
        let known_durable = checkpoint
            .as_ref()
            .and_then(|checkpoint| checkpoint.durable)
            .max(live.as_ref().and_then(|live| live.valid_through));
        // Without a checkpoint nothing says what may be gone.
        self.min_retained = checkpoint.map_or(SeqNo::new(u64::MAX), |checkpoint| checkpoint.min_retained);
        self.segments(known_durable, live.as_ref())?;
        self.digests(live.as_ref())?;
        self.report.files = self.files.into_values().collect();
        Ok(self.report)
    }

    /// Looks at the log as it will be when the heal is finished.
    fn after_heal(&mut self, journal: Journal) -> (Option<Checkpoint>, Option<LiveFile>) {
        self.note(JOURNAL_NAME, Problem::UnfinishedHeal);
        for first in journal.staged {
            let staged = staged_name(first);
            let name = match self.files.contains_key(&staged) {
                true => staged,
                false => log_name(first),
            };
            self.staged.insert(first, name);
        }
        self.healed = Some(journal.healed);
        (Some(journal.checkpoint), Some(journal.live))
    }

    fn firsts(&self) -> Vec<SeqNo> {
        let named = self.files.keys().filter_map(|name| parse_log_name(name));
        let firsts: BTreeSet<SeqNo> = named.chain(self.staged.keys().copied()).collect();
        firsts.into_iter().collect()
    }

    /// The file of a segment.
    fn name_of(&self, first: SeqNo) -> String {
        self.staged
            .get(&first)
            .cloned()
            .unwrap_or_else(|| log_name(first))
    }

    /// Whether the segment is the one that is written, given the last of all: a staged one is not.
    fn is_open(&self, first: SeqNo, last_first: SeqNo) -> bool {
        first == last_first && !self.staged.contains_key(&first)
    }

    fn segments(&mut self, known_durable: Option<SeqNo>, live: Option<&LiveFile>) -> Result<(), LogError> {
        let firsts = self.firsts();
        let Some(last_first) = firsts.last().copied() else {
            self.note(
                &log_name(SeqNo::ZERO),
                Problem::damaged(0, known_durable, "there are no segments"),
            );
            return Ok(());
        };
        let mut expected = SeqNo::ZERO;
        for first in firsts {
            let name = self.name_of(first);
            if first < expected {
                self.note(&name, Problem::Leftover);
                self.leftover_index(first);
                continue;
            }
            if first > expected {
                self.note(
                    &log_name(expected),
                    Problem::damaged(0, Some(expected), "the segment is missing"),
                );
                self.next = self.next.max(first);
            }
            let end = self.segment(
                first,
                self.is_open(first, last_first),
                known_durable,
                &mut |check, frame| {
                    check.visit(frame, first, live);
                },
            );
            expected = match end {
                Ok(after) => {
                    self.pass_to(after, first);
                    after
                }
                Err(LogError::Corrupt {
                    offset,
                    seq_no,
                    reason,
                    ..
                }) => {
                    self.note(&name, Problem::damaged(offset, seq_no, reason));
                    self.skip_damaged(first)
                }
                Err(error @ LogError::UnsupportedFormat { .. }) => {
                    self.note(&name, Problem::damaged(0, Some(first), error.to_string()));
                    self.skip_damaged(first)
                }
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Goes on to `to`: what the log does not hold before it must be allowed to be gone.
    fn pass_to(&mut self, to: SeqNo, segment: SeqNo) {
        let missing = to
            .checked_prev()
            .filter(|last| *last >= self.next && *last >= self.min_retained);
        if missing.is_some() {
            let first_missing = self.next.max(self.min_retained);
            let reason = format!(
                "it is missing, although everything from {} on is retained",
                self.min_retained
            );
            self.note(
                &self.name_of(segment),
                Problem::damaged(0, Some(first_missing), reason),
            );
        }
        self.next = self.next.max(to);
    }

    /// Where the next segment begins cannot be told from a damaged one; the next file says so.
    fn skip_damaged(&mut self, first: SeqNo) -> SeqNo {
        let next = self.firsts().into_iter().find(|next| *next > first);
        let expected = next.unwrap_or(first);
        self.next = self.next.max(expected);
        expected
    }

    fn leftover_index(&mut self, first: SeqNo) {
        let name = index_name(first);
        if self.files.contains_key(&name) {
            self.note(&name, Problem::Leftover);
        }
    }

    /// Reads a segment whole. Answers the operation after those that it stands for.
    fn segment(
        &mut self,
        first: SeqNo,
        is_open: bool,
        known_durable: Option<SeqNo>,
        visit: &mut dyn FnMut(&mut Self, &Frame),
    ) -> Result<SeqNo, LogError> {
        let name = self.name_of(first);
        let path = self.dir.join(&name);
        let io = |source| LogError::io("read", path.clone(), source);
        let file = self.storage.open(&path).map_err(io)?;
        let length = file.len().map_err(io)?;
        let header = match read_header(&*file, &path, first, length) {
            Err(LogError::Corrupt { .. })
                if is_open
                    && length <= HEADER_LENGTH as u64
                    && known_durable < Some(first)
                    && first > SeqNo::ZERO =>
            {
                self.note(
                    &name,
                    Problem::TornTail {
                        offset: 0,
                        bytes: length,
                    },
                );
                return Ok(first);
            }
            other => other?,
        };
        if header.encoding == Encoding::Blocks {
            if is_open {
                let reason = "the open segment, which follows it, is missing";
                return Err(LogError::corrupt(path, length, None, reason));
            }
            return self.block_segment(&path, first, length, visit);
        }
        let mut scanner = Scanner::new(&*file, &path, header, length);
        let mut entries = 0_u64;
        let mut end = HEADER_LENGTH as u64;
        let (offset, reason) = loop {
            let expected = SeqNo::new(first.get() + entries);
            match scanner.next()? {
                Item::Frame { offset, frame } if frame.seq_no() == expected => {
                    entries += 1;
                    end = offset + frame.len() as u64;
                    visit(self, &frame);
                }
                Item::Frame { offset, frame } => {
                    break (offset, format!("found operation {} instead", frame.seq_no()));
                }
                Item::Bad { offset, reason } => break (offset, reason),
                Item::End => break (length, "the file ends".to_owned()),
            }
        };
        let expected = SeqNo::new(first.get() + entries);
        let damaged = if is_open {
            known_durable >= Some(expected) || offset < length && scanner.marker_after(offset)?
        } else {
            offset < length || entries == 0
        };
        if damaged {
            return Err(LogError::corrupt(path, offset, Some(expected), reason));
        }
        if is_open && end < length {
            let bytes = length - end;
            self.note(&name, Problem::TornTail { offset: end, bytes });
        }
        if is_open {
            self.leftover_index(first);
        } else {
            self.index_file(first, entries, length)?;
        }
        Ok(expected)
    }

    /// A plain segment is opened by its index, which is written again when it does not fit.
    fn index_file(&mut self, first: SeqNo, count: u64, length: u64) -> Result<(), LogError> {
        let name = index_name(first);
        match SealedSegment::open_by_index(self.storage, self.dir, first)? {
            None => self.note(
                &name,
                Problem::rebuilt("it is missing or does not belong to the segment"),
            ),
            Some(segment) if segment.count() != count || segment.file_length() != length => {
                let reason = format!(
                    "it tells of {} operations in {} bytes, the segment has {count} in {length}",
                    segment.count(),
                    segment.file_length()
                );
                if segment.file_length() > length {
                    self.note(
                        &log_name(first),
                        Problem::damaged(length, None, "the sealed segment is cut off"),
                    );
                }
                self.note(&name, Problem::rebuilt(reason));
            }
            Some(segment) => {
                if !segment.has_good_entries() {
                    self.note(&name, Problem::rebuilt("a page of entries is damaged"));
                }
            }
        }
        Ok(())
    }

    fn block_segment(
        &mut self,
        path: &Path,
        first: SeqNo,
        length: u64,
        visit: &mut dyn FnMut(&mut Self, &Frame),
    ) -> Result<SeqNo, LogError> {
        let segment = SealedSegment::open_blocks(self.storage, self.dir, path, first)?;
        debug_assert_eq!(segment.file_length(), length);
        let mut position = 0;
        while position < segment.count() as usize {
            let frames = segment.frames(position, FRAMES_AT_ONCE, u64::MAX)?;
            if frames.is_empty() {
                let reason = "fewer operations than its trailer says";
                return Err(LogError::corrupt(path, 0, Some(first), reason));
            }
            position += frames.len();
            for frame in &frames {
                visit(self, frame);
            }
        }
        if !segment.has_good_entries() {
            self.note(
                &self.name_of(first),
                Problem::rebuilt("a page of entries is damaged"),
            );
        }
        self.leftover_index(first);
        segment
            .last()
            .checked_next()
            .ok_or_else(|| LogError::corrupt(path, 0, None, "the log is full"))
    }

    fn visit(&mut self, frame: &Frame, segment: SeqNo, live: Option<&LiveFile>) {
        self.pass_to(frame.seq_no(), segment);
        self.next = SeqNo::new(frame.seq_no().get() + 1);
        if self.live_then.is_none() && live.is_some_and(|live| Some(frame.seq_no()) > live.valid_through) {
            self.live_then = Some(self.live.clone());
        }
        if let Some(superseded) = frame.superseded() {
            self.live.remove(superseded);
        }
        if frame.kind() == OperationKind::Index {
            self.live.insert(frame.seq_no());
        }
        self.report.operations += 1;
        self.report.max_seq_no = Some(frame.seq_no());
    }

    /// Computes the digest by a second reading, and compares the live file with what the operations say.
    fn digests(&mut self, live: Option<&LiveFile>) -> Result<(), LogError> {
        let mut now = std::mem::take(&mut self.live);
        let mut then = self.live_then.take().unwrap_or_else(|| now.clone());
        if let Some(healed) = &self.healed {
            healed.bury(&mut now);
            // A live file of before the heal knows nothing of it.
            if live.is_none_or(|live| live.valid_through >= Some(healed.through())) {
                healed.bury(&mut then);
            }
        }
        let (mut digest, mut digest_then) = (Digest::EMPTY, Digest::EMPTY);
        let damaged = self
            .files
            .values()
            .any(|file| file.problems.iter().any(Problem::is_damage));
        if !damaged {
            let firsts = self.firsts();
            let mut expected = SeqNo::ZERO;
            for first in firsts.iter().copied() {
                if first < expected {
                    continue;
                }
                let is_open = firsts.last().is_some_and(|last| self.is_open(first, *last));
                let end = self.segment(first, is_open, None, &mut |_, frame| {
                    let (seq_no, checksum) = (frame.seq_no(), frame.checksum());
                    if now.contains(seq_no) {
                        digest = digest.with(seq_no, checksum);
                    }
                    if then.contains(seq_no) {
                        digest_then = digest_then.with(seq_no, checksum);
                    }
                })?;
                expected = end;
            }
            if let Some(live) = live.filter(|live| live.live != then || live.digest != digest_then) {
                let reason = format!(
                    "it has {} live operations and digest {}, the operations up to there give {} and {digest_then}",
                    live.live.len(),
                    live.digest,
                    then.len()
                );
                self.note(LIVE_NAME, Problem::damaged(0, live.valid_through, reason));
            }
        }
        self.report.live_count = now.len();
        self.report.digest = digest;
        Ok(())
    }
}

const FRAMES_AT_ONCE: usize = 1024;
