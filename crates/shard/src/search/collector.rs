//! Counts matches and keeps the best, by any sort.
//!
//! Within a segment every criterion is a number whose order is that of the values (column ordinals for texts); real values are read for the
//! hits that are kept. Hits that are equal in all criteria are ordered by sequence number, so that a page never depends on segments.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use es_exception::{Exception, ExceptionKind};
use index_meta::{FieldType, Mapping, QueryContext, QueryValue, parse_query_value};
use oplog::SeqNo;
use serde_json::Value;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, f64_to_u64, i64_to_u64};

use super::hits::{ShardHit, SortValue};
use super::id_ordinals::id_ordinals;
use super::request::SearchRequest;
use super::sort::{SHARD_DOC, SortClause, SortMissing, SortOrder};
use crate::view::{SEQ_NO, ViewSchema, ip_of_term, ip_term};

/// Where the values of a criterion come from.
#[derive(Debug, Clone, PartialEq)]
enum Origin {
    Score,
    SeqNo,
    /// The sequence number, behind those of all shards before this one.
    ShardDoc {
        position: u32,
    },
    Id,
    Column {
        name: String,
        field_type: FieldType,
    },
    /// An unmapped field that has an `unmapped_type`.
    Nowhere,
}

/// A value to compare with those of a segment.
#[derive(Debug, Clone, PartialEq)]
enum Fixed {
    Null,
    Long(i64),
    Double(f64),
    Text(String),
}

/// A sort clause, resolved by the mapping.
#[derive(Debug, Clone, PartialEq)]
struct Criterion {
    origin: Origin,
    descending: bool,
    takes_max: bool,
    missing_first: bool,
    /// Stands in for a missing value.
    missing_value: Option<Fixed>,
    after: Option<Fixed>,
}

/// See the module.
pub(super) struct TopHits {
    schema: ViewSchema,
    criteria: Vec<Criterion>,
    keep: usize,
    scoring: bool,
    min_score: Option<f32>,
    has_after: bool,
    returns_sort: bool,
    returns_score: bool,
}

/// What a segment, or a shard, found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) max_score: Option<f32>,
    pub(super) hits: Vec<ShardHit>,
}

/// A criterion's value of one document, ordered as the hits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// 0: missing and first, 1: present, 2: missing and last.
    rank: u8,
    bits: u64,
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
        Ok(Self {
            schema: schema.clone(),
            criteria,
            keep: request.from.saturating_add(request.size),
            scoring: request.needs_scores(),
            min_score: request.min_score,
            has_after: request.search_after.is_some(),
            returns_sort: !request.sort.is_empty(),
            returns_score: request.returns_scores(),
        })
    }
}

impl Criterion {
    fn new(
        clause: &SortClause,
        origin: Origin,
        after: Option<&Value>,
        mapping: &Mapping,
        now_millis: i64,
    ) -> Result<Self, Exception> {
        let fixed = |value: &Value| fix(clause, &origin, value, mapping, now_millis);
        let missing_value = match &clause.missing {
            SortMissing::Value(_) if origin == Origin::Nowhere => None,
            SortMissing::Value(value) => Some(fixed(value)?),
            SortMissing::First | SortMissing::Last => None,
        };
        let after = after.map(fixed).transpose()?;
        Ok(Self {
            descending: clause.order == SortOrder::Descending,
            takes_max: clause.takes_max(),
            missing_first: clause.missing == SortMissing::First,
            missing_value,
            after,
            origin,
        })
    }

    fn key(&self, bits: Option<u64>) -> Key {
        match bits {
            Some(bits) => Key {
                rank: 1,
                bits: if self.descending { !bits } else { bits },
            },
            None => Key {
                rank: if self.missing_first { 0 } else { 2 },
                bits: 0,
            },
        }
    }
}

fn resolve(clause: &SortClause, mapping: &Mapping, position: u32) -> Result<Origin, Exception> {
    match clause.field.as_str() {
        SHARD_DOC => return Ok(Origin::ShardDoc { position }),
        "_score" => return Ok(Origin::Score),
        // The order of a shard's documents that lasts is the order of their operations.
        "_doc" | "_seq_no" => return Ok(Origin::SeqNo),
        "_id" => return Ok(Origin::Id),
        _ => {}
    }
    let Some(field) = mapping.field(&clause.field) else {
        return match clause.unmapped_type {
            Some(_) => Ok(Origin::Nowhere),
            None => Err(Exception::new(
                ExceptionKind::QueryShard,
                format!("No mapping found for [{}] in order to sort on", clause.field),
            )),
        };
    };
    if field.field_type() == FieldType::Text {
        return Err(Exception::illegal_argument(format!(
            "Fielddata is disabled on [{0}]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead.",
            clause.field
        )));
    }
    if !field.has_doc_values() {
        return Err(Exception::illegal_argument(format!(
            "Can't load fielddata on [{}] because fielddata is unsupported on fields of type [{}]. Use doc values instead.",
            clause.field,
            field.field_type().name()
        )));
    }
    Ok(Origin::Column {
        name: ViewSchema::exact_column(field.path()),
        field_type: field.field_type(),
    })
}

/// Reads a value of the request for the criterion.
fn fix(
    clause: &SortClause,
    origin: &Origin,
    value: &Value,
    mapping: &Mapping,
    now_millis: i64,
) -> Result<Fixed, Exception> {
    let bad = || {
        Exception::illegal_argument(format!(
            "Failed to parse search_after value for field [{}]: [{value}]",
            clause.field
        ))
    };
    if value.is_null() {
        return Ok(Fixed::Null);
    }
    match origin {
        // Nothing here has a value, and an index that has the field gave this one: all documents here are on one side of it.
        Origin::Nowhere => Ok(Fixed::Long(0)),
        Origin::Score => value.as_f64().map(Fixed::Double).ok_or_else(bad),
        Origin::SeqNo | Origin::ShardDoc { .. } => {
            let number = value
                .as_i64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            number.map(Fixed::Long).ok_or_else(bad)
        }
        Origin::Id => value
            .as_str()
            .map(|text| Fixed::Text(text.to_owned()))
            .ok_or_else(bad),
        Origin::Column { field_type, .. } => {
            // Sort values of booleans and dates are numbers, whatever the field's format is.
            if let (FieldType::Boolean | FieldType::Date, Some(number)) = (field_type, value.as_i64()) {
                return Ok(Fixed::Long(number));
            }
            let Some(field) = mapping.field(&clause.field) else {
                return Ok(Fixed::Null);
            };
            let parsed = parse_query_value(field, value, &QueryContext::at(now_millis))
                .map_err(|error| error.to_exception())?;
            match parsed {
                QueryValue::Text(text) | QueryValue::Keyword(text) => Ok(Fixed::Text(text)),
                QueryValue::Long(number)
                | QueryValue::Date(number)
                | QueryValue::DateRange { first: number, .. } => Ok(Fixed::Long(number)),
                QueryValue::Double(number) => Ok(Fixed::Double(number)),
                QueryValue::Boolean(flag) => Ok(Fixed::Long(i64::from(flag))),
                QueryValue::Ip(address) => Ok(Fixed::Text(ip_term(address))),
                QueryValue::IpRange { .. } | QueryValue::MatchNone => Err(bad()),
            }
        }
    }
}

/// The values of a criterion in one segment.
enum Values {
    Score,
    SeqNo(Column<u64>),
    ShardDoc(Column<u64>, u32),
    Ids(Vec<u32>),
    Long(Column<i64>),
    Double(Column<f64>),
    Boolean(Column<bool>),
    Text(StrColumn),
    None,
}

impl Values {
    fn open(criterion: &Criterion, reader: &SegmentReader, schema: &ViewSchema) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        Ok(match &criterion.origin {
            Origin::Score => Self::Score,
            Origin::SeqNo => Self::SeqNo(columns.u64(SEQ_NO)?),
            Origin::ShardDoc { position } => Self::ShardDoc(columns.u64(SEQ_NO)?, *position),
            Origin::Id => Self::Ids(id_ordinals(reader, schema.id)?),
            Origin::Nowhere => Self::None,
            Origin::Column { name, field_type } => match field_type {
                FieldType::Text => Self::None,
                FieldType::Keyword | FieldType::Ip => columns.str(name)?.map_or(Self::None, Self::Text),
                FieldType::Boolean => columns
                    .column_opt::<bool>(name)?
                    .map_or(Self::None, Self::Boolean),
                numeric if numeric.is_float() => match columns.column_opt::<f64>(name)? {
                    Some(column) => Self::Double(column),
                    None => columns.column_opt::<i64>(name)?.map_or(Self::None, Self::Long),
                },
                _ => columns.column_opt::<i64>(name)?.map_or(Self::None, Self::Long),
            },
        })
    }

    /// The document's value as an ordered number.
    fn bits(&self, doc: DocId, score: Score, takes_max: bool) -> Option<u64> {
        match self {
            Self::Score => Some(f64_to_u64(f64::from(score))),
            Self::SeqNo(column) => column.first(doc),
            Self::ShardDoc(column, position) => column.first(doc).map(|seq_no| shard_doc(*position, seq_no)),
            Self::Ids(ordinals) => ordinals
                .get(doc as usize)
                .map(|ordinal| exact(u64::from(*ordinal))),
            Self::Long(column) => pick(column.values_for_doc(doc).map(i64_to_u64), takes_max),
            Self::Double(column) => pick(column.values_for_doc(doc).map(f64_to_u64), takes_max),
            Self::Boolean(column) => pick(column.values_for_doc(doc).map(u64::from), takes_max),
            Self::Text(column) => pick(column.term_ords(doc), takes_max).map(exact),
            Self::None => None,
        }
    }

    /// A value of the request as a number in the segment's order; between two ordinals if the segment has no such text.
    fn fixed_bits(
        &self,
        fixed: &Fixed,
        reader: &SegmentReader,
        schema: &ViewSchema,
    ) -> tantivy::Result<Option<u64>> {
        Ok(match (self, fixed) {
            (_, Fixed::Null) => None,
            (Self::Score | Self::Double(_), Fixed::Double(number)) => Some(f64_to_u64(*number)),
            (Self::Double(_), Fixed::Long(number)) => Some(f64_to_u64(*number as f64)),
            (Self::SeqNo(_) | Self::ShardDoc(..), Fixed::Long(number)) => {
                Some(u64::try_from(*number).unwrap_or(0))
            }
            (Self::Long(_), Fixed::Long(number)) => Some(i64_to_u64(*number)),
            (Self::Long(_), Fixed::Double(number)) => Some(i64_to_u64(*number as i64)),
            (Self::Boolean(_), Fixed::Long(number)) => Some(u64::from(*number != 0)),
            (Self::Ids(ordinals), Fixed::Text(text)) => {
                let inverted = reader.inverted_index(schema.id)?;
                let dictionary = inverted.terms();
                let mut terms = dictionary.range().ge(text.as_bytes()).into_stream()?;
                // A stream over a range counts its ordinals from the range's beginning.
                Some(match terms.advance() {
                    true => match dictionary.term_ord(terms.key())? {
                        Some(ordinal) if terms.key() == text.as_bytes() => exact(ordinal),
                        ordinal => gap(ordinal.unwrap_or(0)),
                    },
                    false => gap(ordinals.len() as u64),
                })
            }
            (Self::Text(column), Fixed::Text(text)) => {
                let mut terms = column.dictionary().range().ge(text.as_bytes()).into_stream()?;
                Some(match terms.advance() {
                    true if terms.key() == text.as_bytes() => exact(terms.term_ord()),
                    true => gap(terms.term_ord()),
                    false => gap(column.num_terms() as u64),
                })
            }
            // No document here has a value: any number orders it before or behind all missing ones.
            (Self::None, _) => Some(gap(0)),
            _ => None,
        })
    }

    fn value(
        &self,
        criterion: &Criterion,
        bits: Option<u64>,
        id: impl FnOnce() -> Option<String>,
    ) -> SortValue {
        let Some(bits) = bits else {
            return match &criterion.missing_value {
                Some(fixed) => criterion.shown(fixed),
                None => SortValue::Null,
            };
        };
        match self {
            Self::Score | Self::Double(_) => SortValue::Double(tantivy::u64_to_f64(bits)),
            Self::SeqNo(_) | Self::ShardDoc(..) | Self::Boolean(_) => {
                SortValue::Long(i64::try_from(bits).unwrap_or(i64::MAX))
            }
            Self::Long(_) => SortValue::Long(tantivy::u64_to_i64(bits)),
            Self::Ids(_) => id().map_or(SortValue::Null, SortValue::Text),
            Self::Text(column) => {
                let mut text = String::new();
                match column.ord_to_str(bits / 4, &mut text) {
                    Ok(true) => criterion.shown(&Fixed::Text(text)),
                    _ => SortValue::Null,
                }
            }
            Self::None => SortValue::Null,
        }
    }
}

impl Criterion {
    fn shown(&self, fixed: &Fixed) -> SortValue {
        let is_ip = matches!(
            &self.origin,
            Origin::Column {
                field_type: FieldType::Ip,
                ..
            }
        );
        match fixed {
            Fixed::Null => SortValue::Null,
            Fixed::Long(number) => SortValue::Long(*number),
            Fixed::Double(number) => SortValue::Double(*number),
            Fixed::Text(text) if is_ip => ip_of_term(text).map_or(SortValue::Null, SortValue::Ip),
            Fixed::Text(text) => SortValue::Text(text.clone()),
        }
    }
}

/// Bits of `_shard_doc` for the sequence number. A shard would take a million operations a second for half a year to use them up; beyond that its
/// last documents share a value.
const SEQ_NO_BITS: u32 = 44;

/// The value of `_shard_doc`: positive as the `i64` that clients see.
fn shard_doc(position: u32, seq_no: u64) -> u64 {
    let last = (1 << SEQ_NO_BITS) - 1;
    let most = i64::MAX as u64 >> SEQ_NO_BITS;
    (u64::from(position).min(most) << SEQ_NO_BITS) | seq_no.min(last)
}

/// The number of a term of the segment.
fn exact(ordinal: u64) -> u64 {
    4 * ordinal + 3
}

/// The number of a text that the segment does not have, just before the term with this ordinal. One less and one more are free.
fn gap(before: u64) -> u64 {
    4 * before + 1
}

impl Fixed {
    /// Order of two values of one criterion.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Long(left), Self::Long(right)) => left.cmp(right),
            (Self::Double(left), Self::Double(right)) => left.total_cmp(right),
            _ => Ordering::Equal,
        }
    }
}

fn pick(values: impl Iterator<Item = u64>, takes_max: bool) -> Option<u64> {
    if takes_max { values.max() } else { values.min() }
}

/// A kept hit; the worst is the greatest.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    keys: Vec<Key>,
    seq_no: u64,
    doc: DocId,
    score_bits: u32,
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.keys.cmp(&other.keys).then(self.seq_no.cmp(&other.seq_no))
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
    keep: usize,
    min_score: Option<f32>,
    returns_sort: bool,
    returns_score: bool,
    count: u64,
    max_score: Option<f32>,
    heap: BinaryHeap<Entry>,
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
                } else {
                    criterion.key(bits.or(Some(0)))
                });
            }
            missing.push(criterion.key(stand_in));
            values.push(opened);
        }
        Ok(SegmentTopHits {
            reader: reader.clone(),
            schema: schema.clone(),
            criteria: self.criteria.clone(),
            values,
            missing,
            after: self.has_after.then_some(after),
            seq_no: reader.fast_fields().u64(SEQ_NO)?,
            keep: self.keep,
            min_score: self.min_score,
            returns_sort: self.returns_sort,
            returns_score: self.returns_score,
            count: 0,
            max_score: None,
            heap: BinaryHeap::new(),
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
        }
        Ok(merged)
    }
}

impl SegmentCollector for SegmentTopHits {
    type Fruit = Found;

    fn collect(&mut self, doc: DocId, score: Score) {
        if self.min_score.is_some_and(|minimum| score < minimum) {
            return;
        }
        self.count += 1;
        if self.returns_score {
            self.max_score = Some(self.max_score.map_or(score, |best| best.max(score)));
        }
        if self.keep == 0 {
            return;
        }
        self.scratch.clear();
        for ((criterion, values), missing) in self.criteria.iter().zip(&self.values).zip(&self.missing) {
            let key = match values.bits(doc, score, criterion.takes_max) {
                Some(bits) => criterion.key(Some(bits)),
                None => *missing,
            };
            self.scratch.push(key);
        }
        if self.after.as_ref().is_some_and(|after| self.scratch <= *after) {
            return;
        }
        let seq_no = self.seq_no.first(doc).unwrap_or(u64::MAX);
        if self.heap.len() >= self.keep
            && let Some(worst) = self.heap.peek()
        {
            if (&self.scratch, seq_no) >= (&worst.keys, worst.seq_no) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Entry {
            keys: self.scratch.clone(),
            seq_no,
            doc,
            score_bits: score.to_bits(),
        });
    }

    fn harvest(self) -> Found {
        let ids = self.ids_by_doc();
        let mut hits = Vec::with_capacity(self.heap.len());
        for entry in &self.heap {
            let score = Score::from_bits(entry.score_bits);
            let mut sort = Vec::new();
            if self.returns_sort {
                for (criterion, values) in self.criteria.iter().zip(&self.values) {
                    let bits = values.bits(entry.doc, score, criterion.takes_max);
                    sort.push(values.value(criterion, bits, || ids.get(&entry.doc).cloned()));
                }
            }
            hits.push(ShardHit {
                score: self.returns_score.then_some(score),
                sort,
                seq_no: SeqNo::new(entry.seq_no),
            });
        }
        Found {
            count: self.count,
            max_score: self.max_score,
            hits,
        }
    }
}

impl SegmentTopHits {
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
        for entry in &self.heap {
            let mut bytes = Vec::new();
            let ordinal = u64::from(ordinals[entry.doc as usize]);
            if inverted.terms().ord_to_term(ordinal, &mut bytes).unwrap_or(false) {
                found.insert(entry.doc, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        found
    }
}
