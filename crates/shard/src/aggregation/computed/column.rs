//! A column of a segment by the type of its field.

use tantivy::SegmentReader;
use tantivy::columnar::{Column, StrColumn};

use crate::aggregation::shape::ValueKind;

/// The values of a field in one segment.
pub(in crate::aggregation) enum SegmentColumn {
    None,
    Long(Column<i64>),
    Double(Column<f64>),
    /// A field of fractions that has whole numbers alone in this segment.
    LongAsDouble(Column<i64>),
    Boolean(Column<bool>),
    Text(StrColumn),
}

impl SegmentColumn {
    pub(in crate::aggregation) fn open(
        reader: &SegmentReader,
        name: &str,
        kind: ValueKind,
    ) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        Ok(match kind {
            ValueKind::Unmapped => Self::None,
            ValueKind::Long | ValueKind::Date => columns.column_opt(name)?.map_or(Self::None, Self::Long),
            ValueKind::Double => match columns.column_opt(name)? {
                Some(column) => Self::Double(column),
                // The index holds every number in its narrowest form.
                None => columns.column_opt(name)?.map_or(Self::None, Self::LongAsDouble),
            },
            ValueKind::Boolean => columns.column_opt(name)?.map_or(Self::None, Self::Boolean),
            ValueKind::Keyword | ValueKind::Ip => columns.str(name)?.map_or(Self::None, Self::Text),
        })
    }
}
