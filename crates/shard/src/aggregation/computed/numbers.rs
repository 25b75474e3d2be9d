//! Numbers with something in the place of missing ones, and dates as the starts of their buckets.

use std::collections::BTreeMap;
use std::fmt;

use index_meta::DateRounding;
use tantivy::aggregation::{ValueSource, ValueSourceProvider};
use tantivy::columnar::{Cardinality, ColumnType, RowId};
use tantivy::{DocId, SegmentReader, f64_to_u64, i64_to_u64};

use super::SegmentColumn;
use crate::aggregation::shape::ValueKind;

/// Buckets of dates that are remembered; as many as an answer can have.
const MAX_STARTS: usize = 65_536;

/// The numbers of a field, changed.
#[derive(Debug, Clone)]
pub(in crate::aggregation) struct Numbers {
    /// The column of the field.
    pub(in crate::aggregation) column: String,
    pub(in crate::aggregation) kind: ValueKind,
    /// What documents without a value have.
    pub(in crate::aggregation) missing: Option<f64>,
    /// The least and the greatest value that is read.
    pub(in crate::aggregation) bounds: Option<(f64, f64)>,
    /// Values become the starts of their buckets.
    pub(in crate::aggregation) rounding: Option<DateRounding>,
}

impl ValueSourceProvider for Numbers {
    fn for_segment(
        &self,
        reader: &SegmentReader,
        _allowed_column_types: Option<&[ColumnType]>,
    ) -> tantivy::Result<Option<Box<dyn ValueSource>>> {
        Ok(Some(Box::new(SegmentNumbers {
            column: SegmentColumn::open(reader, &self.column, self.kind)?,
            missing: self.missing,
            bounds: self.bounds,
            starts: self.rounding.clone().map(Starts::new),
            is_double: self.rounding.is_none(),
        })))
    }
}

struct SegmentNumbers {
    column: SegmentColumn,
    missing: Option<f64>,
    bounds: Option<(f64, f64)>,
    starts: Option<Starts>,
    is_double: bool,
}

impl SegmentNumbers {
    fn push(&mut self, doc: DocId, number: f64, values: &mut Vec<u64>, docids: &mut Vec<DocId>) {
        if self
            .bounds
            .is_some_and(|(least, greatest)| number < least || number > greatest)
        {
            return;
        }
        let value = match &mut self.starts {
            // Milliseconds of dates are far below 2^53.
            Some(starts) => {
                let start = starts.of(number as i64);
                match self.is_double {
                    true => f64_to_u64(start as f64),
                    false => i64_to_u64(start),
                }
            }
            None => f64_to_u64(number),
        };
        values.push(value);
        docids.push(doc);
    }
}

impl ValueSource for SegmentNumbers {
    fn column_type(&self) -> ColumnType {
        match self.is_double {
            true => ColumnType::F64,
            false => ColumnType::I64,
        }
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
        let mut numbers: Vec<f64> = Vec::new();
        for doc in docs {
            match &self.column {
                SegmentColumn::Long(column) | SegmentColumn::LongAsDouble(column) => {
                    numbers.extend(column.values_for_doc(*doc).map(|number| number as f64));
                }
                SegmentColumn::Double(column) => numbers.extend(column.values_for_doc(*doc)),
                SegmentColumn::Boolean(column) => {
                    numbers.extend(column.values_for_doc(*doc).map(|flag| f64::from(u8::from(flag))));
                }
                SegmentColumn::Text(_) | SegmentColumn::None => {}
            }
            if numbers.is_empty() {
                numbers.extend(self.missing);
            }
            for number in numbers.drain(..) {
                self.push(*doc, number, values, docids);
            }
        }
        Cardinality::Multivalued
    }

    fn to_f64(mut self: Box<Self>) -> Box<dyn ValueSource> {
        self.is_double = true;
        self
    }
}

impl fmt::Debug for SegmentNumbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SegmentNumbers")
            .field("missing", &self.missing)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// The starts of buckets of dates. Neighbours share a bucket mostly, and a calendar is slow.
pub(in crate::aggregation) struct Starts {
    rounding: DateRounding,
    last: (i64, i64),
    /// First and end of the buckets that were met.
    met: BTreeMap<i64, i64>,
}

impl Starts {
    pub(in crate::aggregation) const fn new(rounding: DateRounding) -> Self {
        Self {
            rounding,
            last: (0, 0),
            met: BTreeMap::new(),
        }
    }

    /// The start of the bucket of a date.
    pub(in crate::aggregation) fn of(&mut self, millis: i64) -> i64 {
        if !(self.last.0..self.last.1).contains(&millis) {
            self.last = self.find(millis);
        }
        self.last.0
    }

    fn find(&mut self, millis: i64) -> (i64, i64) {
        if let Some((start, end)) = self.met.range(..=millis).next_back()
            && millis < *end
        {
            return (*start, *end);
        }
        let start = self.rounding.round(millis);
        let end = self.rounding.next(start);
        if self.met.len() >= MAX_STARTS {
            self.met.clear();
        }
        self.met.insert(start, end);
        (start, end)
    }
}
