//! The values of a criterion in one segment.

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentReader, f64_to_u64, i64_to_u64};

use super::criterion::{Criterion, Fixed, Origin};
use crate::search::hits::SortValue;
use crate::search::id_ordinals::id_ordinals;
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
    pub(super) fn bits(&self, doc: DocId, score: Score, takes_max: bool) -> Option<u64> {
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
    pub(super) fn fixed_bits(
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

fn pick(values: impl Iterator<Item = u64>, takes_max: bool) -> Option<u64> {
    if takes_max { values.max() } else { values.min() }
}
