//! A delta heal: what a task does when the leader has removed operations that the follower lacks.
//!
//! Everything that the leader still holds is staged beside the follower's copy, then the leader tells what is live, and with both the copy becomes
//! equal to the leader's in one step (`oplog::Log::install_heal` tells why this order is right). The leader keeps no state for a heal. The follower
//! keeps what it staged, so a heal that was cut off goes on where it was: after a failure, and in a new task.
//!
//! One read is under way while what came before it is being staged.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::{ByteCount, Frame, LiveSnapshot, SeqNo};

use crate::answer::check_next_operation_size;
use crate::cursor::after;
use crate::event::{Action, HealOutcome, HealWork};
use crate::ids::{HealId, IdSource};
use crate::ports::{FollowerState, HeldReadRequest, HeldReadResponse, LiveSetResponse, MetadataVersions};
use crate::status::{HealStage, HealStatus};
use crate::time::Timestamp;

/// A heal under way.
#[derive(Debug)]
pub(crate) struct Heal {
    /// The failure that began it: what stays if the leader knows no heal.
    reason: Exception,
    /// Whether the follower has told what is to be staged next; not after a failure of its own.
    begun: bool,
    /// The leader's operations before this are staged.
    staged: SeqNo,
    /// Those before this were received.
    received: SeqNo,
    /// Where the leader ended when it first answered since the heal began, or began again. What came later is read after the live set was asked for:
    /// it ends with that, while the end of a leader that is written to faster than the line carries would never be reached.
    leader_end: Option<SeqNo>,
    /// The leader's global checkpoint as last told.
    leader_checkpoint: Option<SeqNo>,
    snapshot: Option<LiveSnapshot>,
    /// What all answers need.
    versions: MetadataVersions,
    reading: Option<Reading>,
    /// A read from before the heal began again: its answer is not wanted, but comes, and has its memory until then.
    abandoned: Option<Reading>,
    /// An operation that did not fit, and its size.
    large: Option<(SeqNo, u64)>,
    /// An answer that waits to be staged.
    waiting: Option<HeldReadResponse>,
    waiting_bytes: u64,
    staging: Option<Staging>,
    /// The question to the follower or leader that is open: to begin, for the live set, to install.
    asked: Option<(HealId, Question)>,
    not_before: Timestamp,
    failures: u32,
    last_failure: Option<Exception>,
    operations: u64,
    bytes: u64,
    total_failures: u64,
}

#[derive(Debug)]
struct Reading {
    id: HealId,
    request: HeldReadRequest,
    /// Bytes of the node-wide budget set aside for the answer.
    reserved: u64,
}

#[derive(Debug, Clone, Copy)]
struct Staging {
    id: HealId,
    next: SeqNo,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Begin,
    LiveSet,
    Install,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begin,
    /// Read from here to there, included; to the leader's end without one.
    Read(SeqNo, Option<SeqNo>),
    Stage,
    ReadLiveSet,
    Install,
}

/// What became of an answer.
#[derive(Debug)]
pub(crate) enum HealEnd {
    /// The heal does not wait for it.
    Unknown,
    /// The heal goes on.
    GoesOn,
    /// The leader told where it stands, by its clock.
    LeaderStands(Option<SeqNo>, oplog::UnixMillis),
    /// The copy is equal to the leader's.
    Healed(FollowerState),
    /// No retry can help.
    Fatal(Exception),
}

/// Whether a failed read means that the leader has removed operations.
pub(crate) fn is_missing_operations(exception: &Exception) -> bool {
    exception.kind() == ExceptionKind::ResourceNotFound
        && exception.metadata().contains_key(REQUESTED_OPERATIONS_MISSING)
}

/// Source: Elasticsearch's metadata of the exception.
const REQUESTED_OPERATIONS_MISSING: &str = "es.requested_operations_missing";

impl Heal {
    /// A heal of a follower that lacks `applied` and what follows, begun by the failure `reason`.
    pub(crate) fn new(reason: Exception, applied: SeqNo) -> Self {
        Self {
            reason,
            begun: false,
            staged: applied,
            received: applied,
            leader_end: None,
            leader_checkpoint: None,
            snapshot: None,
            versions: MetadataVersions::default(),
            reading: None,
            abandoned: None,
            large: None,
            waiting: None,
            waiting_bytes: 0,
            staging: None,
            asked: None,
            not_before: Timestamp::default(),
            failures: 0,
            last_failure: None,
            operations: 0,
            bytes: 0,
            total_failures: 0,
        }
    }

    /// What may be done at `now`. The follower holds everything before `applied`; `covered` tells whether given versions are applied here.
    pub(crate) fn next(
        &self,
        now: Timestamp,
        covered: impl FnOnce(MetadataVersions) -> bool,
    ) -> Option<Step> {
        if now < self.not_before || self.asked.is_some() {
            return None;
        }
        if !self.begun {
            return Some(Step::Begin);
        }
        if self.waiting.is_some() {
            return self.staging.is_none().then_some(Step::Stage);
        }
        let to = self.snapshot.as_ref().map(|snapshot| snapshot.max_seq_no);
        if self.end().is_none_or(|end| self.received < end) {
            let is_free = self.reading.is_none() && self.abandoned.is_none();
            return is_free.then_some(Step::Read(self.received, to));
        }
        if self.reading.is_some() || self.staging.is_some() {
            return None;
        }
        if to.is_none() {
            return Some(Step::ReadLiveSet);
        }
        covered(self.versions).then_some(Step::Install)
    }

    /// What is to be received before the next step: everything before this. `None` as long as the leader has not answered.
    fn end(&self) -> Option<SeqNo> {
        let snapshot = self.snapshot.as_ref();
        snapshot
            .map(|snapshot| after(Some(snapshot.max_seq_no)))
            .or(self.leader_end)
    }

    /// Does a step, a read within these limits.
    pub(crate) fn take(
        &mut self,
        step: Step,
        read: ReadLimits,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        let id = ids.next();
        let work = match step {
            Step::Begin => {
                self.asked = Some((id, Question::Begin));
                HealWork::Begin
            }
            Step::Read(from, to) => {
                let request = HeldReadRequest {
                    from,
                    to,
                    max_operation_count: read.max_operation_count,
                    max_batch_size: read.max_batch_size,
                    max_response_size: ByteCount::new(read.reserved),
                };
                self.reading = Some(Reading {
                    id,
                    request: request.clone(),
                    reserved: read.reserved,
                });
                HealWork::ReadHeld(request)
            }
            Step::Stage => {
                let Some(HeldReadResponse { frames, next, .. }) = self.waiting.take() else {
                    return;
                };
                let bytes = std::mem::take(&mut self.waiting_bytes);
                self.staging = Some(Staging { id, next, bytes });
                let from = self.staged;
                HealWork::Stage { from, frames, next }
            }
            Step::ReadLiveSet => {
                self.asked = Some((id, Question::LiveSet));
                HealWork::ReadLiveSet
            }
            Step::Install => {
                // Whether it succeeds or not, another attempt needs a newer one.
                let Some(snapshot) = self.snapshot.take() else {
                    return;
                };
                self.asked = Some((id, Question::Install));
                HealWork::Install(Box::new(snapshot))
            }
        };
        actions.push(Action::Heal { id, work });
    }

    /// Takes an answer; `delay` gives the pause for a number of failures in a row.
    pub(crate) fn finish(
        &mut self,
        now: Timestamp,
        id: HealId,
        result: Result<HealOutcome, Exception>,
        delay: impl FnOnce(u32) -> Duration,
    ) -> HealEnd {
        if let Some(reading) = self.reading.take_if(|reading| reading.id == id) {
            return match result {
                Ok(HealOutcome::Held(response)) => self.held(now, &reading.request, response, delay),
                result => self.failed(now, failure(result), delay),
            };
        }
        if self.abandoned.take_if(|reading| reading.id == id).is_some() {
            return HealEnd::GoesOn;
        }
        if let Some(staging) = self.staging.take_if(|staging| staging.id == id) {
            return match result {
                Ok(HealOutcome::Staged(next)) if next == staging.next => {
                    self.staged = next;
                    self.succeeded()
                }
                result => self.begin_again(now, failure(result), delay),
            };
        }
        let Some((_, question)) = self.asked.take_if(|(asked, _)| *asked == id) else {
            return HealEnd::Unknown;
        };
        match (question, result) {
            (Question::Begin, Ok(HealOutcome::Begun(next))) => {
                self.begun = true;
                (self.staged, self.received) = (next, next);
                self.succeeded()
            }
            (Question::LiveSet, Ok(HealOutcome::LiveSet(response))) => self.live_set(now, *response, delay),
            (Question::Install, Ok(HealOutcome::Installed(state))) => HealEnd::Healed(state),
            // Nothing is lost by asking for a live set again.
            (Question::LiveSet, result) => self.failed(now, failure(result), delay),
            (Question::Begin | Question::Install, result) => self.begin_again(now, failure(result), delay),
        }
    }

    fn held(
        &mut self,
        now: Timestamp,
        request: &HeldReadRequest,
        mut response: HeldReadResponse,
        delay: impl FnOnce(u32) -> Duration,
    ) -> HealEnd {
        if let Err(exception) = check_held(request, &mut response) {
            return self.failed(now, exception, delay);
        }
        let stands = HealEnd::LeaderStands(response.global_checkpoint, response.leader_now);
        self.leader_end.get_or_insert(after(response.global_checkpoint));
        self.leader_checkpoint = self.leader_checkpoint.max(response.global_checkpoint);
        self.versions = self.versions.max(response.versions);
        let next_operation_size = response.next_operation_size;
        self.large = next_operation_size.map(|size| (response.next, size.get()));
        if response.next > request.from {
            self.received = response.next;
            self.operations += response.frames.len() as u64;
            self.waiting_bytes = response.frames.iter().map(Frame::estimated_size).sum();
            self.bytes += self.waiting_bytes;
            self.waiting = Some(response);
        } else if next_operation_size.is_none() && self.end() > Some(self.received) {
            // Another copy, which is ahead of the one that answered now, told of more. Without a pause this one would be asked without end.
            let reason = format!(
                "the leader's copy that answered ends before operation {}",
                request.from
            );
            self.failed(
                now,
                Exception::new(ExceptionKind::UnavailableShards, reason),
                delay,
            );
            return stands;
        }
        self.succeeded();
        stands
    }

    fn live_set(
        &mut self,
        now: Timestamp,
        response: LiveSetResponse,
        delay: impl FnOnce(u32) -> Duration,
    ) -> HealEnd {
        let LiveSetResponse {
            snapshot,
            versions,
            leader_now,
        } = response;
        if after(Some(snapshot.max_seq_no)) < self.staged {
            let reason = format!(
                "the leader's copy that told what is live ends with operation {}, and operations before {} were received",
                snapshot.max_seq_no, self.staged
            );
            return self.failed(
                now,
                Exception::new(ExceptionKind::UnavailableShards, reason),
                delay,
            );
        }
        let stands = HealEnd::LeaderStands(Some(snapshot.max_seq_no), leader_now);
        self.versions = self.versions.max(versions);
        self.snapshot = Some(snapshot);
        self.succeeded();
        stands
    }

    fn succeeded(&mut self) -> HealEnd {
        self.failures = 0;
        self.last_failure = None;
        HealEnd::GoesOn
    }

    /// What was received stays; the step is done again after a pause.
    fn failed(
        &mut self,
        now: Timestamp,
        exception: Exception,
        delay: impl FnOnce(u32) -> Duration,
    ) -> HealEnd {
        if exception.kind() == ExceptionKind::Unsupported {
            return HealEnd::Fatal(self.reason.clone().with_cause(exception));
        }
        if !exception.is_retryable() {
            return HealEnd::Fatal(exception);
        }
        self.failures = self.failures.saturating_add(1);
        self.total_failures = self.total_failures.saturating_add(1);
        self.not_before = now.after(delay(self.failures));
        self.last_failure = Some(exception);
        HealEnd::GoesOn
    }

    /// The follower is asked again what is to be staged next, and the leader what is live.
    fn begin_again(
        &mut self,
        now: Timestamp,
        exception: Exception,
        delay: impl FnOnce(u32) -> Duration,
    ) -> HealEnd {
        self.begun = false;
        self.snapshot = None;
        self.leader_end = None;
        self.abandoned = self.reading.take().or(self.abandoned.take());
        self.waiting = None;
        self.waiting_bytes = 0;
        self.failed(now, exception, delay)
    }

    /// Bytes held, and set aside for an answer to come.
    pub(crate) fn used_bytes(&self) -> u64 {
        let reading = self.reading.iter().chain(&self.abandoned);
        let reading: u64 = reading.map(|reading| reading.reserved).sum();
        let staging = self.staging.map_or(0, |staging| staging.bytes);
        reading + self.waiting_bytes + staging
    }

    /// An operation that did not fit, once: the read that begins with it needs so many bytes.
    pub(crate) fn take_large(&mut self) -> Option<(SeqNo, u64)> {
        self.large.take()
    }

    /// Versions that must be applied here before the end.
    pub(crate) fn versions(&self) -> MetadataVersions {
        self.versions
    }

    /// Whether something is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.reading.is_some() || self.abandoned.is_some() || self.staging.is_some() || self.asked.is_some()
    }

    /// Why it failed last, if nothing has succeeded since.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        self.last_failure.as_ref()
    }

    /// When a pause is over, if there is one.
    pub(crate) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.not_before).filter(|time| *time > now)
    }

    /// What it shows of itself.
    pub(crate) fn status(&self, applied: SeqNo, writes_are_out: bool) -> HealStatus {
        let stage = match self.asked {
            _ if writes_are_out => HealStage::WaitingForWrites,
            Some((_, Question::LiveSet)) => HealStage::ReadingLiveSet,
            Some((_, Question::Install)) => HealStage::Installing,
            _ => HealStage::ReadingOperations,
        };
        let snapshot = self.snapshot.as_ref().map(|snapshot| snapshot.max_seq_no);
        HealStatus {
            stage,
            from_seq_no: applied,
            next_seq_no: self.staged,
            to_seq_no: snapshot.or(self.leader_checkpoint),
            operations: self.operations,
            bytes: self.bytes,
            failures: self.total_failures,
            exception: self.last_failure.clone(),
        }
    }

    /// FT-1: what is staged has no gap. FT-2: one answer waits while another comes.
    pub(crate) fn check_invariants(&self) {
        assert!(self.staged <= self.received, "FT-1: staged what was not received");
        assert!(
            self.begun || self.staging.is_none(),
            "FT-1: two pieces of work on the follower at once"
        );
        assert!(
            self.reading.is_none() || self.abandoned.is_none(),
            "FT-2: a second read beside one that is not wanted"
        );
        let Some(snapshot) = &self.snapshot else { return };
        assert!(
            self.received <= after(Some(snapshot.max_seq_no)),
            "FT-1: received past what is to be installed"
        );
    }
}

/// Limits of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimits {
    pub(crate) max_operation_count: u32,
    pub(crate) max_batch_size: ByteCount,
    /// Bytes that were set aside for the answer.
    pub(crate) reserved: u64,
}

impl ReadLimits {
    /// For a step that reads nothing.
    pub(crate) const NOTHING: Self = Self {
        max_operation_count: 0,
        max_batch_size: ByteCount::ZERO,
        reserved: 0,
    };
}

fn failure(result: Result<HealOutcome, Exception>) -> Exception {
    result.err().unwrap_or_else(|| {
        let reason = "the answer to a piece of work of a delta heal is one to another";
        Exception::new(ExceptionKind::UnavailableShards, reason)
    })
}

/// Checks an answer against its request, and cuts off what goes beyond the limits (FT-2).
fn check_held(request: &HeldReadRequest, response: &mut HeldReadResponse) -> Result<(), Exception> {
    let malformed = |what: String| {
        let reason = format!("malformed answer of the leader to a read of a delta heal: {what}");
        Exception::new(ExceptionKind::UnavailableShards, reason)
    };
    let most = request.to.map_or(SeqNo::MAX, |to| after(Some(to)));
    if response.next < request.from
        || response.next > most.min(after(response.global_checkpoint)).max(request.from)
    {
        return Err(malformed(format!(
            "[{}] operations from {} on, the next is {} and the global checkpoint {:?}",
            response.frames.len(),
            request.from,
            response.next,
            response.global_checkpoint
        )));
    }
    let (mut size, mut keep) = (0_u64, 0);
    let mut expected = request.from;
    for frame in &response.frames {
        if frame.seq_no() < expected || frame.seq_no() >= response.next {
            return Err(malformed(format!(
                "operation {} where one from {expected} on was due",
                frame.seq_no()
            )));
        }
        let with_it = size.saturating_add(frame.estimated_size());
        if keep == request.max_operation_count as usize
            || size > request.max_batch_size.get()
            || with_it > request.max_response_size.get()
        {
            break;
        }
        expected = after(Some(frame.seq_no()));
        size = with_it;
        keep += 1;
    }
    if let Some(cut) = response.frames.get(keep) {
        response.next = cut.seq_no();
        response.next_operation_size = (keep == 0).then(|| ByteCount::new(cut.estimated_size()));
        response.frames.truncate(keep);
    }
    if let Some(next) = response.next_operation_size {
        let is_there = response.next < most.min(after(response.global_checkpoint)) && keep == 0;
        check_next_operation_size(next, request.max_response_size, is_there).map_err(malformed)?;
    }
    Ok(())
}
