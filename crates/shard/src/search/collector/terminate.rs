//! Ends a search when it has seen enough documents, or its time is over.

use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Weight;
use tantivy::{DocSet as _, Score, SegmentReader, TERMINATED};

use crate::search::limit::SearchLimit;

/// Collects the first documents of a shard that match, and tells whether there were more.
pub(in crate::search) struct UpTo<'c, C> {
    inner: &'c C,
    /// Documents of less relevance do not count.
    min_score: Option<Score>,
    left: AtomicU64,
    limit: &'c SearchLimit,
}

impl<'c, C: Collector> UpTo<'c, C> {
    pub(in crate::search) fn new(
        inner: &'c C,
        most: u64,
        min_score: Option<Score>,
        limit: &'c SearchLimit,
    ) -> Self {
        Self {
            inner,
            min_score,
            left: AtomicU64::new(most),
            limit,
        }
    }
}

/// What a segment found, nothing of one that the time did not do for, and whether it was left early.
pub(in crate::search) struct UpToSegment<S> {
    inner: S,
    is_over: bool,
}

impl<S: SegmentCollector> SegmentCollector for UpToSegment<S> {
    type Fruit = (Option<S::Fruit>, bool);

    fn collect(&mut self, doc: tantivy::DocId, score: tantivy::Score) {
        self.inner.collect(doc, score);
    }

    fn harvest(self) -> Self::Fruit {
        (Some(self.inner.harvest()), self.is_over)
    }
}

impl<C: Collector> Collector for UpTo<'_, C> {
    type Fruit = (C::Fruit, bool);
    type Child = UpToSegment<C::Child>;

    fn for_segment(&self, ordinal: u32, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        Ok(UpToSegment {
            inner: self.inner.for_segment(ordinal, reader)?,
            is_over: false,
        })
    }

    fn requires_scoring(&self) -> bool {
        self.inner.requires_scoring()
    }

    fn merge_fruits(
        &self,
        segments: Vec<(Option<<C::Child as SegmentCollector>::Fruit>, bool)>,
    ) -> tantivy::Result<Self::Fruit> {
        let is_over = segments.iter().any(|(_, is_over)| *is_over);
        let found = segments.into_iter().filter_map(|(found, _)| found).collect();
        Ok((self.inner.merge_fruits(found)?, is_over))
    }

    /// Walks the documents one by one, since tantivy's own loops cannot be left.
    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ordinal: u32,
        reader: &SegmentReader,
    ) -> tantivy::Result<<Self::Child as SegmentCollector>::Fruit> {
        let Some(mut scorer) = self.limit.scorer(weight, reader)? else {
            return Ok((None, false));
        };
        let mut segment = self.for_segment(ordinal, reader)?;
        // As in a search without such a bound, filters of aggregations may have been cut short.
        if self.limit.is_reached() {
            return Ok((None, false));
        }
        let scoring = self.requires_scoring();
        let mut steps = self.limit.steps();
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            let score = if scoring { scorer.score() } else { 0.0 };
            let is_alive = reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
            if is_alive && self.min_score.is_none_or(|least| score >= least) {
                let take = |left: u64| left.checked_sub(1);
                if self
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_err()
                {
                    segment.is_over = true;
                    break;
                }
                segment.collect(doc, score);
            }
            if steps.are_over() {
                break;
            }
            doc = scorer.advance();
        }
        Ok(segment.harvest())
    }
}
