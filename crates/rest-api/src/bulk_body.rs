//! The body of a bulk request: lines of actions, each but `delete` followed by a line of source.
//!
//! This is the hot path of indexing. An action line is parsed straight into [`BulkAction`]; a source stays the bytes of the body that
//! it is, neither parsed nor copied.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::json_body::malformed;

/// What one action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BulkVerb {
    Index,
    Create,
    Update,
    Delete,
}

impl BulkVerb {
    /// The name in action lines and in the answer.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One action with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BulkAction {
    pub(crate) verb: BulkVerb,
    pub(crate) meta: ActionMeta,
    /// The source line; empty for a delete.
    pub(crate) source: Bytes,
}

/// What an action line says about its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActionMeta {
    pub(crate) index: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) routing: Option<String>,
    pub(crate) if_seq_no: Option<u64>,
    pub(crate) if_primary_term: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) version_type: Option<String>,
    pub(crate) retry_on_conflict: Option<u32>,
    /// Refuse anything but an alias; `None` when the action does not say.
    pub(crate) require_alias: Option<bool>,
    /// Refuse anything but a data stream; `None` when the action does not say.
    pub(crate) require_data_stream: Option<bool>,
    /// What of its new source an update answers.
    pub(crate) source: Option<Value>,
    pub(crate) op_type_create: bool,
}

/// Parses a whole body. Blank lines between actions are skipped.
///
/// # Errors
/// `parse_exception` without a body; `illegal_argument_exception` that names the line, when an action line is malformed or its source is missing, and when the last
/// line does not end.
pub(crate) fn parse(body: &Bytes) -> Result<Vec<BulkAction>, Exception> {
    if body.is_empty() {
        return Err(Exception::new(ExceptionKind::Parse, "a request body is required"));
    }
    if body.last() != Some(&b'\n') {
        return Err(Exception::illegal_argument(
            "the bulk request must end with a newline [\\n]",
        ));
    }
    let mut lines = Lines {
        body,
        position: 0,
        number: 0,
    };
    let mut actions = Vec::with_capacity(body.len() / 256);
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let number = lines.number;
        let action: ActionLine = serde_json::from_slice(&line).map_err(|error| bad_action(number, &error))?;
        let source = match action.verb {
            BulkVerb::Delete => Bytes::new(),
            _ => lines.next().filter(|source| !source.is_empty()).ok_or_else(|| {
                let verb = action.verb.name();
                Exception::illegal_argument(format!(
                    "the [{verb}] action on line [{number}] has no source line after it"
                ))
            })?,
        };
        actions.push(BulkAction {
            verb: action.verb,
            meta: action.meta,
            source,
        });
    }
    if actions.is_empty() {
        let validation = "Validation Failed: 1: no requests added;";
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, validation));
    }
    Ok(actions)
}

fn bad_action(line: usize, error: &serde_json::Error) -> Exception {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let reason = format!(
        "malformed action line [{line}], column [{}]: {what}",
        error.column()
    );
    Exception::illegal_argument(reason).with_cause(malformed(error))
}

/// The lines of a body as slices of it, without blanks and carriage returns at their ends.
struct Lines<'a> {
    body: &'a Bytes,
    position: usize,
    number: usize,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<Bytes> {
        let rest = self.body.get(self.position..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest[..length].trim_ascii();
        self.position += length + 1;
        self.number += 1;
        Some(self.body.slice_ref(line))
    }
}

struct ActionLine {
    verb: BulkVerb,
    meta: ActionMeta,
}

impl<'de> Deserialize<'de> for ActionLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = ActionLine;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with one of [index], [create], [update], [delete]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ActionLine, A::Error> {
        let name: Text<'de> = map
            .next_key()?
            .ok_or_else(|| de::Error::custom("the action is missing"))?;
        let verb = match name.0.as_ref() {
            "index" => BulkVerb::Index,
            "create" => BulkVerb::Create,
            "update" => BulkVerb::Update,
            "delete" => BulkVerb::Delete,
            other => {
                return Err(de::Error::custom(format_args!(
                    "[{other}] is none of create, delete, index, update"
                )));
            }
        };
        let meta: ActionMeta = map.next_value()?;
        if let Some(extra) = map.next_key::<Text<'de>>()? {
            return Err(de::Error::custom(format_args!(
                "a second action [{}] on one line",
                extra.0
            )));
        }
        let verb = if meta.op_type_create && verb == BulkVerb::Index {
            BulkVerb::Create
        } else {
            verb
        };
        Ok(ActionLine { verb, meta })
    }
}

impl<'de> Deserialize<'de> for ActionMeta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetaVisitor)
    }
}

struct MetaVisitor;

impl<'de> Visitor<'de> for MetaVisitor {
    type Value = ActionMeta;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the parameters of an action")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ActionMeta, A::Error> {
        let mut meta = ActionMeta::default();
        while let Some(Text(name)) = map.next_key()? {
            match name.as_ref() {
                "_index" => meta.index = text(&mut map)?,
                "_id" => meta.id = text(&mut map)?,
                "routing" => meta.routing = text(&mut map)?,
                "if_seq_no" => meta.if_seq_no = number(&mut map, "if_seq_no")?,
                "if_primary_term" => meta.if_primary_term = number(&mut map, "if_primary_term")?,
                "version" => meta.version = number(&mut map, "version")?,
                "version_type" => meta.version_type = text(&mut map)?,
                "retry_on_conflict" => {
                    let retries = number(&mut map, "retry_on_conflict")?;
                    meta.retry_on_conflict = retries.and_then(|retries| u32::try_from(retries).ok());
                }
                "require_alias" => meta.require_alias = text(&mut map)?.map(|text| text == "true"),
                "require_data_stream" => {
                    meta.require_data_stream = text(&mut map)?.map(|text| text == "true");
                }
                "_source" => meta.source = map.next_value()?,
                "op_type" => meta.op_type_create = text(&mut map)?.as_deref() == Some("create"),
                // `_type` comes from old shippers and means nothing any more; the others change nothing here.
                "_type" | "dynamic_templates" | "list_executed_pipelines" => {
                    map.next_value::<IgnoredAny>()?;
                }
                "pipeline" => match text(&mut map)?.as_deref() {
                    None | Some("_none") => {}
                    Some(other) => {
                        return Err(de::Error::custom(format_args!(
                            "pipeline with id [{other}] does not exist"
                        )));
                    }
                },
                other => return Err(de::Error::custom(format_args!("unknown parameter [{other}]"))),
            }
        }
        Ok(meta)
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    Ok(map
        .next_value::<Option<Text<'de>>>()?
        .map(|text| text.0.into_owned()))
}

fn number<'de, A: MapAccess<'de>>(map: &mut A, name: &str) -> Result<Option<u64>, A::Error> {
    let Some(Text(text)) = map.next_value::<Option<Text<'de>>>()? else {
        return Ok(None);
    };
    let refused = |_| {
        de::Error::custom(format_args!(
            "[{name}] must be a number that is not negative, but is [{text}]"
        ))
    };
    text.parse().map(Some).map_err(refused)
}

/// A string, number or boolean as text, borrowed where the JSON allows.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a simple value")
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_in_order_with_their_sources_as_slices_of_the_body() {
        let body = Bytes::from_static(
            b"{\"index\":{\"_index\":\"a\",\"_id\":1,\"_type\":\"events\",\"routing\":\"r\"}}\n{\"x\":1}\r\n\n\
              {\"delete\":{\"_id\":\"2\",\"if_seq_no\":7,\"if_primary_term\":\"1\"}}\n\n\
              {\"create\":{}}\n {\"y\": 2} \n\
              {\"update\":{\"_id\":\"3\",\"retry_on_conflict\":3}}\n{\"doc\":{}}\n",
        );
        let actions = parse(&body).expect("well-formed");
        let verbs: Vec<_> = actions.iter().map(|action| action.verb.name()).collect();
        assert_eq!(verbs, ["index", "delete", "create", "update"]);
        let first = ActionMeta {
            index: Some("a".into()),
            id: Some("1".into()),
            routing: Some("r".into()),
            ..Default::default()
        };
        assert_eq!(actions[0].meta, first);
        assert_eq!(&actions[0].source[..], b"{\"x\":1}");
        assert_eq!(
            (actions[1].meta.if_seq_no, actions[1].meta.if_primary_term),
            (Some(7), Some(1))
        );
        assert!(actions[1].source.is_empty());
        assert_eq!(&actions[2].source[..], b"{\"y\": 2}");
        assert_eq!(actions[3].meta.retry_on_conflict, Some(3));
        let inside = body.as_ptr_range();
        assert!(
            inside.contains(&actions[0].source.as_ptr()),
            "the source is not copied"
        );
    }

    #[test]
    fn index_with_op_type_create_is_a_create() {
        let actions =
            parse(&Bytes::from_static(b"{\"index\":{\"op_type\":\"create\"}}\n{}\n")).expect("well-formed");
        assert_eq!(actions[0].verb, BulkVerb::Create);
    }

    #[test]
    fn malformed_bodies_are_refused_whole_with_the_line() {
        let cases: [(&[u8], &str); 11] = [
            (b"", "required"),
            (b"\n\n", "no requests added"),
            (b"{\"index\":{}}\n{\"a\":1}", "newline"),
            (b"{\"index\":{}}\n", "line [1] has no source"),
            (b"{\"index\":{}}\n{}\n{\"frobnicate\":{}}\n{}\n", "[3]"),
            (b"{\"index\":{\"_foo\":1}}\n{}\n", "unknown parameter [_foo]"),
            (b"{\"index\":{\"_id\":{\"a\":1}}}\n{}\n", "[1]"),
            (b"{\"index\":{},\"delete\":{}}\n{}\n", "second action"),
            (b"{}\n", "missing"),
            (b"{\"index\":{\"if_seq_no\":-2}}\n{}\n", "if_seq_no"),
            (b"{\"index\":{\"pipeline\":\"p\"}}\n{}\n", "pipeline"),
        ];
        for (body, expected) in cases {
            let refused = parse(&Bytes::from_static(body)).expect_err("malformed");
            assert!(refused.reason().contains(expected), "{expected}: {refused}");
            assert_eq!(refused.status(), 400);
        }
    }
}
