//! A collector that sees only documents of some relevance, as `min_score` asks of aggregations too.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

/// Hands on the documents whose score is at least `min_score`; all without one.
pub(crate) struct AtLeast<C> {
    pub(crate) min_score: Option<f32>,
    pub(crate) inner: C,
}

pub(crate) struct AtLeastInSegment<S> {
    min_score: Option<f32>,
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
        self.min_score.is_some() || self.inner.requires_scoring()
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
        if self.min_score.is_none_or(|least| score >= least) {
            self.inner.collect(doc, score);
        }
    }

    /// Called instead of [`collect`](Self::collect) where no collector needs scores.
    fn collect_block(&mut self, docs: &[DocId]) {
        self.inner.collect_block(docs);
    }

    fn harvest(self) -> S::Fruit {
        self.inner.harvest()
    }
}
