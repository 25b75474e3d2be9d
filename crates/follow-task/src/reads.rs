//! Reads under way, and what is left to ask for.

mod poll_size;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use es_exception::Exception;
use oplog::{ByteCount, Frame, SeqNo};

use crate::LOWEST_READ_SIZE;
use crate::answer::check_answer;
use crate::cursor::{after, distance, plus};
use crate::event::Action;
use crate::ids::{IdSource, ReadId};
use crate::parameters::FollowParameters;
use crate::ports::{MetadataVersions, ReadRequest, ReadResponse};
use crate::status::ReadException;
use crate::time::Timestamp;
use poll_size::PollSize;

/// Empty answers come no faster than this, whatever the leader does: it bounds the load that a short poll timeout or a lagging copy can cause.
pub(crate) const EMPTY_ANSWER_INTERVAL: Duration = Duration::from_millis(10);

/// A poll that failed asks for a quick answer: until it has one, the lag counts as unknown and grows.
const RETRIED_POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// The reads of a task.
#[derive(Debug)]
pub(crate) struct Reads {
    outstanding: BTreeMap<ReadId, Read>,
    /// Rest of ranges that were answered in part: first operation, and first operation after the range.
    leftovers: BTreeMap<SeqNo, SeqNo>,
    /// Everything before this was asked for by a range.
    requested: SeqNo,
    not_before: Timestamp,
    exceptions: VecDeque<ReadException>,
    /// Running mean of the estimated size of operations, once there were some.
    operation_size: Option<u64>,
    /// Sizes of operations that did not fit into the answers that began with them.
    large: BTreeMap<SeqNo, u64>,
    poll_size: PollSize,
}

/// One logical read; its id changes with every attempt.
#[derive(Debug)]
pub(crate) struct Read {
    request: ReadRequest,
    /// First operation that need not come: up to it, operations are known to exist. For a poll this is where it begins.
    end: SeqNo,
    /// Bytes of the node-wide budget set aside for the answer; none while it pauses.
    reserved: u64,
    sent_at: Timestamp,
    failures: u32,
    stage: Stage,
    /// Whether it was answered before and stayed open.
    continues: bool,
}

impl Read {
    /// The rest of a read that stays open after `response`, of `bytes` bytes; `None` if there is none. It is a poll again, for what follows.
    fn continued(&self, now: Timestamp, response: &ReadResponse, bytes: u64) -> Option<Self> {
        let last = response.frames.last().map(Frame::seq_no)?;
        let next = after(Some(last));
        // What is known to be there is read by ranges, beside which a read without an end would ask for the same.
        let is_all =
            self.request.may_stay_open && Some(last) == response.global_checkpoint && next >= self.end;
        let rest = self.reserved.checked_sub(bytes)?;
        is_all.then(|| Self {
            request: ReadRequest {
                from: next,
                max_response_size: ByteCount::new(rest),
                ..self.request.clone()
            },
            end: next,
            reserved: rest,
            sent_at: now,
            failures: 0,
            stage: Stage::UnderWay,
            continues: true,
        })
    }

    fn plan(&self) -> Plan {
        Plan {
            from: self.request.from,
            end: self.end,
            count: self.request.max_operation_count,
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// The leader works on it.
    UnderWay,
    /// It failed and is sent again at this time, or later, when there is memory for its answer.
    Pausing(Timestamp),
    /// It was answered; the answer waits for newer metadata.
    Answered(Box<ReadResponse>, u64),
    /// It failed for good. Keeps its slot, so that the state stays visible.
    Failed,
}

/// A read that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) from: SeqNo,
    pub(crate) end: SeqNo,
    pub(crate) count: u32,
}

impl Plan {
    /// Whether this asks for whatever comes, since nothing is known to be there.
    pub(crate) fn is_poll(&self) -> bool {
        self.end <= self.from
    }
}

/// An answer that is ready to be applied.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) from: SeqNo,
    pub(crate) end: SeqNo,
    pub(crate) sent_at: Timestamp,
    pub(crate) response: ReadResponse,
}

/// What an attempt to read is sent with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    /// Bytes that were set aside for the answer.
    pub(crate) reserved: u64,
    /// What is known of the leader's metadata.
    pub(crate) known_metadata: MetadataVersions,
}

impl Reads {
    pub(crate) fn new() -> Self {
        Self {
            outstanding: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            requested: SeqNo::ZERO,
            not_before: Timestamp::default(),
            exceptions: VecDeque::new(),
            operation_size: None,
            large: BTreeMap::new(),
            poll_size: PollSize::default(),
        }
    }

    pub(crate) fn outstanding(&self) -> u32 {
        u32::try_from(self.outstanding.len()).unwrap_or(u32::MAX)
    }

    /// Everything before this was asked for by a range.
    pub(crate) fn requested(&self) -> SeqNo {
        self.requested
    }

    /// Moves the position of new ranges up.
    pub(crate) fn raise_requested(&mut self, to: SeqNo) {
        self.requested = self.requested.max(to);
    }

    /// Bytes held by answers that wait, and set aside for answers to come.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |read: &Read| match &read.stage {
            Stage::Answered(_, bytes) => *bytes,
            _ => read.reserved,
        };
        self.outstanding.values().map(bytes).sum()
    }

    /// The reads that keep failing.
    pub(crate) fn exceptions(&self) -> Vec<ReadException> {
        self.exceptions.iter().cloned().collect()
    }

    /// Why the read that has failed for longest failed last.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        self.exceptions.front().map(|entry| &entry.exception)
    }

    /// Whether an attempt failed and no later one has succeeded.
    pub(crate) fn is_failing(&self) -> bool {
        self.outstanding
            .values()
            .any(|read| read.failures > 0 && !matches!(read.stage, Stage::Answered(..)))
    }

    /// The read to send next, if there is anything to ask for: the lowest leftover, then a new range, then a poll when nothing else is out.
    /// Everything before `written` was handed to the follower; `known` is the end of what is known on the leader.
    pub(crate) fn plan(&self, now: Timestamp, written: SeqNo, known: SeqNo, max_count: u32) -> Option<Plan> {
        if now < self.not_before {
            return None;
        }
        let alone = self.outstanding.is_empty();
        let leftover = self.leftovers.iter().find(|(_, end)| **end > written);
        if let Some((from, end)) = leftover {
            let from = (*from).max(written);
            let end = (*end).min(plus(from, max_count.into()));
            return Some(Plan {
                from,
                end,
                count: count(from, end),
            });
        }
        let from = self.requested.max(written);
        if from < known {
            let end = known.min(plus(from, max_count.into()));
            // Alone, it takes whatever else the leader has; beside others, ranges must not overlap.
            let count = if alone { max_count } else { count(from, end) };
            return Some(Plan { from, end, count });
        }
        alone.then_some(Plan {
            from,
            end: from,
            count: max_count,
        })
    }

    /// Whether only polls are under way: they must not keep the read of a gap waiting for a slot.
    pub(crate) fn only_polls_outstanding(&self) -> bool {
        self.outstanding.values().all(|read| read.plan().is_poll())
    }

    /// The memory to ask for: twice what is expected, so that the node-wide budget is not spent on what never comes; and what is needed at least, as
    /// far as that is known.
    pub(crate) fn wanted_size(&self, plan: Plan, parameters: &FollowParameters) -> (u64, u64) {
        let needed = self.needed_size(plan.from);
        let most = parameters
            .max_read_request_size()
            .get()
            .max(LOWEST_READ_SIZE.get());
        let wanted = self.operation_size.map_or(most, |size| {
            size.saturating_mul(plan.count.into())
                .saturating_mul(2)
                .clamp(LOWEST_READ_SIZE.get(), most)
        });
        (needed, wanted.max(needed))
    }

    /// What the first operation from `from` on takes, if that is known, or what operations take in the mean.
    fn needed_size(&self, from: SeqNo) -> u64 {
        self.large
            .get(&from)
            .copied()
            .or(self.operation_size)
            .unwrap_or(0)
    }

    /// Notes that the operation `seq_no`, with which a read will begin, takes `size` bytes. Everything before `written` was handed out.
    pub(crate) fn is_large(&mut self, seq_no: SeqNo, size: u64, written: SeqNo) {
        let Self {
            large,
            leftovers,
            outstanding,
            requested,
            ..
        } = self;
        // Without those with which no read will begin any more.
        large.retain(|known, _| {
            let is_read = |read: &Read| read.request.from == *known;
            let left_over = leftovers.range(..=*known).next_back();
            *known >= written
                && (*known == *requested
                    || left_over.is_some_and(|(_, end)| known < end)
                    || outstanding.values().any(is_read))
        });
        large.insert(seq_no, size);
    }

    /// Whether the operation `seq_no` is being read, or was read and waits for its metadata.
    pub(crate) fn is_coming(&self, seq_no: SeqNo) -> bool {
        self.outstanding.values().any(|read| {
            matches!(read.stage, Stage::UnderWay | Stage::Answered(..))
                && (read.request.from == seq_no || (read.request.from < seq_no && seq_no < read.end))
        })
    }

    /// Sends a planned read.
    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        plan: Plan,
        sending: Sending,
        parameters: &FollowParameters,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        // What is asked for now is no leftover any more, and leftovers that the follower holds already are none either.
        let rest: Vec<_> = self
            .leftovers
            .range(..plan.end.max(plan.from))
            .map(|(from, end)| (*from, *end))
            .collect();
        for (from, end) in rest {
            self.leftovers.remove(&from);
            if end > plan.end {
                self.leftovers.insert(plan.end, end);
            }
        }
        self.raise_requested(plan.end);
        let request = ReadRequest {
            from: plan.from,
            max_operation_count: plan.count,
            max_batch_size: parameters.max_read_request_size(),
            max_response_size: ByteCount::new(sending.reserved),
            poll_timeout: parameters.read_poll_timeout(),
            known_metadata: sending.known_metadata,
            may_stay_open: plan.is_poll(),
        };
        let read = Read {
            request,
            end: plan.end,
            reserved: sending.reserved,
            sent_at: now,
            failures: 0,
            stage: Stage::UnderWay,
            continues: false,
        };
        self.start(read, now, ids, actions);
    }

    /// What has paused long enough, the lowest first.
    pub(crate) fn due(&self, now: Timestamp) -> Option<(ReadId, Plan)> {
        self.outstanding
            .iter()
            .filter(|(_, read)| matches!(read.stage, Stage::Pausing(until) if until <= now))
            .map(|(id, read)| (*id, read.plan()))
            .min_by_key(|(_, plan)| plan.from)
    }

    /// Sends again what has paused long enough.
    pub(crate) fn send_again(
        &mut self,
        now: Timestamp,
        id: ReadId,
        sending: Sending,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut read) = self.outstanding.remove(&id) else {
            return;
        };
        if read.plan().is_poll() {
            read.request.poll_timeout = read.request.poll_timeout.min(RETRIED_POLL_TIMEOUT);
        }
        read.request.max_response_size = ByteCount::new(sending.reserved);
        read.request.known_metadata = sending.known_metadata;
        read.reserved = sending.reserved;
        self.start(read, now, ids, actions);
    }

    fn start(&mut self, mut read: Read, now: Timestamp, ids: &mut IdSource, actions: &mut Vec<Action>) {
        let id = ids.next();
        read.continues = false;
        read.sent_at = now;
        read.stage = Stage::UnderWay;
        actions.push(Action::Read {
            id,
            request: read.request.clone(),
        });
        self.outstanding.insert(id, read);
    }

    /// Time since the attempt was sent, or `None` for one that is not waited for.
    pub(crate) fn attempt(&self, now: Timestamp, id: ReadId) -> Option<Duration> {
        self.under_way(id).map(|read| now.since(read.sent_at))
    }

    fn under_way(&self, id: ReadId) -> Option<&Read> {
        self.outstanding
            .get(&id)
            .filter(|read| matches!(read.stage, Stage::UnderWay))
    }

    /// Checks an answer against its request, and cuts off what goes beyond the limits (FT-2): it is asked for again later.
    pub(crate) fn check(
        &self,
        id: ReadId,
        known_checkpoint: Option<SeqNo>,
        response: &mut ReadResponse,
    ) -> Result<(), Exception> {
        let Some(read) = self.under_way(id) else {
            return Ok(());
        };
        check_answer(&read.request, known_checkpoint, response)
    }

    /// Keeps a checked answer until its metadata is there. With `may_stay_open`, a read that the leader keeps open goes on under its id: what was answered
    /// becomes a read of its own, which must be taken out in the same step.
    pub(crate) fn answered(
        &mut self,
        now: Timestamp,
        id: ReadId,
        response: ReadResponse,
        bytes: u64,
        may_stay_open: bool,
        ids: &mut IdSource,
    ) {
        let count = response.frames.len() as u64;
        if let Some(mean) = bytes.checked_div(count) {
            self.operation_size = Some(
                self.operation_size
                    .map_or(mean, |old| old.saturating_mul(3).saturating_add(mean) / 4),
            );
        }
        let Some(mut read) = self.outstanding.remove(&id) else {
            return;
        };
        self.exceptions
            .retain(|entry| entry.from_seq_no != read.request.from);
        let goes_on = may_stay_open && response.stays_open;
        if let Some(rest) = goes_on.then(|| read.continued(now, &response, bytes)).flatten() {
            self.outstanding.insert(id, rest);
            read.reserved = 0;
            read.stage = Stage::Answered(Box::new(response), bytes);
            self.outstanding.insert(ids.next(), read);
            return;
        }
        if response.frames.is_empty() {
            self.poll_size.brought_nothing();
        } else if read.plan().is_poll() && (read.continues || bytes > read.reserved / 2) {
            self.poll_size.was_used_up();
        }
        read.stage = Stage::Answered(Box::new(response), bytes);
        self.outstanding.insert(id, read);
    }

    /// The memory to ask for before a poll, in bytes.
    pub(crate) fn poll_size(&self) -> u64 {
        self.poll_size.get()
    }

    /// Whether further answers to the read are waited for.
    pub(crate) fn is_under_way(&self, id: ReadId) -> bool {
        self.under_way(id).is_some()
    }

    /// The attempt failed; it is sent again after the pause that `delay` gives for a number of failures.
    pub(crate) fn failed(
        &mut self,
        now: Timestamp,
        id: ReadId,
        exception: Exception,
        max_entries: u32,
        delay: impl FnOnce(u32) -> Duration,
    ) {
        let Some(read) = self.outstanding.get_mut(&id) else {
            return;
        };
        read.failures = read.failures.saturating_add(1);
        read.reserved = 0;
        read.stage = Stage::Pausing(now.after(delay(read.failures)));
        let (from, failures) = (read.request.from, read.failures);
        self.record(from, failures, exception, max_entries);
    }

    /// The attempt failed for good.
    pub(crate) fn failed_for_good(&mut self, id: ReadId, exception: Exception, max_entries: u32) {
        let Some(read) = self.outstanding.get_mut(&id) else {
            return;
        };
        read.reserved = 0;
        read.stage = Stage::Failed;
        let (from, failures) = (read.request.from, read.failures);
        self.record(from, failures, exception, max_entries);
    }

    fn record(&mut self, from_seq_no: SeqNo, retries: u32, exception: Exception, max_entries: u32) {
        if let Some(entry) = self
            .exceptions
            .iter_mut()
            .find(|entry| entry.from_seq_no == from_seq_no)
        {
            (entry.retries, entry.exception) = (retries, exception);
            return;
        }
        self.exceptions.push_back(ReadException {
            from_seq_no,
            retries,
            exception,
        });
        while self.exceptions.len() > max_entries as usize {
            self.exceptions.pop_front();
        }
    }

    /// Takes out the next answer whose metadata is there, and frees its slot.
    pub(crate) fn take_answer(&mut self, ready: impl Fn(&ReadResponse) -> bool) -> Option<Answer> {
        let is_ready = |read: &Read| matches!(&read.stage, Stage::Answered(response, _) if ready(response));
        let id = self
            .outstanding
            .iter()
            .find(|(_, read)| is_ready(read))
            .map(|(id, _)| *id)?;
        let Read {
            request,
            end,
            sent_at,
            stage,
            ..
        } = self.outstanding.remove(&id)?;
        let Stage::Answered(response, _) = stage else {
            return None;
        };
        Some(Answer {
            from: request.from,
            end,
            sent_at,
            response: *response,
        })
    }

    /// Notes what was left open: everything from `next` to `end`. Ranges that touch or overlap become one: beside a poll, and after the follower
    /// lost operations, two reads may have asked for the same.
    pub(crate) fn leave_over(&mut self, next: SeqNo, end: SeqNo) {
        if next >= end {
            return;
        }
        let (mut next, mut end) = (next, end);
        loop {
            let below = self.leftovers.range(..=end).next_back();
            let Some((from, until)) = below.map(|(from, until)| (*from, *until)) else {
                break;
            };
            if until < next {
                break;
            }
            self.leftovers.remove(&from);
            (next, end) = (next.min(from), end.max(until));
        }
        self.leftovers.insert(next, end);
    }

    /// Notes an empty answer to a read sent at `sent_at`; the next read comes not too soon after that one.
    pub(crate) fn was_empty(&mut self, sent_at: Timestamp) {
        self.not_before = self.not_before.max(sent_at.after(EMPTY_ANSWER_INTERVAL));
    }

    /// The answer of a stopped task: its operations are not wanted any more, and its slot is free.
    pub(crate) fn drop_answer(&mut self, id: ReadId) {
        self.outstanding.remove(&id);
    }

    /// Takes out a read under way that is not tried again; gives its first operation, and the first operation after its range.
    pub(crate) fn take_range(&mut self, id: ReadId) -> Option<(SeqNo, SeqNo)> {
        let read = self.outstanding.remove(&id)?;
        self.exceptions
            .retain(|entry| entry.from_seq_no != read.request.from);
        Some((read.request.from, read.end))
    }

    /// Forgets what is left to ask for, and the answers that wait, since a heal gets it all. Reads under way keep their slots.
    pub(crate) fn give_way(&mut self) {
        self.outstanding
            .retain(|_, read| matches!(read.stage, Stage::UnderWay));
        self.leftovers.clear();
        self.exceptions.clear();
    }

    /// Frees memory when the task has stopped. Reads under way and failed ones keep their slots.
    pub(crate) fn forget_answers(&mut self) {
        self.outstanding
            .retain(|_, read| !matches!(read.stage, Stage::Answered(..)));
        self.leftovers.clear();
        for read in self.outstanding.values_mut() {
            read.reserved = 0;
        }
    }

    /// When a read is to be sent again that pauses, or the pause after an empty answer is over.
    pub(crate) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let pausing = self.outstanding.values().filter_map(|read| match read.stage {
            Stage::Pausing(until) => Some(until),
            _ => None,
        });
        // Those that are due already wait for memory.
        pausing
            .chain(Some(self.not_before))
            .filter(|time| *time > now)
            .min()
    }

    /// The predicate behind FT-2 for reads.
    pub(crate) fn check_invariants(&self, max_outstanding: u32) {
        // One more than allowed, when the read of a gap is sent beside a poll.
        assert!(
            self.outstanding() <= max_outstanding.saturating_add(1),
            "FT-2: too many reads"
        );
        assert!(
            self.exceptions.len() <= max_outstanding as usize,
            "FT-2: too many read exceptions"
        );
        let mut last = SeqNo::ZERO;
        for (from, end) in &self.leftovers {
            assert!(last <= *from && from < end, "FT-1: leftovers overlap at {from}");
            assert!(*end <= self.requested, "FT-1: leftover past what was requested");
            last = *end;
        }
    }
}

fn count(from: SeqNo, end: SeqNo) -> u32 {
    u32::try_from(distance(from, end)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
