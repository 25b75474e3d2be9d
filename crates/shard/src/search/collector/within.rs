//! Walks the documents of a segment that match, until the search's time is over.
//!
//! tantivy's own walk cannot be left, and hands documents over one by one where some of the segment's are deleted.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{Scorer, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet as _, SegmentOrdinal, SegmentReader, TERMINATED};

use crate::search::limit::SearchLimit;

/// Collects as the collector inside, in blocks where no scores are needed, and what was found when the time is over.
pub(in crate::search) struct Within<'c, C> {
    pub(in crate::search) inner: &'c C,
    pub(in crate::search) limit: &'c SearchLimit,
}

impl<C: Collector> Collector for Within<'_, C> {
    type Fruit = C::Fruit;
    /// Nothing of a segment that the time did not do for.
    type Child = Option<C::Child>;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        self.inner.for_segment(ordinal, reader).map(Some)
    }

    fn requires_scoring(&self) -> bool {
        self.inner.requires_scoring()
    }

    fn merge_fruits(
        &self,
        fruits: Vec<Option<<C::Child as SegmentCollector>::Fruit>>,
    ) -> tantivy::Result<C::Fruit> {
        self.inner.merge_fruits(fruits.into_iter().flatten().collect())
    }

    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ordinal: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<Option<<C::Child as SegmentCollector>::Fruit>> {
        let Some(scorer) = self.limit.scorer(weight, reader)? else {
            return Ok(None);
        };
        let mut segment = self.inner.for_segment(ordinal, reader)?;
        // The filters of aggregations have been run over the segment, and may have been cut short as the scorer may.
        if self.limit.is_reached() {
            return Ok(None);
        }
        match self.requires_scoring() {
            true => self.collect_scored(&mut segment, scorer, reader),
            false => self.collect_blocks(&mut segment, scorer, reader),
        }
        Ok(Some(segment.harvest()))
    }
}

impl<C: Collector> Within<'_, C> {
    fn collect_scored(&self, segment: &mut C::Child, mut scorer: Box<dyn Scorer>, reader: &SegmentReader) {
        let mut steps = self.limit.steps();
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            if reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc)) {
                segment.collect(doc, scorer.score());
            }
            if steps.are_over() {
                break;
            }
            doc = scorer.advance();
        }
    }

    fn collect_blocks(&self, segment: &mut C::Child, mut docs: Box<dyn Scorer>, reader: &SegmentReader) {
        let mut block = [0; COLLECT_BLOCK_BUFFER_LEN];
        let mut kept: Vec<DocId> = Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN);
        loop {
            let filled = docs.fill_buffer(&mut block);
            let mut found = &block[..filled];
            if let Some(alive) = reader.alive_bitset() {
                kept.clear();
                kept.extend(found.iter().filter(|doc| alive.is_alive(**doc)));
                found = &kept;
            }
            segment.collect_block(found);
            if filled < block.len() || self.limit.is_reached() {
                return;
            }
        }
    }
}
