//! Ends searches that nobody waits for any more, and those that took all the time they had.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::Clock;
use tantivy::SegmentReader;
use tantivy::query::{Scorer, Weight};

/// Steps of a loop between two looks at the limit.
const STEPS: u32 = 256;

/// Tells the shards that nobody waits for a search any more. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct SearchCancellation(Arc<AtomicBool>);

impl SearchCancellation {
    /// Has the search end soon, with an error, in every shard.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// `task_cancelled_exception` if nobody waits for the search any more.
    pub(crate) fn check(&self) -> Result<(), Exception> {
        match self.is_cancelled() {
            true => Err(Exception::new(
                ExceptionKind::TaskCancelled,
                "the search was given up: nobody waits for it any more",
            )),
            false => Ok(()),
        }
    }
}

/// How far one shard goes with a search: until somebody cancels it, or its time is over.
///
/// Whoever walks many documents or terms asks now and then, and answers what it has so far once the limit is reached.
#[derive(Debug)]
pub(crate) struct SearchLimit {
    cancellation: SearchCancellation,
    /// In the clock's monotonic time.
    deadline: Option<(Arc<dyn Clock>, Duration)>,
    /// Somebody saw that the limit is reached, and may have left something out.
    was_reached: AtomicBool,
}

impl SearchLimit {
    /// A search that begins now and may take this long.
    pub(crate) fn new(
        cancellation: &SearchCancellation,
        timeout: Option<Duration>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let deadline = |timeout| (Arc::clone(clock), clock.monotonic().saturating_add(timeout));
        Self {
            cancellation: cancellation.clone(),
            deadline: timeout.map(deadline),
            was_reached: AtomicBool::new(false),
        }
    }

    /// Whether to end here.
    pub(crate) fn is_reached(&self) -> bool {
        let is_over = |(clock, deadline): &(Arc<dyn Clock>, Duration)| clock.monotonic() >= *deadline;
        let is_reached = self.cancellation.is_cancelled() || self.deadline.as_ref().is_some_and(is_over);
        if is_reached {
            self.was_reached.store(true, Ordering::Relaxed);
        }
        is_reached
    }

    /// The documents of a segment that match; `None` if the limit was reached before they were known: what walked terms and was cut short, for instance
    /// to leave documents out, does not know them.
    pub(crate) fn scorer(
        &self,
        weight: &dyn Weight,
        reader: &SegmentReader,
    ) -> tantivy::Result<Option<Box<dyn Scorer>>> {
        if self.is_reached() {
            return Ok(None);
        }
        let scorer = weight.scorer(reader, 1.0)?;
        Ok(Some(scorer).filter(|_| !self.is_reached()))
    }

    /// For a loop of short steps, which does not look at the limit in each.
    pub(crate) const fn steps(&self) -> Steps<'_> {
        Steps {
            limit: self,
            taken: 0,
            over: false,
        }
    }

    /// Whether the search ended before it had seen all, for want of time.
    ///
    /// # Errors
    /// `task_cancelled_exception` if nobody waits for the search any more.
    pub(crate) fn timed_out(&self) -> Result<bool, Exception> {
        self.cancellation.check()?;
        Ok(self.was_reached.load(Ordering::Relaxed))
    }
}

/// Looks at a limit every so many steps.
#[derive(Debug)]
pub(crate) struct Steps<'l> {
    limit: &'l SearchLimit,
    taken: u32,
    over: bool,
}

impl Steps<'_> {
    /// Counts one step; whether it was the last, or comes after that: loops within loops may share their steps.
    pub(crate) fn are_over(&mut self) -> bool {
        self.taken = self.taken.wrapping_add(1);
        self.over = self.over || (self.taken.is_multiple_of(STEPS) && self.limit.is_reached());
        self.over
    }
}
