//! The one pass over a document that both checking and visiting make.
//!
//! Objects are walked by serde; a mapped field's value is taken as raw text and read by the field's type. So known fields cost one
//! look-up for each object level and no allocation.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::values::{Item, Values};
use super::{DocumentCheck, DocumentRules, FieldSink, Scalar, Skipped, derive, read_scalar};
use crate::data_stream::TIMESTAMP_FIELD;
use crate::error::{DocumentError, ValueError};
use crate::mapping::{Dynamic, FieldMapping, Mapping, Node, ObjectNode, split_name};

/// The most bytes that the source of a document may have.
const MAX_DOCUMENT_BYTES: usize = 100 * 1024 * 1024;

/// Characters of a value that an error shows.
const PREVIEW_CHARACTERS: usize = 100;

const METADATA_FIELDS: [&str; 11] = [
    "_id",
    "_index",
    "_routing",
    "_source",
    "_field_names",
    "_ignored",
    "_seq_no",
    "_primary_term",
    "_version",
    "_type",
    "_doc_count",
];

/// A field that the document has and the mapping has not, under `dynamic: true`.
#[derive(Debug)]
pub(super) struct Unknown<'m, 'de> {
    /// The deepest mapped object above it.
    pub(super) parent: &'m ObjectNode,
    /// The rest of its name, dotted if it was so in the document.
    pub(super) name: String,
    pub(super) value: &'de RawValue,
}

/// What the pass is for.
enum Purpose<'s, 'm, 'de> {
    /// Refuse what does not fit, collect what is new.
    Check { unknown: Vec<Unknown<'m, 'de>> },
    /// Emit what fits, skip the rest.
    Visit { sink: &'s mut dyn FieldSink },
}

struct Reader<'s, 'm, 'de> {
    mapping: &'m Mapping,
    rules: DocumentRules,
    /// How many more nested objects the document may have.
    nested_left: u64,
    /// How many timestamps were found so far.
    timestamps: u64,
    purpose: Purpose<'s, 'm, 'de>,
    /// Why the pass was broken off; serde's own errors carry text only.
    error: Option<DocumentError>,
}

/// Whether the document fits, or what it needs.
pub(crate) fn check(
    mapping: &Mapping,
    source: &[u8],
    rules: DocumentRules,
) -> Result<DocumentCheck, DocumentError> {
    let unknown = find_unknown(mapping, source, rules)?;
    if unknown.is_empty() {
        return Ok(DocumentCheck::Fits);
    }
    derive::derive_update(mapping, source, rules, &unknown)
}

/// The fields that the document has and the mapping has not; an error if the rest does not fit.
pub(super) fn find_unknown<'m, 'de>(
    mapping: &'m Mapping,
    source: &'de [u8],
    rules: DocumentRules,
) -> Result<Vec<Unknown<'m, 'de>>, DocumentError> {
    let mut reader = Reader {
        mapping,
        rules,
        nested_left: rules.nested_objects,
        timestamps: 0,
        purpose: Purpose::Check { unknown: Vec::new() },
        error: None,
    };
    reader.read(source)?;
    if mapping.is_timestamp_required() && reader.timestamps != 1 {
        return Err(DocumentError::Timestamp {
            found: reader.timestamps,
        });
    }
    match reader.purpose {
        Purpose::Check { unknown } => Ok(unknown),
        Purpose::Visit { .. } => Ok(Vec::new()),
    }
}

/// Emits the values of mapped fields.
pub(crate) fn visit(
    mapping: &Mapping,
    source: &[u8],
    rules: DocumentRules,
    sink: &mut dyn FieldSink,
) -> Result<(), DocumentError> {
    Reader {
        mapping,
        rules,
        nested_left: u64::MAX,
        timestamps: 0,
        purpose: Purpose::Visit { sink },
        error: None,
    }
    .read(source)
}

impl<'m, 'de> Reader<'_, 'm, 'de> {
    fn read(&mut self, source: &'de [u8]) -> Result<(), DocumentError> {
        if source.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge {
                length: source.len(),
                limit: MAX_DOCUMENT_BYTES,
            });
        }
        let malformed = |problem: String| DocumentError::Malformed(problem);
        let text = std::str::from_utf8(source).map_err(|error| malformed(error.to_string()))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let node = self.mapping.root();
        if !node.is_enabled() {
            return is_object(text).map_err(malformed);
        }
        let root = ObjectSeed {
            reader: self,
            node,
            inherited: Dynamic::True,
        };
        let result = root
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        match (self.error.take(), result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(malformed(error.to_string())),
            (None, Ok(())) => Ok(()),
        }
    }

    fn is_check(&self) -> bool {
        matches!(self.purpose, Purpose::Check { .. })
    }

    /// Breaks off when checking; goes on when visiting.
    fn refuse<E: serde::de::Error>(&mut self, error: impl FnOnce() -> DocumentError) -> Result<(), E> {
        if self.is_check() {
            self.fail(error())
        } else {
            Ok(())
        }
    }

    fn fail<E: serde::de::Error>(&mut self, error: DocumentError) -> Result<(), E> {
        self.error = Some(error);
        Err(E::custom("refused"))
    }

    fn leaf<E: serde::de::Error>(&mut self, field: &FieldMapping, raw: &'de RawValue) -> Result<(), E> {
        self.values(field, raw)?;
        // Source: what was copied is not copied on.
        for path in field.copy_to() {
            match self.mapping.field(path) {
                Some(target) => self.values(target, raw)?,
                None => self.copy_to_new_field(path, raw)?,
            }
        }
        Ok(())
    }

    fn values<E: serde::de::Error>(&mut self, field: &FieldMapping, raw: &RawValue) -> Result<(), E> {
        for item in Values::of(raw.get()) {
            self.value(field, &item)?;
            for multi_field in field.multi_fields() {
                self.value(multi_field, &item)?;
            }
        }
        Ok(())
    }

    /// Values for a field of `copy_to` that is not mapped: it is derived as if the document had it.
    fn copy_to_new_field<E: serde::de::Error>(&mut self, path: &str, value: &'de RawValue) -> Result<(), E> {
        let (mut parent, mut dynamic) = (self.mapping.root(), Dynamic::True);
        let mut rest = path;
        loop {
            dynamic = parent.dynamic.unwrap_or(dynamic);
            let (name, after) = rest.split_once('.').unwrap_or((rest, ""));
            match parent.child(name) {
                Some(Node::Object(object)) if !after.is_empty() => (parent, rest) = (object, after),
                Some(node) => {
                    let what = match node {
                        Node::Object(_) => "it is mapped as an object",
                        Node::Field(_) => "the path goes through a field that is no object",
                    };
                    let problem = format!("cannot copy to field [{path}]: {what}");
                    return self.refuse(|| DocumentError::Malformed(problem));
                }
                None => return self.new_field(parent, rest.to_owned(), dynamic, value),
            }
        }
    }

    fn new_field<E: serde::de::Error>(
        &mut self,
        parent: &'m ObjectNode,
        name: String,
        dynamic: Dynamic,
        value: &'de RawValue,
    ) -> Result<(), E> {
        match (dynamic, &mut self.purpose) {
            (Dynamic::True, Purpose::Check { unknown }) => {
                unknown.push(Unknown { parent, name, value });
                Ok(())
            }
            (Dynamic::Strict, Purpose::Check { .. }) => {
                let parent = if parent.path.is_empty() {
                    "_doc"
                } else {
                    &parent.path
                };
                self.fail(DocumentError::Strict {
                    field: name,
                    parent: parent.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Source: each object of a nested field is a document of its own in Elasticsearch, and counts.
    fn count_nested<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.nested_left.checked_sub(1) {
            Some(left) => {
                self.nested_left = left;
                Ok(())
            }
            None => self.refuse(|| {
                DocumentError::Malformed(
                    "the document has more objects in nested fields than the index takes; raise the setting \
                     [index.mapping.nested_objects.limit]"
                        .to_owned(),
                )
            }),
        }
    }

    /// Whether the field takes what it has to coerce. A visited value that would be refused today was accepted once, before the field or
    /// its index was changed, and stays searchable; one that would be skipped is skipped.
    fn coerces(&self, field: &FieldMapping) -> bool {
        field.coerces(self.rules) || !(self.is_check() || field.ignores_malformed(self.rules))
    }

    fn value<E: serde::de::Error>(&mut self, field: &FieldMapping, item: &Item<'_>) -> Result<(), E> {
        let coerces = self.coerces(field);
        let result = match item {
            Item::Object(_) => Err(Skipped::Error(ValueError::NotAValue("an object"))),
            Item::Scalar(scalar) => match &mut self.purpose {
                Purpose::Visit { sink } if sink.wants(field) => {
                    read_scalar(field, scalar, coerces, |value| {
                        sink.field(field.path(), field, value)
                    })
                }
                _ => read_scalar(field, scalar, coerces, |_| {}),
            },
        };
        if result.is_ok() && *item != Item::Scalar(Scalar::Null) && field.path() == TIMESTAMP_FIELD {
            self.timestamps += 1;
        }
        match (result, &mut self.purpose) {
            (Ok(()), _) | (Err(Skipped::TooLong), Purpose::Check { .. }) => Ok(()),
            (Err(_), Purpose::Visit { sink }) => {
                sink.ignored(field.path());
                Ok(())
            }
            (Err(Skipped::Error(_)), _) if field.ignores_malformed(self.rules) => Ok(()),
            (Err(Skipped::Error(cause)), Purpose::Check { .. }) => {
                let shown = match item {
                    Item::Object(json) => json,
                    Item::Scalar(scalar) => scalar.text(),
                };
                self.fail(DocumentError::Value {
                    field: field.path().to_owned(),
                    field_type: field.field_type().name(),
                    preview: preview(shown),
                    cause,
                })
            }
        }
    }
}

/// A document of a mapping that is not enabled only needs to be one.
fn is_object(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    if text.trim_start().starts_with('{') {
        Ok(())
    } else {
        Err("a document must be a JSON object".to_owned())
    }
}

fn preview(text: &str) -> String {
    match text.char_indices().nth(PREVIEW_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which children of an object were there already: a name that comes twice has no defined value.
#[derive(Default)]
struct Seen {
    first: u128,
    others: Vec<usize>,
}

impl Seen {
    /// Whether it is the first time.
    fn insert(&mut self, position: usize) -> bool {
        if position < 128 {
            let bit = 1 << position;
            let is_new = self.first & bit == 0;
            self.first |= bit;
            return is_new;
        }
        match self.others.binary_search(&position) {
            Ok(_) => false,
            Err(place) => {
                self.others.insert(place, position);
                true
            }
        }
    }
}

struct ObjectSeed<'r, 's, 'm, 'de> {
    reader: &'r mut Reader<'s, 'm, 'de>,
    node: &'m ObjectNode,
    inherited: Dynamic,
}

impl<'m, 'de> ObjectSeed<'_, '_, 'm, 'de> {
    fn dynamic(&self) -> Dynamic {
        self.node.dynamic.unwrap_or(self.inherited)
    }

    fn concrete<E: serde::de::Error>(self, shown: impl fmt::Display) -> Result<(), E> {
        if self.node.path.is_empty() {
            return Err(E::custom("a document must be a JSON object"));
        }
        self.reader.refuse(|| DocumentError::ObjectExpected {
            field: self.node.path.clone(),
            preview: preview(&shown.to_string()),
        })
    }

    /// The value of a child that is mapped.
    fn known<A: MapAccess<'de>>(
        &mut self,
        node: &'m Node,
        dynamic: Dynamic,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match node {
            Node::Field(field) => {
                let raw: &'de RawValue = map.next_value()?;
                self.reader.leaf(field, raw)
            }
            Node::Object(object) if object.is_enabled() => map.next_value_seed(ObjectSeed {
                reader: &mut *self.reader,
                node: object,
                inherited: dynamic,
            }),
            Node::Object(_) => map.next_value::<IgnoredAny>().map(|_| ()),
        }
    }

    /// The value of a name that is no child's: dotted, new, or metadata.
    fn unknown<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if self.node.path.is_empty() && METADATA_FIELDS.contains(&name) {
            self.reader
                .refuse::<A::Error>(|| DocumentError::MetadataField(name.to_owned()))?;
            return map.next_value::<IgnoredAny>().map(|_| ());
        }
        let parts = match split_name(name) {
            Ok(parts) => parts,
            Err(problem) => {
                self.reader.refuse::<A::Error>(|| DocumentError::FieldName {
                    name: name.to_owned(),
                    problem,
                })?;
                return map.next_value::<IgnoredAny>().map(|_| ());
            }
        };
        let (mut parent, mut dynamic) = (self.node, self.dynamic());
        for (position, part) in parts.iter().enumerate() {
            let rest = &parts[position..];
            match parent.child(part) {
                Some(node) if rest.len() == 1 => return self.known(node, dynamic, map),
                Some(Node::Object(object)) if object.is_enabled() => {
                    parent = object;
                    dynamic = object.dynamic.unwrap_or(dynamic);
                }
                Some(Node::Object(_)) => break,
                Some(Node::Field(field)) => {
                    self.reader
                        .refuse::<A::Error>(|| DocumentError::ParentNotAnObject {
                            field: self.node.child_path(name),
                            parent: field.path().to_owned(),
                            found: field.field_type().name(),
                        })?;
                    break;
                }
                None => {
                    let value = map.next_value()?;
                    return self.reader.new_field(parent, rest.join("."), dynamic, value);
                }
            }
        }
        map.next_value::<IgnoredAny>().map(|_| ())
    }
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.node.nested.is_some() {
            self.reader.count_nested()?;
        }
        let mut seen = Seen::default();
        let dynamic = self.dynamic();
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            match self.node.position(&name) {
                Some(position) => {
                    if !seen.insert(position) {
                        let problem = format!("duplicate field [{}]", self.node.child_path(&name));
                        self.reader
                            .refuse::<A::Error>(|| DocumentError::Malformed(problem))?;
                    }
                    self.known(&self.node.children()[position].1, dynamic, &mut map)?;
                }
                None => self.unknown(&name, &mut map)?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        if self.node.path.is_empty() {
            return Err(A::Error::custom("a document must be a JSON object"));
        }
        let Self {
            reader,
            node,
            inherited,
        } = self;
        while sequence
            .next_element_seed(ObjectSeed {
                reader: &mut *reader,
                node,
                inherited,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if self.node.path.is_empty() {
            self.concrete("null")
        } else {
            Ok(())
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.concrete(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.concrete(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.concrete(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.concrete(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.concrete(value)
    }
}

/// A member's name, borrowed from the source unless it has escapes.
struct Key<'de>(Cow<'de, str>);

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}
