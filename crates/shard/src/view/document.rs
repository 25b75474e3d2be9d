//! One document on its way into the search view.
//!
//! Tantivy's own document keeps every key and text in an allocation of its own. This one keeps all of them in one buffer, and counts the
//! bytes in flight, because tantivy's queue is bounded in documents only.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use index_meta::{FieldMapping, FieldSink, FieldValue};
use oplog::Frame;
use tantivy::Document;
use tantivy::schema::Field;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};

use super::inflight::{Inflight, InflightGuard};
use super::schema::ViewSchema;
use crate::analysis::{Analyzers, push_header};

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
    analyzers: Arc<Analyzers>,
    frame: Frame,
    buffer: String,
    exact: Vec<(Range<usize>, Leaf)>,
    text: Vec<(Range<usize>, Range<usize>)>,
    _inflight: InflightGuard,
}

impl ViewDocument {
    /// An empty document for the operation; waits while too many bytes are in flight.
    pub(crate) fn new(
        schema: &Arc<ViewSchema>,
        analyzers: &Arc<Analyzers>,
        frame: &Frame,
        inflight: &Arc<Inflight>,
    ) -> Self {
        Self {
            schema: Arc::clone(schema),
            analyzers: Arc::clone(analyzers),
            frame: frame.clone(),
            buffer: String::with_capacity(frame.source().len()),
            exact: Vec::new(),
            text: Vec::new(),
            _inflight: Inflight::acquire(inflight, frame.len()),
        }
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

impl FieldSink for ViewDocument {
    fn field(&mut self, path: &str, mapping: &FieldMapping, value: FieldValue<'_>) {
        if let FieldValue::Text(text) = value {
            if mapping.is_indexed() {
                let path = self.push(path);
                let start = self.buffer.len();
                push_header(&mut self.buffer, Analyzers::index_analyzer(mapping));
                self.buffer.push_str(text);
                self.text.push((path, start..self.buffer.len()));
            }
            return;
        }
        if !mapping.is_indexed() && !mapping.has_doc_values() {
            return;
        }
        let path = self.push(path);
        let leaf = match value {
            FieldValue::Text(text) => Leaf::Text(self.push(text)),
            FieldValue::Keyword(text) => {
                let analyzers = Arc::clone(&self.analyzers);
                Leaf::Text(self.push(&analyzers.normalize(mapping, text)))
            }
            FieldValue::Long(number) | FieldValue::Date(number) => Leaf::Long(number),
            FieldValue::Double(number) => Leaf::Double(number),
            FieldValue::Boolean(flag) => Leaf::Boolean(flag),
            FieldValue::Ip(address) => Leaf::Text(self.push(&ip_term(address))),
        };
        self.exact.push((path, leaf));
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
}

/// The values of one of a document's two JSON fields.
pub(crate) struct Entries<'a> {
    document: &'a ViewDocument,
    exact: bool,
    position: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, ViewValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.document;
        let position = self.position;
        self.position += 1;
        if self.exact {
            let (path, leaf) = document.exact.get(position)?;
            Some((&document.buffer[path.clone()], document.leaf(leaf)))
        } else {
            let (path, text) = document.text.get(position)?;
            Some((
                &document.buffer[path.clone()],
                ViewValue::Text(&document.buffer[text.clone()]),
            ))
        }
    }
}

impl<'a> Value<'a> for ViewValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Entries<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        let leaf = match *self {
            Self::Text(text) => ReferenceValueLeaf::Str(text),
            Self::Unsigned(number) => ReferenceValueLeaf::U64(number),
            Self::Long(number) => ReferenceValueLeaf::I64(number),
            Self::Double(number) => ReferenceValueLeaf::F64(number),
            Self::Boolean(flag) => ReferenceValueLeaf::Bool(flag),
            Self::Exact(document) => {
                return ReferenceValue::Object(Entries {
                    document,
                    exact: true,
                    position: 0,
                });
            }
            Self::Texts(document) => {
                return ReferenceValue::Object(Entries {
                    document,
                    exact: false,
                    position: 0,
                });
            }
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
        ];
        let routing = self
            .frame
            .routing()
            .map(|routing| (schema.routing, ViewValue::Text(routing)));
        // A path that occurs twice is one term all the same.
        let names = self
            .text
            .iter()
            .map(|(path, _)| (schema.field_names, ViewValue::Text(&self.buffer[path.clone()])));
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
