//! The plain values of a piece of JSON text, arrays flattened.
//!
//! Works on text that serde_json has accepted already, in one pass, without recursion: an array nested a million deep costs no stack.

use std::borrow::Cow;

use super::Scalar;

/// One item of a flattened array, or the only value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item<'a> {
    Scalar(Scalar<'a>),
    /// An object where a plain value belongs, as written.
    Object(&'a str),
}

/// Iterates over the values of `json`, which must be well-formed.
pub(crate) struct Values<'a> {
    rest: &'a str,
}

impl<'a> Values<'a> {
    pub(crate) fn of(json: &'a str) -> Self {
        Self { rest: json }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let skipped = |byte: u8| matches!(byte, b'[' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t');
        let start = self.rest.bytes().position(|byte| !skipped(byte))?;
        self.take(start);
        Some(match self.rest.as_bytes()[0] {
            b'"' => {
                let text = self.take(string_length(self.rest));
                Item::Scalar(Scalar::String(unquote(text)))
            }
            b'{' => Item::Object(self.take(object_length(self.rest))),
            _ => {
                let ends = |byte: u8| skipped(byte) || byte == b'}';
                let length = self.rest.bytes().position(ends).unwrap_or(self.rest.len());
                Item::Scalar(match self.take(length) {
                    "null" => Scalar::Null,
                    "true" => Scalar::Boolean(true),
                    "false" => Scalar::Boolean(false),
                    number => Scalar::Number(number),
                })
            }
        })
    }
}

/// Bytes of the string literal that `json` begins with, quotes included.
fn string_length(json: &str) -> usize {
    let bytes = json.as_bytes();
    let mut position = 1;
    while position < bytes.len() {
        match bytes[position] {
            b'"' => return position + 1,
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    bytes.len()
}

/// Bytes of the object that `json` begins with, braces included.
fn object_length(json: &str) -> usize {
    let bytes = json.as_bytes();
    let (mut position, mut open) = (0, 0);
    while position < bytes.len() {
        match bytes[position] {
            b'{' => open += 1,
            b'}' => open -= 1,
            b'"' => {
                position += string_length(&json[position..]);
                continue;
            }
            _ => {}
        }
        position += 1;
        if open == 0 {
            break;
        }
    }
    position
}

fn unquote(literal: &str) -> Cow<'_, str> {
    let inner = literal.get(1..literal.len() - 1).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // Lone surrogates pass where values are skipped unread; they decode to nothing that an index could hold.
    serde_json::from_str(literal).map_or_else(|_| Cow::Owned(inner.to_owned()), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_flattened_and_values_keep_their_text() {
        let json = r#" [1.10, [["a\"b\u00e9", []], {"x": "}\"", "y": {}}], null , true,false, -1e3]"#;
        let values: Vec<_> = Values::of(json).collect();
        let expected = vec![
            Item::Scalar(Scalar::Number("1.10")),
            Item::Scalar(Scalar::String("a\"bé".into())),
            Item::Object(r#"{"x": "}\"", "y": {}}"#),
            Item::Scalar(Scalar::Null),
            Item::Scalar(Scalar::Boolean(true)),
            Item::Scalar(Scalar::Boolean(false)),
            Item::Scalar(Scalar::Number("-1e3")),
        ];
        assert_eq!(values, expected);
        assert_eq!(
            Values::of("\"\"").collect::<Vec<_>>(),
            vec![Item::Scalar(Scalar::String("".into()))]
        );
    }
}
