//! Merging the view's segments because somebody asked for it.

use std::sync::Arc;

use tantivy::SegmentMeta;
use tantivy::index::SegmentId;

use super::core::ViewCore;
use crate::ShardError;

/// So often a merge is started anew when a merge of the view's own took its segments.
const MAX_ATTEMPTS: usize = 5;

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
    fn groups(self, segments: &[SegmentMeta]) -> Vec<Vec<SegmentId>> {
        let dead = |segment: &&SegmentMeta| segment.num_deleted_docs() > 0;
        match self {
            Self::ExpungeDeletes => segments
                .iter()
                .filter(dead)
                .map(|segment| vec![segment.id()])
                .collect(),
            Self::MaxSegments(most) => {
                let mut by_size: Vec<_> = segments.iter().collect();
                by_size.sort_by_key(|segment| segment.num_docs());
                // The smallest ones become one segment; that rewrites least.
                let merged = match segments.len().checked_sub(most.max(1)) {
                    None | Some(0) => 0,
                    Some(surplus) => surplus + 1,
                };
                let (merged, alone) = by_size.split_at(merged);
                let together = merged.iter().map(|segment| segment.id()).collect::<Vec<_>>();
                let alone = alone
                    .iter()
                    .copied()
                    .filter(dead)
                    .map(|segment| vec![segment.id()]);
                alone.chain((!together.is_empty()).then_some(together)).collect()
            }
        }
    }
}

impl ViewCore {
    /// Merges segments until the goal is reached as of now. Blocks; searches and refreshes go on.
    pub(crate) fn merge(self: &Arc<Self>, goal: MergeGoal) -> Result<(), ShardError> {
        let mut last_error = None;
        for _ in 0..MAX_ATTEMPTS {
            let groups = goal.groups(&self.index().searchable_segment_metas()?);
            if groups.is_empty() {
                // The view's own merges may have reached the goal, which no search has seen yet.
                return self.show_merged();
            }
            match self.merge_groups(&groups) {
                Ok(()) => last_error = None,
                Err(error @ ShardError::Closed) => return Err(error),
                Err(error) => last_error = Some(error),
            }
        }
        self.show_merged()?;
        last_error.map_or(Ok(()), Err)
    }
}
