//! Counts matches and keeps the best, by any sort.
//!
//! Within a segment every criterion is a number whose order is that of the values (column ordinals for texts); real values are read for the
//! hits that are kept. Hits that are equal in all criteria are ordered by sequence number, so that a page never depends on segments.

mod by_seq_no;
mod criterion;
mod kept;
mod terminate;
mod values;
mod within;

pub(super) use terminate::UpTo;
pub(super) use within::Within;

use std::cmp::Ordering;

use es_exception::Exception;
use index_meta::Mapping;
use oplog::SeqNo;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::hits::ShardHit;
use super::request::SearchRequest;
use super::sort::SortClause;
use crate::view::{SEQ_NO, ViewSchema};
use by_seq_no::BySeqNo;
use criterion::{Criterion, Fixed, Key, resolve};
use kept::{Entry, Kept};
use values::Values;

/// See the module.
pub(super) struct TopHits {
    schema: ViewSchema,
    criteria: Vec<Criterion>,
    keep: usize,
    scoring: bool,
    /// What every hit scores, if that is known before.
    constant_score: Option<Score>,
    min_score: Option<f32>,
    has_after: bool,
    returns_sort: bool,
    returns_score: bool,
    /// What hits are grouped by.
    group: Option<Criterion>,
}

/// What a segment, or a shard, found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) max_score: Option<f32>,
    pub(super) hits: Vec<ShardHit>,
    /// Whether a document has several values of what hits are grouped by.
    pub(super) has_several_groups: bool,
}

impl TopHits {
    /// Resolves the request's sort by the mapping.
    pub(super) fn new(
        request: &SearchRequest,
        mapping: &Mapping,
        schema: &ViewSchema,
        now_millis: i64,
    ) -> Result<Self, Exception> {
        let by_score = [SortClause::by("_score")];
        let clauses = if request.sort.is_empty() {
            &by_score[..]
        } else {
            &request.sort[..]
        };
        let mut criteria = Vec::with_capacity(clauses.len());
        for (position, clause) in clauses.iter().enumerate() {
            let after = request.search_after.as_ref().map(|values| &values[position]);
            let origin = resolve(clause, mapping, request.shard_position)?;
            criteria.push(Criterion::new(clause, origin, after, mapping, now_millis)?);
        }
        let constant_score = match request.min_score {
            None => request.query.constant_score(),
            // Whoever else sees the documents asks for their scores, too.
            Some(_) => None,
        };
        Ok(Self {
            schema: schema.clone(),
            criteria,
            keep: request.from.saturating_add(request.size),
            scoring: request.needs_scores() && constant_score.is_none(),
            constant_score,
            min_score: request.min_score,
            has_after: request.search_after.is_some(),
            returns_sort: !request.sort.is_empty(),
            returns_score: request.returns_scores(),
            group: match &request.collapse {
                Some(collapse) => Some(Criterion::of_field(collapse.resolve(mapping)?)),
                None => None,
            },
        })
    }
}

/// The collector of one segment.
pub(super) struct SegmentTopHits {
    reader: SegmentReader,
    schema: ViewSchema,
    criteria: Vec<Criterion>,
    values: Vec<Values>,
    /// Keys of a missing value, per criterion.
    missing: Vec<Key>,
    after: Option<Vec<Key>>,
    seq_no: Column<u64>,
    by_seq_no: Option<BySeqNo>,
    keep: usize,
    constant_score: Option<Score>,
    min_score: Option<f32>,
    returns_sort: bool,
    returns_score: bool,
    count: u64,
    max_score: Option<f32>,
    /// What hits are grouped by, and its values.
    group: Option<(Criterion, Values)>,
    has_several_groups: bool,
    kept: Kept,
    scratch: Vec<Key>,
}

impl Collector for TopHits {
    type Fruit = Found;
    type Child = SegmentTopHits;

    fn for_segment(
        &self,
        _ordinal: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<SegmentTopHits> {
        let schema = &self.schema;
        let mut values = Vec::with_capacity(self.criteria.len());
        let mut missing = Vec::with_capacity(self.criteria.len());
        let mut after = Vec::with_capacity(self.criteria.len());
        for criterion in &self.criteria {
            let opened = Values::open(criterion, reader, schema)?;
            let mut stand_in = match &criterion.missing_value {
                Some(fixed) => opened.fixed_bits(fixed, reader, schema)?,
                None => None,
            };
            if let Some(fixed) = &criterion.after {
                let bits = opened.fixed_bits(fixed, reader, schema)?;
                if let (Some(missing), true, Some(number)) =
                    (&criterion.missing_value, stand_in == bits, stand_in)
                {
                    // Both may lie in one gap between the segment's values, and differ all the same.
                    stand_in = Some(match missing.compare(fixed) {
                        Ordering::Less => number.saturating_sub(1),
                        Ordering::Equal => number,
                        Ordering::Greater => number.saturating_add(1),
                    });
                }
                after.push(if *fixed == Fixed::Null {
                    criterion.key(None)
                } else if opened.are_all_above(fixed) {
                    criterion.key_below_all()
                } else {
                    criterion.key(bits.or(Some(0)))
                });
            }
            missing.push(criterion.key(stand_in));
            values.push(opened);
        }
        let after = self.has_after.then_some(after);
        let seq_no = reader.fast_fields().u64(SEQ_NO)?;
        let by_seq_no = match self.group {
            None => BySeqNo::new(&self.criteria, &values, after.as_deref(), !self.scoring, &seq_no),
            Some(_) => None,
        };
        Ok(SegmentTopHits {
            reader: reader.clone(),
            schema: schema.clone(),
            criteria: self.criteria.clone(),
            values,
            missing,
            after,
            seq_no,
            by_seq_no,
            keep: self.keep,
            constant_score: self.constant_score,
            min_score: self.min_score,
            returns_sort: self.returns_sort,
            returns_score: self.returns_score,
            count: 0,
            max_score: None,
            group: match &self.group {
                Some(group) => Some((group.clone(), Values::open(group, reader, schema)?)),
                None => None,
            },
            has_several_groups: false,
            kept: Kept::new(self.group.is_some()),
            scratch: Vec::with_capacity(self.criteria.len()),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.scoring
    }

    fn merge_fruits(&self, segments: Vec<Found>) -> tantivy::Result<Found> {
        let mut merged = Found::default();
        for segment in segments {
            merged.count += segment.count;
            merged.max_score = match (merged.max_score, segment.max_score) {
                (Some(left), Some(right)) => Some(left.max(right)),
                (left, right) => left.or(right),
            };
            merged.hits.extend(segment.hits);
            merged.has_several_groups |= segment.has_several_groups;
        }
        Ok(merged)
    }
}

impl SegmentCollector for SegmentTopHits {
    type Fruit = Found;

    fn collect(&mut self, doc: DocId, score: Score) {
        let score = self.constant_score.unwrap_or(score);
        if self.min_score.is_some_and(|minimum| score < minimum) {
            return;
        }
        self.count(1, score);
        if self.keep > 0 {
            self.rank(doc, score);
        }
    }

    /// Called instead of [`collect`](Self::collect) where no collector needs scores.
    fn collect_block(&mut self, docs: &[DocId]) {
        // Where nothing is left, tantivy ends with a block of none: no hit has a score then.
        if docs.is_empty() {
            return;
        }
        let score = self.constant_score.unwrap_or(0.0);
        self.count(docs.len() as u64, score);
        if self.keep == 0 {
            return;
        }
        let worst = self.kept.worst(self.keep).map(|worst| worst.seq_no);
        let mut wanted = match &mut self.by_seq_no {
            Some(by_seq_no) => by_seq_no.wanted(docs, worst),
            None => u64::MAX,
        };
        for doc in docs {
            if wanted & 1 == 1 {
                self.rank(*doc, score);
            }
            wanted >>= 1;
        }
    }

    fn harvest(self) -> Found {
        let ids = self.ids_by_doc();
        let entries = self.kept.entries();
        let mut hits = Vec::with_capacity(entries.len());
        for entry in entries {
            let score = Score::from_bits(entry.score_bits);
            let mut sort = Vec::new();
            if self.returns_sort {
                for (criterion, values) in self.criteria.iter().zip(&self.values) {
                    let bits = values.bits(entry.doc, score, criterion.mode);
                    sort.push(values.value(criterion, bits, || ids.get(&entry.doc).cloned()));
                }
            }
            hits.push(ShardHit {
                score: self.returns_score.then_some(score),
                sort,
                seq_no: SeqNo::new(entry.seq_no),
                group: self.group.as_ref().map(|(group, values)| {
                    let bits = values.bits(entry.doc, score, group.mode);
                    values.value(group, bits, || None)
                }),
            });
        }
        Found {
            count: self.count,
            max_score: self.max_score,
            hits,
            has_several_groups: self.has_several_groups,
        }
    }
}

impl SegmentTopHits {
    fn count(&mut self, more: u64, score: Score) {
        self.count += more;
        if self.returns_score {
            self.max_score = Some(self.max_score.map_or(score, |best| best.max(score)));
        }
    }

    /// Keeps a document that matches if it is among the best.
    fn rank(&mut self, doc: DocId, score: Score) {
        self.scratch.clear();
        for ((criterion, values), missing) in self.criteria.iter().zip(&self.values).zip(&self.missing) {
            let key = match values.bits(doc, score, criterion.mode) {
                Some(bits) => criterion.key(Some(bits)),
                None => *missing,
            };
            self.scratch.push(key);
        }
        if self.after.as_ref().is_some_and(|after| self.scratch <= *after) {
            return;
        }
        // Most documents go here, before anything else of them is read.
        if self
            .kept
            .worst(self.keep)
            .is_some_and(|worst| self.scratch > worst.keys)
        {
            return;
        }
        let seq_no = self.seq_no.first(doc).unwrap_or(u64::MAX);
        let group = self.group.as_ref().and_then(|(group, values)| {
            self.has_several_groups |= values.has_several(doc);
            values.bits(doc, score, group.mode)
        });
        if self.kept.wants(&self.scratch, seq_no, group, self.keep) {
            let entry = Entry {
                keys: self.scratch.clone(),
                seq_no,
                doc,
                score_bits: score.to_bits(),
            };
            self.kept.add(entry, group, self.keep);
        }
    }

    /// Ids of the kept hits, if the sort is by id.
    fn ids_by_doc(&self) -> std::collections::HashMap<DocId, String> {
        let mut found = std::collections::HashMap::new();
        let Some(Values::Ids(ordinals)) = self.values.iter().find(|values| matches!(values, Values::Ids(_)))
        else {
            return found;
        };
        let Ok(inverted) = self.reader.inverted_index(self.schema.id) else {
            return found;
        };
        for entry in self.kept.entries() {
            let mut bytes = Vec::new();
            let ordinal = u64::from(ordinals[entry.doc as usize]);
            if inverted.terms().ord_to_term(ordinal, &mut bytes).unwrap_or(false) {
                found.insert(entry.doc, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        found
    }
}
