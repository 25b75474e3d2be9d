//! One document on its way into the search view.
//!
//! Tantivy's own document keeps every key and text in an allocation of its own. This one keeps all of them in one buffer, texts analysed, and counts
//! the bytes in flight, because tantivy's queue is bounded in documents only.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use index_meta::{FieldMapping, FieldSink, FieldType, FieldValue};
use oplog::Frame;
use tantivy::Document;
use tantivy::schema::Field;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};

use super::inflight::{Inflight, InflightGuard};
use super::schema::ViewSchema;
use crate::analysis::{Analyzers, IndexAnalyzers};

/// A value that holds its text in the document's buffer.
#[derive(Debug, Clone)]
enum Leaf {
    Text(Range<usize>),
    Long(i64),
    Double(f64),
    Boolean(bool),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ViewDocument {
    schema: Arc<ViewSchema>,
    frame: Frame,
    buffer: String,
    exact: Vec<(Range<usize>, Leaf)>,
    /// Values of text fields, as lists of tokens.
    text: Vec<(Range<usize>, Range<usize>)>,
    /// Binary fields that have a value.
    binary: Vec<Range<usize>>,
    /// How many tokens the values of each text field have together.
    lengths: Vec<(Range<usize>, u32)>,
    /// The place among them that was added to last.
    last_length: usize,
    inflight: InflightGuard,
}

impl ViewDocument {
    /// An empty document for the operation; waits while too many bytes are in flight.
    pub(crate) fn new(schema: &Arc<ViewSchema>, frame: &Frame, inflight: &Arc<Inflight>) -> Self {
        Self {
            schema: Arc::clone(schema),
            frame: frame.clone(),
            buffer: String::with_capacity(frame.source().len()),
            exact: Vec::new(),
            text: Vec::new(),
            binary: Vec::new(),
            lengths: Vec::new(),
            last_length: 0,
            inflight: Inflight::acquire(inflight, frame.len()),
        }
    }

    /// Fills the document with what a mapping finds in its source.
    pub(crate) fn filler<'a>(&'a mut self, analyzers: &'a mut IndexAnalyzers) -> DocumentFiller<'a> {
        DocumentFiller {
            document: self,
            analyzers,
        }
    }

    /// To be called when it is complete: analysis may have made more of its texts than its frame has bytes.
    pub(crate) fn count_bytes(&mut self) {
        self.inflight.grow_to(self.buffer.len());
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.push_str(text);
        start..self.buffer.len()
    }

    fn leaf(&self, leaf: &Leaf) -> ViewValue<'_> {
        match leaf {
            Leaf::Text(range) => ViewValue::Text(&self.buffer[range.clone()]),
            Leaf::Long(number) => ViewValue::Long(*number),
            Leaf::Double(number) => ViewValue::Double(*number),
            Leaf::Boolean(flag) => ViewValue::Boolean(*flag),
        }
    }
}

/// Takes the values of a document; see [`ViewDocument::filler`].
pub(crate) struct DocumentFiller<'a> {
    document: &'a mut ViewDocument,
    analyzers: &'a mut IndexAnalyzers,
}

impl DocumentFiller<'_> {
    fn text(&mut self, path: &str, mapping: &FieldMapping, text: &str) {
        let document = &mut *self.document;
        let path = document.push(path);
        let start = document.buffer.len();
        let analyzer = Analyzers::index_analyzer(mapping);
        let length = self.analyzers.append(analyzer, text, &mut document.buffer);
        document.text.push((path.clone(), start..document.buffer.len()));
        if mapping.has_norms() && length > 0 {
            document.add_length(path, length);
        }
    }
}

impl ViewDocument {
    /// Values of one field mostly come one after the other; the objects of an array take turns with theirs, in the same order.
    fn add_length(&mut self, path: Range<usize>, length: u32) {
        let count = self.lengths.len();
        let likely = [self.last_length, self.last_length + 1, 0];
        let places = likely.into_iter().filter(|place| *place < count).chain(0..count);
        let same = |place: &usize| {
            let (other, _) = &self.lengths[*place];
            self.buffer[other.clone()] == self.buffer[path.clone()]
        };
        match { places }.find(same) {
            Some(place) => {
                self.last_length = place;
                let (_, sum) = &mut self.lengths[place];
                *sum = sum.saturating_add(length);
            }
            None => {
                self.last_length = count;
                self.lengths.push((path, length));
            }
        }
    }
}

impl FieldSink for DocumentFiller<'_> {
    fn field(&mut self, path: &str, mapping: &FieldMapping, value: FieldValue<'_>) {
        if let FieldValue::Text(text) = value {
            if mapping.is_indexed() {
                self.text(path, mapping, text);
            }
            return;
        }
        if !mapping.tells_existence() {
            return;
        }
        let document = &mut *self.document;
        let path = document.push(path);
        if mapping.field_type() == FieldType::Binary {
            document.binary.push(path);
            return;
        }
        let leaf = match value {
            FieldValue::Text(text) => Leaf::Text(document.push(text)),
            FieldValue::Keyword(text) => {
                Leaf::Text(document.push(&self.analyzers.table().normalize(mapping, text)))
            }
            FieldValue::Long(number) | FieldValue::Date(number) => Leaf::Long(number),
            FieldValue::Double(number) => Leaf::Double(number),
            FieldValue::Boolean(flag) => Leaf::Boolean(flag),
            FieldValue::Ip(address) => Leaf::Text(document.push(&ip_term(address))),
        };
        document.exact.push((path, leaf));
    }
}

/// The term of an address: its IPv6 form in hexadecimal, so that terms order as addresses do.
pub(crate) fn ip_term(address: IpAddr) -> String {
    let number = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    format!("{number:032x}")
}

/// The address that [`ip_term`] made `term` of.
pub(crate) fn ip_of_term(term: &str) -> Option<IpAddr> {
    let address = std::net::Ipv6Addr::from_bits(u128::from_str_radix(term, 16).ok()?);
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

/// What tantivy sees of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ViewValue<'a> {
    Text(&'a str),
    Unsigned(u64),
    Long(i64),
    Double(f64),
    Boolean(bool),
    /// All exact values.
    Exact(&'a ViewDocument),
    /// All texts.
    Texts(&'a ViewDocument),
    /// The lengths of all text fields.
    Lengths(&'a ViewDocument),
}

/// Which of the document's JSON fields.
#[derive(Debug, Clone, Copy)]
enum Part {
    Exact,
    Texts,
    Lengths,
}

/// The values of one of a document's JSON fields.
pub(crate) struct Entries<'a> {
    document: &'a ViewDocument,
    part: Part,
    position: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, ViewValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.document;
        let position = self.position;
        self.position += 1;
        let (path, value) = match self.part {
            Part::Exact => {
                let (path, leaf) = document.exact.get(position)?;
                (path, document.leaf(leaf))
            }
            Part::Texts => {
                let (path, text) = document.text.get(position)?;
                (path, ViewValue::Text(&document.buffer[text.clone()]))
            }
            Part::Lengths => {
                let (path, length) = document.lengths.get(position)?;
                (path, ViewValue::Long(i64::from(*length)))
            }
        };
        Some((&document.buffer[path.clone()], value))
    }
}

impl<'a> Value<'a> for ViewValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Entries<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        let object = |document, part| {
            ReferenceValue::Object(Entries {
                document,
                part,
                position: 0,
            })
        };
        let leaf = match *self {
            Self::Text(text) => ReferenceValueLeaf::Str(text),
            Self::Unsigned(number) => ReferenceValueLeaf::U64(number),
            Self::Long(number) => ReferenceValueLeaf::I64(number),
            Self::Double(number) => ReferenceValueLeaf::F64(number),
            Self::Boolean(flag) => ReferenceValueLeaf::Bool(flag),
            Self::Exact(document) => return object(document, Part::Exact),
            Self::Texts(document) => return object(document, Part::Texts),
            Self::Lengths(document) => return object(document, Part::Lengths),
        };
        ReferenceValue::Leaf(leaf)
    }
}

impl Document for ViewDocument {
    type Value<'a> = ViewValue<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, ViewValue<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let schema = &self.schema;
        let fixed = [
            (schema.id, ViewValue::Text(self.frame.id())),
            (schema.seq_no, ViewValue::Unsigned(self.frame.seq_no().get())),
            (schema.version, ViewValue::Unsigned(self.frame.version().get())),
            (schema.exact, ViewValue::Exact(self)),
            (schema.text, ViewValue::Texts(self)),
            (schema.lengths, ViewValue::Lengths(self)),
        ];
        let routing = self
            .frame
            .routing()
            .map(|routing| (schema.routing, ViewValue::Text(routing)));
        // A path that occurs twice is one term all the same.
        let texts = self.text.iter().map(|(path, _)| path);
        let names = texts
            .chain(&self.binary)
            .map(|path| (schema.field_names, ViewValue::Text(&self.buffer[path.clone()])));
        Box::new(fixed.into_iter().chain(routing).chain(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_terms_order_as_addresses_and_read_back() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let (low, high) = (parse("9.255.0.1"), parse("10.0.0.1"));
        assert!(ip_term(low) < ip_term(high));
        for address in [low, high, parse("2001:db8::1")] {
            assert_eq!(ip_of_term(&ip_term(address)), Some(address));
        }
    }
}
