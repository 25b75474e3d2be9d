//! Merging the view's segments because somebody asked for it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tantivy::SegmentMeta;

use super::core::ViewCore;
use crate::ShardError;

/// So often a merge is started anew when segments of it went away: the commit in which the last document of a segment dies removes it.
const MAX_ATTEMPTS: usize = 8;
/// Pause after the first failure; it doubles with each. Meanwhile the end of a merge comes to the disk, before which its segments seem to be there.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// So many documents are merged while the view stands still; that takes a fraction of a second. Segments of more do not die within a merge.
const DOCS_AT_A_STANDSTILL: u32 = 20_000;

/// What the segments should be afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeGoal {
    /// At most so many segments, at least one, and none of them with dead documents.
    MaxSegments(usize),
    /// No segment has dead documents.
    ExpungeDeletes,
}

impl MergeGoal {
    /// The segments to merge with each other, group by group; nothing when the goal is reached.
    fn groups(self, mut segments: Vec<SegmentMeta>) -> Vec<Vec<SegmentMeta>> {
        let dead = |segment: &SegmentMeta| segment.num_deleted_docs() > 0;
        let mut together = Vec::new();
        if let Self::MaxSegments(most) = self
            && let Some(surplus @ 1..) = segments.len().checked_sub(most.max(1))
        {
            // The smallest ones become one segment; that rewrites least.
            segments.sort_by_key(SegmentMeta::num_docs);
            let alone = segments.split_off(surplus + 1);
            together = std::mem::replace(&mut segments, alone);
        }
        let alone = segments.into_iter().filter(dead).map(|segment| vec![segment]);
        alone.chain((!together.is_empty()).then_some(together)).collect()
    }
}

fn docs(groups: &[Vec<SegmentMeta>]) -> u32 {
    groups
        .iter()
        .flatten()
        .fold(0, |sum, segment| sum.saturating_add(segment.num_docs()))
}

/// The smallest segments, together.
fn small_ones(mut segments: Vec<SegmentMeta>) -> Vec<Vec<SegmentMeta>> {
    segments.sort_by_key(SegmentMeta::num_docs);
    let mut docs = 0_u32;
    let small = segments.into_iter().take_while(|segment| {
        docs = docs.saturating_add(segment.num_docs());
        docs <= DOCS_AT_A_STANDSTILL
    });
    let small: Vec<_> = small.collect();
    (small.len() > 1).then_some(small).into_iter().collect()
}

/// While it lives, the view starts no merges by itself.
struct MergesPaused<'a>(&'a ViewCore);

impl<'a> MergesPaused<'a> {
    fn begin(view: &'a ViewCore) -> Self {
        view.pause_merges(true);
        Self(view)
    }
}

impl Drop for MergesPaused<'_> {
    fn drop(&mut self) {
        self.0.pause_merges(false);
    }
}

impl ViewCore {
    /// Merges segments until the goal is reached as of now. Blocks; searches and refreshes go on. One at a time: another waits.
    ///
    /// The view's own merges, which would take its segments, are awaited first, and no new ones begin meanwhile.
    pub(crate) fn merge(self: &Arc<Self>, goal: MergeGoal) -> Result<(), ShardError> {
        let _one_at_a_time = self.forced_merge.lock();
        let _paused = MergesPaused::begin(self);
        let (mut pause, mut is_first) = (FIRST_PAUSE, true);
        let mut attempts_left = MAX_ATTEMPTS;
        loop {
            self.await_merges()?;
            let merged = if is_first {
                self.merge_groups(|_| false, |segments| goal.groups(segments))
            } else {
                self.merge_at_a_standstill(goal)
            };
            attempts_left -= 1;
            match merged {
                // Also when nothing was left to merge: the view's own merges may have reached the goal, which no search has seen yet.
                Ok(()) => return self.show_merged(),
                Err(error @ ShardError::Closed) => return Err(error),
                Err(error) if attempts_left == 0 => {
                    self.show_merged()?;
                    return Err(error);
                }
                Err(_) => thread::sleep(pause),
            }
            (pause, is_first) = (2 * pause, false);
        }
    }

    /// As far as that takes no time worth mentioning, keeps the view from commits meanwhile: they remove the segments in which nothing is alive any more. First the
    /// smallest segments become one, which does not die as soon as each of them.
    fn merge_at_a_standstill(&self, goal: MergeGoal) -> Result<(), ShardError> {
        self.merge_groups(|_| true, small_ones)?;
        self.merge_groups(
            |groups| docs(groups) <= DOCS_AT_A_STANDSTILL,
            |segments| goal.groups(segments),
        )
    }

    /// Waits until the merges under way have ended.
    ///
    /// The search library does not tell of them, but merges one after the other: so a merge of the smallest segment, which costs little, ends after them. If it
    /// fails since they took that segment, the end of one of them may still be on its way to the disk.
    fn await_merges(&self) -> Result<(), ShardError> {
        let smallest = |segments: Vec<SegmentMeta>| {
            let smallest = segments.into_iter().min_by_key(SegmentMeta::num_docs);
            smallest.map(|segment| vec![segment]).into_iter().collect()
        };
        match self.merge_groups(|_| false, smallest) {
            Err(error @ ShardError::Closed) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
