//! The combinations of the documents of a segment, as a column of texts.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tantivy::aggregation::{ValueSource, ValueSourceDictionary, ValueSourceProvider};
use tantivy::columnar::{Cardinality, ColumnType, RowId};
use tantivy::{DocId, SegmentReader, f64_to_u64, i64_to_u64, u64_to_f64, u64_to_i64};

use super::{KeyValue, MissingPlace};
use crate::aggregation::computed::{SegmentColumn, Starts};
use crate::aggregation::histogram::Steps;
use crate::aggregation::shape::ValueKind;

/// Memory that the combinations of one segment may take, in bytes.
const MEMORY_LIMIT: usize = 64 * 1024 * 1024;
/// What a combination takes beside its values: its place in the order, in the list and in tantivy's buckets.
const BYTES_OF_KEY: usize = 128;
/// Most combinations of one document, which may have several values of each source.
const MAX_OF_DOCUMENT: usize = 65_536;

/// The combinations, for each segment of a shard.
#[derive(Debug, Clone)]
pub(in crate::aggregation) struct CompositeKeys {
    sources: Vec<SourcePlan>,
    after: Option<Vec<KeyValue>>,
    size: u64,
    too_many: Arc<AtomicBool>,
}

/// A source as a shard has it.
#[derive(Debug, Clone)]
pub(super) struct SourcePlan {
    pub(super) column: String,
    pub(super) kind: ValueKind,
    pub(super) steps: Option<Steps>,
    pub(super) descending: bool,
    pub(super) missing: Option<MissingPlace>,
}

impl CompositeKeys {
    pub(super) fn new(sources: Vec<SourcePlan>, after: Option<Vec<KeyValue>>, size: u64) -> Self {
        Self {
            sources,
            after,
            size,
            too_many: Arc::default(),
        }
    }

    /// Set when a segment had more combinations than there is memory for, so that what was found is not everything.
    pub(in crate::aggregation) fn too_many(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.too_many)
    }
}

impl ValueSourceProvider for CompositeKeys {
    fn for_segment(
        &self,
        reader: &SegmentReader,
        _allowed_column_types: Option<&[ColumnType]>,
    ) -> tantivy::Result<Option<Box<dyn ValueSource>>> {
        let mut sources = Vec::with_capacity(self.sources.len());
        for plan in &self.sources {
            let starts = match &plan.steps {
                Some(Steps::Dates(rounding)) => Some(Starts::new(rounding.clone())),
                _ => None,
            };
            sources.push(SegmentSource {
                column: SegmentColumn::open(reader, &plan.column, plan.kind)?,
                plan: plan.clone(),
                starts,
            });
        }
        let after = match &self.after {
            Some(values) => {
                let parts = sources
                    .iter()
                    .zip(values)
                    .map(|(source, value)| source.after(value));
                Some(parts.collect::<tantivy::Result<Vec<_>>>()?)
            }
            None => None,
        };
        let bytes_of_key = BYTES_OF_KEY + 2 * size_of::<Part>() * sources.len();
        Ok(Some(Box::new(SegmentKeys {
            sources,
            after,
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            first: BTreeMap::new(),
            all: Vec::new(),
            most: MEMORY_LIMIT / bytes_of_key,
            too_many: Arc::clone(&self.too_many),
        })))
    }
}

/// A value of a key as numbers that order as the values of the segment do: its place among values and missing ones, and its bits.
type Part = (u8, u64);

/// A part of the key that a page begins after.
#[derive(Debug, Clone, Copy)]
struct After {
    part: Part,
    /// It comes just behind this part, as a fraction among whole numbers.
    is_behind: bool,
}

/// Whether a key comes behind the one that a page begins after.
fn is_behind(key: &[Part], after: &[After]) -> bool {
    for (part, after) in key.iter().zip(after) {
        match part.cmp(&after.part) {
            Less => return false,
            Greater => return true,
            Equal if after.is_behind => return false,
            Equal => {}
        }
    }
    false
}

const FIRST: u8 = 0;
const VALUE: u8 = 1;
const LAST: u8 = 2;

struct SegmentSource {
    plan: SourcePlan,
    column: SegmentColumn,
    starts: Option<Starts>,
}

impl SegmentSource {
    /// The parts that a document has of this source.
    fn parts(&mut self, doc: DocId, parts: &mut Vec<Part>) {
        parts.clear();
        let descending = self.plan.descending;
        let mut push = |bits: u64| parts.push((VALUE, if descending { !bits } else { bits }));
        let steps = self.plan.steps.as_ref();
        // Zero has no sign here.
        let number = |number: f64| f64_to_u64(steps.map_or(number, |steps| steps.start(number)) + 0.0);
        match (&self.column, &mut self.starts) {
            (SegmentColumn::Long(column) | SegmentColumn::LongAsDouble(column), Some(starts)) => {
                column
                    .values_for_doc(doc)
                    .for_each(|millis| push(i64_to_u64(starts.of(millis))));
            }
            (SegmentColumn::Double(column), Some(starts)) => {
                column
                    .values_for_doc(doc)
                    .for_each(|millis| push(i64_to_u64(starts.of(millis as i64))));
            }
            (SegmentColumn::Long(column), None) if steps.is_none() => {
                column
                    .values_for_doc(doc)
                    .for_each(|value| push(i64_to_u64(value)));
            }
            (SegmentColumn::Long(column) | SegmentColumn::LongAsDouble(column), _) => {
                column
                    .values_for_doc(doc)
                    .for_each(|value| push(number(value as f64)));
            }
            (SegmentColumn::Double(column), _) => {
                column.values_for_doc(doc).for_each(|value| push(number(value)));
            }
            (SegmentColumn::Boolean(column), _) => {
                column.values_for_doc(doc).for_each(|flag| push(u64::from(flag)));
            }
            (SegmentColumn::Text(column), _) => {
                column.term_ords(doc).for_each(|ordinal| push(exact(ordinal)));
            }
            (SegmentColumn::None, _) => {}
        }
        if parts.is_empty() {
            parts.extend(self.plan.missing.map(missing_part));
        }
    }

    /// The part of the key that a page begins after; between two texts if the segment does not have it.
    fn after(&self, value: &KeyValue) -> tantivy::Result<After> {
        let mut is_behind = false;
        let bits = match (value, &self.column) {
            (KeyValue::Null, _) => {
                let part = missing_part(self.plan.missing.unwrap_or(MissingPlace::First));
                return Ok(After { part, is_behind });
            }
            (KeyValue::Text(text), SegmentColumn::Text(column)) => {
                let mut terms = column.dictionary().range().ge(text.as_bytes()).into_stream()?;
                match terms.advance() {
                    true if terms.key() == text.as_bytes() => exact(terms.term_ord()),
                    true => before(terms.term_ord()),
                    false => before(column.num_terms() as u64),
                }
            }
            (KeyValue::Long(number), _) if self.is_double() => f64_to_u64(*number as f64),
            (KeyValue::Long(number), _) => i64_to_u64(*number),
            (KeyValue::Double(number), _) if self.is_double() => f64_to_u64(*number + 0.0),
            (KeyValue::Double(number), _) => {
                is_behind = number.fract() != 0.0;
                let before = if self.plan.descending {
                    number.ceil()
                } else {
                    number.floor()
                };
                i64_to_u64(before as i64)
            }
            (KeyValue::Boolean(flag), _) => u64::from(*flag),
            // No document here has a value: any orders the missing ones before or behind itself.
            (KeyValue::Text(_), _) => 0,
        };
        let part = (VALUE, if self.plan.descending { !bits } else { bits });
        Ok(After { part, is_behind })
    }

    /// Whether bits are those of a fraction.
    fn is_double(&self) -> bool {
        match &self.plan.steps {
            Some(Steps::Numbers { .. }) => true,
            Some(Steps::Dates(_)) => false,
            None => self.plan.kind == ValueKind::Double,
        }
    }

    fn value(&self, part: Part) -> io::Result<KeyValue> {
        let (place, bits) = part;
        if place != VALUE {
            return Ok(KeyValue::Null);
        }
        let bits = if self.plan.descending { !bits } else { bits };
        Ok(match &self.column {
            SegmentColumn::Text(column) => {
                let mut text = String::new();
                if !column.ord_to_str(ordinal(bits), &mut text)? {
                    return Err(io::Error::other(format!(
                        "the column has no term {}",
                        ordinal(bits)
                    )));
                }
                KeyValue::Text(text)
            }
            SegmentColumn::Boolean(_) => KeyValue::Boolean(bits != 0),
            _ if self.is_double() => KeyValue::Double(u64_to_f64(bits)),
            _ => KeyValue::Long(u64_to_i64(bits)),
        })
    }
}

const fn missing_part(place: MissingPlace) -> Part {
    match place {
        MissingPlace::First => (FIRST, 0),
        MissingPlace::Last => (LAST, 0),
    }
}

/// The bits of a term of the segment.
const fn exact(ordinal: u64) -> u64 {
    2 * ordinal + 1
}

/// Just before the term with this ordinal.
const fn before(ordinal: u64) -> u64 {
    2 * ordinal
}

const fn ordinal(bits: u64) -> u64 {
    bits / 2
}

struct SegmentKeys {
    sources: Vec<SegmentSource>,
    after: Option<Vec<After>>,
    size: usize,
    /// The first combinations that were met, with their numbers in `all`.
    first: BTreeMap<Arc<[Part]>, u64>,
    /// Every combination that was among the first at some time.
    all: Vec<Arc<[Part]>>,
    most: usize,
    too_many: Arc<AtomicBool>,
}

impl SegmentKeys {
    /// The number of a combination if it is among the first.
    fn number(&mut self, key: &[Part]) -> Option<u64> {
        if self.after.as_ref().is_some_and(|after| !is_behind(key, after)) {
            return None;
        }
        if let Some(number) = self.first.get(key) {
            return Some(*number);
        }
        if self.first.len() >= self.size && self.first.last_key_value().is_some_and(|(last, _)| key > &**last)
        {
            return None;
        }
        if self.all.len() >= self.most {
            self.too_many.store(true, Ordering::Relaxed);
            return None;
        }
        if self.first.len() >= self.size {
            self.first.pop_last();
        }
        let number = self.all.len() as u64;
        let key: Arc<[Part]> = key.into();
        self.first.insert(Arc::clone(&key), number);
        self.all.push(key);
        Some(number)
    }
}

impl ValueSource for SegmentKeys {
    fn column_type(&self) -> ColumnType {
        ColumnType::Str
    }

    fn load_block(
        &mut self,
        docs: &[DocId],
        values: &mut Vec<u64>,
        docids: &mut Vec<DocId>,
        _row_ids: &mut Vec<RowId>,
    ) -> Cardinality {
        values.clear();
        docids.clear();
        let mut parts: Vec<Vec<Part>> = vec![Vec::new(); self.sources.len()];
        let mut key: Vec<Part> = Vec::with_capacity(self.sources.len());
        for doc in docs {
            for (source, parts) in self.sources.iter_mut().zip(&mut parts) {
                source.parts(*doc, parts);
            }
            let combinations = parts
                .iter()
                .try_fold(1_usize, |product, parts| product.checked_mul(parts.len()))
                .unwrap_or(usize::MAX);
            if combinations > MAX_OF_DOCUMENT {
                self.too_many.store(true, Ordering::Relaxed);
                continue;
            }
            for mut combination in 0..combinations {
                key.clear();
                for parts in &parts {
                    key.push(parts[combination % parts.len()]);
                    combination /= parts.len();
                }
                if let Some(number) = self.number(&key) {
                    values.push(number);
                    docids.push(*doc);
                }
            }
        }
        Cardinality::Multivalued
    }

    fn to_f64(self: Box<Self>) -> Box<dyn ValueSource> {
        self
    }

    fn term_dictionary(&self) -> Option<&dyn ValueSourceDictionary> {
        Some(self)
    }
}

/// Combinations are written as lists in JSON.
impl ValueSourceDictionary for SegmentKeys {
    fn num_terms(&self) -> u64 {
        self.all.len() as u64
    }

    fn sorted_ords_to_term_cb(
        &self,
        sorted_ords: &[u64],
        callback: &mut dyn FnMut(&[u8]),
    ) -> io::Result<bool> {
        for number in sorted_ords {
            let Some(key) = usize::try_from(*number)
                .ok()
                .and_then(|number| self.all.get(number))
            else {
                return Ok(false);
            };
            let values = self.sources.iter().zip(key.iter());
            let values: Value = values
                .map(|(source, part)| Ok(source.value(*part)?.to_json(source.plan.kind)))
                .collect::<io::Result<_>>()?;
            callback(values.to_string().as_bytes());
        }
        Ok(true)
    }
}

impl fmt::Debug for SegmentKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SegmentKeys")
            .field("after", &self.after)
            .field("keys", &self.all.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(size: usize, most: usize) -> SegmentKeys {
        SegmentKeys {
            sources: Vec::new(),
            after: Some(vec![After {
                part: (VALUE, 2),
                is_behind: false,
            }]),
            size,
            first: BTreeMap::new(),
            all: Vec::new(),
            most,
            too_many: Arc::default(),
        }
    }

    #[test]
    fn a_segment_keeps_the_first_combinations_behind_the_page_before() {
        let mut keys = keys(2, 100);
        let mut number = |bits: u64| keys.number(&[(VALUE, bits)]);
        assert_eq!(number(2), None, "it is on the page before");
        assert_eq!([number(9), number(7), number(9)], [Some(0), Some(1), Some(0)]);
        assert_eq!(number(11), None, "two come before it");
        assert_eq!(number(5), Some(2), "it takes the place of 9");
        assert_eq!([number(9), number(7)], [None, Some(1)]);
        assert_eq!(keys.first.len(), 2);
        assert!(!keys.too_many.load(Ordering::Relaxed));
    }

    #[test]
    fn a_page_begins_behind_a_fraction_among_whole_numbers() {
        let after = |is_behind| {
            [
                After {
                    part: (VALUE, 3),
                    is_behind,
                },
                After {
                    part: (VALUE, 5),
                    is_behind: false,
                },
            ]
        };
        for (key, behind_three, behind_three_and_a_half) in [
            ([3, 5], false, false),
            ([3, 6], true, false),
            ([4, 0], true, true),
            ([2, 9], false, false),
        ] {
            let key = key.map(|bits| (VALUE, bits));
            assert_eq!(is_behind(&key, &after(false)), behind_three, "{key:?}");
            assert_eq!(is_behind(&key, &after(true)), behind_three_and_a_half, "{key:?}");
        }
    }

    #[test]
    fn what_there_is_no_memory_for_is_told() {
        let mut keys = keys(2, 3);
        for bits in [9, 8, 7] {
            assert!(keys.number(&[(VALUE, bits)]).is_some());
        }
        assert_eq!(keys.number(&[(VALUE, 6)]), None);
        assert!(keys.too_many.load(Ordering::Relaxed));
    }
}
