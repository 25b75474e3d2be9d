//! A collector that sees only documents of some relevance, as `min_score` asks of aggregations too.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

/// Hands on the documents whose score is at least `min_score`.
pub(crate) struct AtLeast<C> {
    pub(crate) min_score: f32,
    pub(crate) inner: C,
}

pub(crate) struct AtLeastInSegment<S> {
    min_score: f32,
    inner: S,
}

impl<C: Collector> Collector for AtLeast<C> {
    type Fruit = C::Fruit;
    type Child = AtLeastInSegment<C::Child>;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        Ok(AtLeastInSegment {
            min_score: self.min_score,
            inner: self.inner.for_segment(ordinal, reader)?,
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(
        &self,
        fruits: Vec<<Self::Child as SegmentCollector>::Fruit>,
    ) -> tantivy::Result<C::Fruit> {
        self.inner.merge_fruits(fruits)
    }
}

impl<S: SegmentCollector> SegmentCollector for AtLeastInSegment<S> {
    type Fruit = S::Fruit;

    fn collect(&mut self, doc: DocId, score: Score) {
        if score >= self.min_score {
            self.inner.collect(doc, score);
        }
    }

    fn harvest(self) -> S::Fruit {
        self.inner.harvest()
    }
}
