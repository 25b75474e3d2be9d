//! Results of tasks that nobody waited for, kept so that somebody may ask. Bounded: the oldest go first.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

/// Results that are kept at most.
const MAX_RESULTS: usize = 1000;
/// Bytes that they take at most, by their JSON; the newest is kept whatever its size, which the batch of its failures bounds.
const MAX_BYTES: usize = 8 << 20;

/// A task that ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    /// The task as it was shown last.
    pub(crate) task: Value,
    /// What its request would have answered, or why it failed.
    pub(crate) outcome: Result<Value, Value>,
}

/// The newest results.
#[derive(Debug, Default)]
pub(super) struct FinishedTasks {
    results: VecDeque<(u64, usize, Arc<Finished>)>,
    bytes: usize,
}

impl FinishedTasks {
    pub(super) fn insert(&mut self, number: u64, finished: Finished) {
        let (Ok(outcome) | Err(outcome)) = &finished.outcome;
        let bytes = finished.task.to_string().len() + outcome.to_string().len();
        self.bytes += bytes;
        self.results.push_back((number, bytes, Arc::new(finished)));
        while self.results.len() > 1 && (self.results.len() > MAX_RESULTS || self.bytes > MAX_BYTES) {
            if let Some((_, bytes, _)) = self.results.pop_front() {
                self.bytes -= bytes;
            }
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Finished>> {
        let found = self.results.iter().find(|(other, _, _)| *other == number);
        found.map(|(_, _, finished)| Arc::clone(finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(bytes: usize) -> Finished {
        Finished {
            task: Value::Null,
            outcome: Ok("x".repeat(bytes).into()),
        }
    }

    #[test]
    fn the_oldest_results_go_when_there_are_too_many_or_they_are_too_large() {
        let mut kept = FinishedTasks::default();
        for number in 0..=MAX_RESULTS as u64 {
            kept.insert(number, result(1));
        }
        assert!(kept.get(0).is_none() && kept.get(1).is_some());
        kept.insert(5000, result(MAX_BYTES + 1));
        assert!(kept.get(1000).is_none(), "the newest took all of the room");
        assert_eq!(kept.get(5000).as_deref(), Some(&result(MAX_BYTES + 1)));
        kept.insert(5001, result(1));
        assert!(kept.get(5000).is_none() && kept.get(5001).is_some());
    }
}
