//! Hands documents over in blocks where some of a segment's are deleted, too; tantivy does that one by one.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Weight;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, SegmentOrdinal, SegmentReader};

/// Collects as the collector inside, in blocks where no scores are needed.
pub(in crate::search) struct AliveBlocks<'c, C>(pub(in crate::search) &'c C);

impl<C: Collector> Collector for AliveBlocks<'_, C> {
    type Fruit = C::Fruit;
    type Child = C::Child;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<C::Child> {
        self.0.for_segment(ordinal, reader)
    }

    fn requires_scoring(&self) -> bool {
        self.0.requires_scoring()
    }

    fn merge_fruits(&self, fruits: Vec<<C::Child as SegmentCollector>::Fruit>) -> tantivy::Result<C::Fruit> {
        self.0.merge_fruits(fruits)
    }

    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ordinal: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<<C::Child as SegmentCollector>::Fruit> {
        let (Some(alive), false) = (reader.alive_bitset(), self.requires_scoring()) else {
            return self.0.collect_segment(weight, ordinal, reader);
        };
        let mut segment = self.for_segment(ordinal, reader)?;
        let mut kept: Vec<DocId> = Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN);
        weight.for_each_no_score(reader, &mut |docs| {
            kept.clear();
            kept.extend(docs.iter().filter(|doc| alive.is_alive(**doc)));
            segment.collect_block(&kept);
        })?;
        Ok(segment.harvest())
    }
}
