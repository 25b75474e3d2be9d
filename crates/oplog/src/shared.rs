//! What callers, committer threads and tickets of one log share.
//!
//! Lock order: `compaction_lock`, `append_lock`, `writer`, `leases`, `state`. Nothing is read from or written to a file under `state`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_listener::Event;
use parking_lot::{Condvar, Mutex};

use crate::committer::CommitterHandle;
use crate::healed::Healed;
use crate::lease::LeaseTable;
use crate::live::LiveTracker;
use crate::log::TermStart;
use crate::open_entries::OpenEntries;
use crate::sealed::SealedSegment;
use crate::segment::SegmentHeader;
use crate::writer::Writer;
use crate::{Clock, Frame, HistoryUuid, LogError, LogOptions, PrimaryTerm, SeqNo, Storage, StorageFile};

/// An appended frame that is not in the file yet.
#[derive(Debug)]
pub(crate) struct PendingFrame {
    pub(crate) frame: Frame,
    /// The checksum of the operation it supersedes, to be able to take the frame back out of the live set.
    pub(crate) superseded_checksum: Option<u64>,
}

/// Whether the log waits in the committer's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    Idle,
    Queued,
    Running,
    /// Something came up while it was running: queue it again afterwards.
    RunningAgain,
}

/// The open segment as readers see it.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) entries: OpenEntries,
    /// The end of the last frame that has an entry.
    pub(crate) length: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) poisoned: Option<Arc<str>>,
    pub(crate) closed: bool,
    pub(crate) schedule: Schedule,
    /// Frames that the committer is writing now, followed without a gap by `pending`.
    pub(crate) writing: Arc<Vec<PendingFrame>>,
    pub(crate) pending: Vec<PendingFrame>,
    /// Bytes of `writing` and `pending`.
    pub(crate) pending_bytes: u64,
    pub(crate) max_seq_no: Option<SeqNo>,
    /// The last operation that is in the file; everything up to it is in `active` or `sealed`.
    pub(crate) written: Option<SeqNo>,
    /// Somebody waits until this is durable.
    pub(crate) sync_wanted: Option<SeqNo>,
    pub(crate) sealed: Arc<Vec<Arc<SealedSegment>>>,
    pub(crate) active: ActiveSegment,
    pub(crate) tracker: LiveTracker,
    pub(crate) updates: Option<SeqNo>,
    /// `updates` as of `written`.
    pub(crate) updates_written: Option<SeqNo>,
    pub(crate) terms: Vec<TermStart>,
    pub(crate) primary_term: PrimaryTerm,
    pub(crate) min_retained: SeqNo,
    /// What heals have left behind. Also in its own file, which is as durable as the frames.
    pub(crate) healed: Option<Arc<Healed>>,
}

impl State {
    pub(crate) fn next_seq_no(&self) -> u64 {
        SeqNo::to_plus_one(self.max_seq_no)
    }

    /// The operation after the last one.
    pub(crate) fn next(&self) -> SeqNo {
        SeqNo::new(self.next_seq_no())
    }

    /// The frame in memory, if it is not in the file yet.
    pub(crate) fn in_memory(&self, seq_no: SeqNo) -> Option<&PendingFrame> {
        let first = self
            .writing
            .first()
            .or_else(|| self.pending.first())?
            .frame
            .seq_no();
        let place = usize::try_from(seq_no.get().checked_sub(first.get())?).ok()?;
        match place.checked_sub(self.writing.len()) {
            None => self.writing.get(place),
            Some(place) => self.pending.get(place),
        }
    }

    pub(crate) fn check_usable(&self) -> Result<(), LogError> {
        if let Some(reason) = &self.poisoned {
            return Err(LogError::Poisoned {
                reason: reason.clone(),
            });
        }
        if self.closed {
            Err(LogError::Closed)
        } else {
            Ok(())
        }
    }

    /// The live set as of the last written operation: what is only in memory is taken back.
    pub(crate) fn written_tracker(&self) -> LiveTracker {
        let mut tracker = self.tracker.clone();
        let written = SeqNo::to_plus_one(self.written);
        let in_memory = self.pending.iter().rev().chain(self.writing.iter().rev());
        for pending in in_memory.take_while(|pending| pending.frame.seq_no().get() >= written) {
            tracker.undo(&pending.frame, pending.superseded_checksum);
        }
        tracker
    }
}

#[derive(Debug)]
pub(crate) struct Leases {
    pub(crate) table: LeaseTable,
    /// A renewal is not in the file yet. Losing one retains more, so it is written with the next change or flush.
    pub(crate) dirty: bool,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) committer: CommitterHandle,
    pub(crate) history_uuid: HistoryUuid,
    /// Appends one after another, so that what they look up outside of `state` stays right.
    pub(crate) append_lock: Mutex<()>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) state: Mutex<State>,
    pub(crate) leases: Mutex<Leases>,
    /// Held by whoever rewrites segments, or must not see them rewritten.
    pub(crate) compaction_lock: Mutex<()>,
    /// Notified when `pending_bytes` goes down.
    pub(crate) room: Condvar,
    /// Notified when `written` or `durable` goes up, and when the log is poisoned or closed.
    pub(crate) progress: Event,
    /// `written` plus one, for waiting without the lock.
    pub(crate) written: AtomicU64,
    /// The durable checkpoint plus one. Advanced by the writer after an fsync alone.
    pub(crate) durable: AtomicU64,
    pub(crate) sync_interval_millis: AtomicU64,
}

impl Shared {
    pub(crate) fn durable_checkpoint(&self) -> Option<SeqNo> {
        SeqNo::from_plus_one(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn sync_interval(&self) -> Duration {
        Duration::from_millis(self.sync_interval_millis.load(Ordering::Relaxed))
    }

    /// Whether no operation is gone.
    pub(crate) fn is_dense(&self) -> bool {
        self.state.lock().sealed.iter().all(|segment| segment.is_dense())
    }

    /// Puts the log into the committer's queue, unless it is there.
    pub(crate) fn schedule(self: &Arc<Self>, state: &mut State) {
        match state.schedule {
            Schedule::Idle => {
                state.schedule = Schedule::Queued;
                self.committer.submit(self.clone());
            }
            Schedule::Running => state.schedule = Schedule::RunningAgain,
            Schedule::Queued | Schedule::RunningAgain => {}
        }
    }

    /// What a committer thread does with a log from its queue.
    pub(crate) fn process(self: &Arc<Self>) {
        self.state.lock().schedule = Schedule::Running;
        let wake = {
            let mut writer = self.writer.lock();
            let result = writer.commit(self, false);
            result.map_or_else(
                |error| {
                    self.poison(&error);
                    None
                },
                |()| writer.next_wake(self),
            )
        };
        let mut state = self.state.lock();
        let again = state.schedule == Schedule::RunningAgain;
        state.schedule = Schedule::Idle;
        if again {
            self.schedule(&mut state);
        }
        drop(state);
        if let Some(due) = wake {
            self.committer.wake_at(due, self);
        }
    }

    /// Refuses every further change and answers everyone who waits.
    pub(crate) fn poison(&self, error: &LogError) {
        let mut state = self.state.lock();
        if matches!(error, LogError::Closed | LogError::Poisoned { .. }) || state.poisoned.is_some() {
            return;
        }
        let reason = describe(error);
        tracing::error!(dir = %self.dir.display(), reason, "operation log is poisoned until it is opened again");
        state.poisoned = Some(reason.into());
        drop(state);
        self.room.notify_all();
        self.progress.notify(usize::MAX);
    }

    /// Stops all work on the log without writing anything more.
    pub(crate) fn abandon(&self) {
        self.state.lock().closed = true;
        self.room.notify_all();
        self.progress.notify(usize::MAX);
        // After this no committer thread is inside a write of this log.
        drop(self.writer.lock());
    }
}

fn describe(error: &LogError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}
