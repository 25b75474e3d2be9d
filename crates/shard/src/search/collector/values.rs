//! The values of a criterion in one segment.

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentReader, f64_to_u64, i64_to_u64};

use super::criterion::{Criterion, Fixed, Origin};
use crate::search::hits::SortValue;
use crate::search::id_ordinals::id_ordinals;
use crate::search::sort::{NumericType, SortMode};
use crate::view::{SEQ_NO, ViewSchema};
use index_meta::FieldType;

/// The values of a criterion in one segment.
pub(super) enum Values {
    Score,
    SeqNo(Column<u64>),
    ShardDoc(Column<u64>, u32),
    Ids(Vec<u32>),
    Long(Column<i64>),
    Double(Column<f64>),
    /// Whole numbers that are sorted as others.
    LongAsDouble(Column<i64>),
    DoubleAsLong(Column<f64>),
    Boolean(Column<bool>),
    Text(StrColumn),
    None,
}

impl Values {
    pub(super) fn open(
        criterion: &Criterion,
        reader: &SegmentReader,
        schema: &ViewSchema,
    ) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        Ok(match &criterion.origin {
            Origin::Score => Self::Score,
            Origin::SeqNo => Self::SeqNo(columns.u64(SEQ_NO)?),
            Origin::ShardDoc { position } => Self::ShardDoc(columns.u64(SEQ_NO)?, *position),
            Origin::Id => Self::Ids(id_ordinals(reader, schema.id)?),
            Origin::Nowhere => Self::None,
            Origin::Column {
                name,
                field_type,
                cast,
            } => match field_type {
                FieldType::Text => Self::None,
                FieldType::Keyword | FieldType::Ip => columns.str(name)?.map_or(Self::None, Self::Text),
                FieldType::Boolean => columns
                    .column_opt::<bool>(name)?
                    .map_or(Self::None, Self::Boolean),
                numeric if numeric.is_float() => match (columns.column_opt::<f64>(name)?, cast) {
                    (Some(column), Some(NumericType::Long)) => Self::DoubleAsLong(column),
                    (Some(column), _) => Self::Double(column),
                    // The index holds every number in its narrowest form.
                    (None, cast) => longs(columns.column_opt::<i64>(name)?, *cast != Some(NumericType::Long)),
                },
                _ => longs(
                    columns.column_opt::<i64>(name)?,
                    *cast == Some(NumericType::Double),
                ),
            },
        })
    }

    /// The document's value as an ordered number; of several values, what `mode` makes of them.
    pub(super) fn bits(&self, doc: DocId, score: Score, mode: SortMode) -> Option<u64> {
        match self {
            Self::Score => Some(f64_to_u64(f64::from(score))),
            Self::SeqNo(column) => column.first(doc),
            Self::ShardDoc(column, position) => column.first(doc).map(|seq_no| shard_doc(*position, seq_no)),
            Self::Ids(ordinals) => ordinals
                .get(doc as usize)
                .map(|ordinal| exact(u64::from(*ordinal))),
            Self::Long(column) if !column.get_cardinality().is_multivalue() => {
                column.first(doc).map(i64_to_u64)
            }
            Self::Long(column) => combine_longs(column.values_for_doc(doc), mode).map(i64_to_u64),
            Self::Double(column) if !column.get_cardinality().is_multivalue() => {
                column.first(doc).map(f64_to_u64)
            }
            Self::Double(column) => combine_doubles(column.values_for_doc(doc), mode).map(f64_to_u64),
            Self::LongAsDouble(column) => {
                let values = column.values_for_doc(doc).map(|number| number as f64);
                combine_doubles(values, mode).map(f64_to_u64)
            }
            Self::DoubleAsLong(column) => {
                let values = column.values_for_doc(doc).map(|number| number as i64);
                combine_longs(values, mode).map(i64_to_u64)
            }
            Self::Boolean(column) => {
                let values = column.values_for_doc(doc).map(i64::from);
                combine_longs(values, mode).and_then(|number| u64::try_from(number).ok())
            }
            Self::Text(column) => match mode {
                SortMode::Max => column.term_ords(doc).max(),
                _ => column.term_ords(doc).min(),
            }
            .map(exact),
            Self::None => None,
        }
    }

    /// Whether the document has several values of the field.
    pub(super) fn has_several(&self, doc: DocId) -> bool {
        match self {
            Self::Long(column) | Self::LongAsDouble(column) => column.values_for_doc(doc).nth(1).is_some(),
            Self::Double(column) | Self::DoubleAsLong(column) => column.values_for_doc(doc).nth(1).is_some(),
            Self::Text(column) => column.term_ords(doc).nth(1).is_some(),
            Self::Score
            | Self::SeqNo(_)
            | Self::ShardDoc(..)
            | Self::Ids(_)
            | Self::Boolean(_)
            | Self::None => false,
        }
    }

    /// A value of the request as a number in the segment's order; between two ordinals if the segment has no such text.
    pub(super) fn fixed_bits(
        &self,
        fixed: &Fixed,
        reader: &SegmentReader,
        schema: &ViewSchema,
    ) -> tantivy::Result<Option<u64>> {
        Ok(match (self, fixed) {
            (_, Fixed::Null) => None,
            (Self::Score | Self::Double(_) | Self::LongAsDouble(_), Fixed::Double(number)) => {
                Some(f64_to_u64(*number))
            }
            (Self::Double(_) | Self::LongAsDouble(_), Fixed::Long(number)) => {
                Some(f64_to_u64(*number as f64))
            }
            (Self::SeqNo(_) | Self::ShardDoc(..), Fixed::Long(number)) => {
                Some(u64::try_from(*number).unwrap_or(0))
            }
            (Self::Long(_) | Self::DoubleAsLong(_), Fixed::Long(number)) => Some(i64_to_u64(*number)),
            (Self::Long(_) | Self::DoubleAsLong(_), Fixed::Double(number)) => {
                Some(i64_to_u64(*number as i64))
            }
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

    /// Whether a value of the request is below all that there can be here, and has no number.
    pub(super) fn are_all_above(&self, fixed: &Fixed) -> bool {
        matches!((self, fixed), (Self::SeqNo(_) | Self::ShardDoc(..), Fixed::Long(number)) if *number < 0)
    }

    pub(super) fn value(
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
            Self::Score | Self::Double(_) | Self::LongAsDouble(_) => {
                SortValue::Double(tantivy::u64_to_f64(bits))
            }
            Self::SeqNo(_) | Self::ShardDoc(..) | Self::Boolean(_) => {
                SortValue::Long(i64::try_from(bits).unwrap_or(i64::MAX))
            }
            Self::Long(_) | Self::DoubleAsLong(_) => criterion.shown_long(tantivy::u64_to_i64(bits)),
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

/// Bits of `_shard_doc` for the sequence number. A shard would take a million operations a second for half a year to use them up; beyond that its
/// last documents share a value.
const SEQ_NO_BITS: u32 = 44;

/// The value of `_shard_doc`: positive as the `i64` that clients see.
fn shard_doc(position: u32, seq_no: u64) -> u64 {
    let last = (1 << SEQ_NO_BITS) - 1;
    let most = i64::MAX as u64 >> SEQ_NO_BITS;
    (u64::from(position).min(most) << SEQ_NO_BITS) | seq_no.min(last)
}

/// The last sequence number of the shard at `position` whose `_shard_doc` is not above `bits`; `None` if there is none.
pub(super) fn seq_no_of_shard_doc(position: u32, bits: u64) -> Option<u64> {
    let last = (1 << SEQ_NO_BITS) - 1;
    let before = bits.checked_sub(shard_doc(position, 0))?;
    Some(if before >= last { u64::MAX } else { before })
}

/// The number of a term of the segment.
fn exact(ordinal: u64) -> u64 {
    4 * ordinal + 3
}

/// The number of a text that the segment does not have, just before the term with this ordinal. One less and one more are free.
fn gap(before: u64) -> u64 {
    4 * before + 1
}

fn longs(column: Option<Column<i64>>, as_double: bool) -> Values {
    match (column, as_double) {
        (None, _) => Values::None,
        (Some(column), true) => Values::LongAsDouble(column),
        (Some(column), false) => Values::Long(column),
    }
}

/// Source: how Elasticsearch makes one of several whole numbers; means are rounded.
fn combine_longs(mut values: impl Iterator<Item = i64>, mode: SortMode) -> Option<i64> {
    match mode {
        SortMode::Min => values.min(),
        SortMode::Max => values.max(),
        SortMode::Sum => values.reduce(i64::wrapping_add),
        SortMode::Average => {
            let first = values.next()?;
            let (sum, count) = values.fold((i128::from(first), 1), |(sum, count), value| {
                (sum + i128::from(value), count + 1)
            });
            Some(rounded(sum as f64 / f64::from(count)))
        }
        SortMode::Median => {
            let mut values: Vec<i64> = values.collect();
            values.sort_unstable();
            let middle = values.len() / 2;
            match values.len() % 2 {
                1 => values.get(middle).copied(),
                _ => {
                    let (low, high) = (values.get(middle.checked_sub(1)?)?, values.get(middle)?);
                    Some(rounded((*low as f64 + *high as f64) / 2.0))
                }
            }
        }
    }
}

/// Source: Java rounds a half up.
fn rounded(number: f64) -> i64 {
    (number + 0.5).floor() as i64
}

fn combine_doubles(mut values: impl Iterator<Item = f64>, mode: SortMode) -> Option<f64> {
    match mode {
        SortMode::Min => values.reduce(f64::min),
        SortMode::Max => values.reduce(f64::max),
        SortMode::Sum => values.reduce(|sum, value| sum + value),
        SortMode::Average => {
            let first = values.next()?;
            let (sum, count) = values.fold((first, 1), |(sum, count), value| (sum + value, count + 1));
            Some(sum / f64::from(count))
        }
        SortMode::Median => {
            let mut values: Vec<f64> = values.collect();
            values.sort_unstable_by(f64::total_cmp);
            let middle = values.len() / 2;
            match values.len() % 2 {
                1 => values.get(middle).copied(),
                _ => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_among_the_shards_tells_the_last_sequence_number_before_it() {
        let last = (1 << SEQ_NO_BITS) - 1;
        assert_eq!(seq_no_of_shard_doc(2, shard_doc(2, 7)), Some(7));
        assert_eq!(seq_no_of_shard_doc(2, shard_doc(1, 7)), None);
        assert_eq!(seq_no_of_shard_doc(2, shard_doc(3, 0)), Some(u64::MAX));
        assert_eq!(seq_no_of_shard_doc(2, shard_doc(2, last)), Some(u64::MAX));
    }

    #[test]
    fn several_numbers_are_made_one() {
        use SortMode::{Average, Max, Median, Min, Sum};
        for (values, expected) in [
            (&[3, 1, 4][..], [1, 4, 8, 3, 3]),
            (&[1, 2], [1, 2, 3, 2, 2]),
            (&[-1, -2], [-2, -1, -3, -1, -1]),
            (&[5], [5; 5]),
        ] {
            let read =
                [Min, Max, Sum, Average, Median].map(|mode| combine_longs(values.iter().copied(), mode));
            assert_eq!(read, expected.map(Some), "{values:?}");
        }
        let doubles = [0.5, 4.0, 1.5, 2.0];
        let read = [Min, Max, Sum, Average, Median].map(|mode| combine_doubles(doubles.into_iter(), mode));
        assert_eq!(read, [0.5, 4.0, 8.0, 2.0, 1.75].map(Some));
        for mode in [Min, Max, Sum, Average, Median] {
            assert_eq!(combine_longs(std::iter::empty(), mode), None);
            assert_eq!(combine_doubles(std::iter::empty(), mode), None);
        }
    }
}
