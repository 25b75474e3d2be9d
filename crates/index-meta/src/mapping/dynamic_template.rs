//! Dynamic templates: how a mapping wants new fields of certain names and types to be mapped.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::error::MappingError;

type Result<T> = std::result::Result<T, MappingError>;

/// The most templates of one mapping.
pub(super) const MAX_TEMPLATES: usize = 1000;
/// The most levels of a template's `mapping`.
const MAX_DEPTH: usize = 20;

/// What a new value looks like in JSON. Source: the values of `match_mapping_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetectedType {
    Object,
    String,
    Long,
    Double,
    Boolean,
    Date,
}

impl DetectedType {
    const ALL: [Self; 6] = [
        Self::Object,
        Self::String,
        Self::Long,
        Self::Double,
        Self::Boolean,
        Self::Date,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::String => "string",
            Self::Long => "long",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }

    /// The type of such a field if nothing says otherwise: what `{dynamic_type}` stands for.
    pub(crate) const fn default_type(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::String => "text",
            Self::Long => "long",
            Self::Double => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }
}

/// One way of naming fields: any of these patterns.
#[derive(Debug, Clone)]
struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
enum Pattern {
    /// `*` stands for any text.
    Simple(String),
    Regex(Regex),
}

impl Patterns {
    fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Simple(pattern) => matches_simple(pattern, text),
            Pattern::Regex(regex) => regex.is_match(text),
        })
    }
}

fn matches_simple(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

/// A rule for new fields. Equal if their JSON is.
#[derive(Debug, Clone)]
pub(crate) struct DynamicTemplate {
    pub(crate) name: String,
    /// As it was given.
    pub(crate) json: Value,
    /// `None`: any.
    types: Option<Vec<DetectedType>>,
    not_types: Vec<DetectedType>,
    name_is: Option<Patterns>,
    name_is_not: Option<Patterns>,
    path_is: Option<Patterns>,
    path_is_not: Option<Patterns>,
    mapping: Map<String, Value>,
}

impl PartialEq for DynamicTemplate {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.json) == (&other.name, &other.json)
    }
}

impl DynamicTemplate {
    /// Reads a template. Its `mapping` is only checked for its form: [`Self::definitions`] gives what can be made of it.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub(crate) fn parse(name: &str, json: &Value) -> Result<Self> {
        let malformed =
            |problem: String| MappingError::Malformed(format!("dynamic template [{name}]: {problem}"));
        let members = json
            .as_object()
            .ok_or_else(|| malformed("it must be an object".to_owned()))?;
        let is_regex = match members.get("match_pattern").map(|value| value.as_str()) {
            None | Some(Some("simple")) => false,
            Some(Some("regex")) => true,
            Some(_) => {
                return Err(malformed(format!(
                    "no matching pattern matched on [{}]; it is [simple] or [regex]",
                    members["match_pattern"]
                )));
            }
        };
        let patterns = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(value) => read_patterns(value, is_regex)
                .map(Some)
                .map_err(|problem| malformed(format!("[{key}] {problem}"))),
        };
        let types = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(value) => read_types(value)
                .map(Some)
                .map_err(|problem| malformed(format!("[{key}] {problem}"))),
        };
        let unknown = members.keys().find(|key| !KEYS.contains(&key.as_str()));
        if let Some(unknown) = unknown {
            return Err(malformed(format!(
                "illegal dynamic template parameter: [{unknown}]"
            )));
        }
        let mapping = match members.get("mapping") {
            Some(Value::Object(mapping)) if depth_of(&members["mapping"]) <= MAX_DEPTH => mapping.clone(),
            Some(Value::Object(_)) => {
                return Err(malformed(format!("[mapping] has more than {MAX_DEPTH} levels")));
            }
            Some(other) => {
                return Err(malformed(format!(
                    "[mapping] must be an object, but got [{other}]"
                )));
            }
            None => return Err(malformed("it must have [mapping]".to_owned())),
        };
        if ![
            "match",
            "path_match",
            "match_mapping_type",
            "unmatch_mapping_type",
        ]
        .iter()
        .any(|key| members.contains_key(*key))
        {
            return Err(malformed(
                "it must have at least one of [match], [path_match], [match_mapping_type]".to_owned(),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            json: json.clone(),
            types: types("match_mapping_type")?,
            not_types: types("unmatch_mapping_type")?.unwrap_or_default(),
            name_is: patterns("match")?,
            name_is_not: patterns("unmatch")?,
            path_is: patterns("path_match")?,
            path_is_not: patterns("path_unmatch")?,
            mapping,
        })
    }

    /// Whether the template is for a field of this path and name.
    pub(crate) fn matches(&self, path: &str, name: &str, detected: DetectedType) -> bool {
        let is = |patterns: &Option<Patterns>, text| patterns.as_ref().is_none_or(|some| some.matches(text));
        let is_not =
            |patterns: &Option<Patterns>, text| !patterns.as_ref().is_some_and(|some| some.matches(text));
        self.fits(detected)
            && is(&self.name_is, name)
            && is_not(&self.name_is_not, name)
            && is(&self.path_is, path)
            && is_not(&self.path_is_not, path)
    }

    /// Whether a value of this kind may be mapped so: objects to objects only, and plain values to fields only.
    fn fits(&self, detected: DetectedType) -> bool {
        let is_object = match self.mapping.get("type").and_then(Value::as_str) {
            Some("object" | "nested") => Some(true),
            Some("{dynamic_type}") | None => None,
            Some(_) => Some(false),
        };
        is_object.is_none_or(|is_object| is_object == (detected == DetectedType::Object))
            && self.types.as_ref().is_none_or(|types| types.contains(&detected))
            && !self.not_types.contains(&detected)
    }

    /// The mapping of a field with this name.
    pub(crate) fn definition(&self, name: &str, detected: DetectedType) -> Map<String, Value> {
        let mut definition = self.mapping.clone();
        for value in definition.values_mut() {
            substitute(value, name, detected.default_type());
        }
        definition
            .entry("type")
            .or_insert_with(|| detected.default_type().into());
        definition
    }

    /// Every mapping that may come of the template, for a made-up name.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = Map<String, Value>> {
        DetectedType::ALL
            .into_iter()
            .filter(|detected| self.fits(*detected))
            .map(|detected| self.definition("__dynamic__", detected))
    }

    /// As an entry of the list of templates.
    pub(crate) fn to_json(&self) -> Value {
        json!({ &self.name: self.json })
    }
}

const KEYS: [&str; 8] = [
    "match",
    "unmatch",
    "path_match",
    "path_unmatch",
    "match_pattern",
    "match_mapping_type",
    "unmatch_mapping_type",
    "mapping",
];

fn depth_of(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}

fn texts(value: &Value) -> std::result::Result<Vec<&str>, String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    items
        .iter()
        .map(|item| {
            item.as_str()
                .ok_or_else(|| format!("must be a text or a list of texts, but has [{item}]"))
        })
        .collect()
}

fn read_patterns(value: &Value, is_regex: bool) -> std::result::Result<Patterns, String> {
    let pattern = |text: &str| {
        if !is_regex {
            return Ok(Pattern::Simple(text.to_owned()));
        }
        Regex::new(&format!("^(?:{text})$"))
            .map(Pattern::Regex)
            .map_err(|error| format!("is no regular expression: [{text}]: {error}"))
    };
    let patterns: std::result::Result<_, String> = texts(value)?.into_iter().map(pattern).collect();
    patterns.map(Patterns)
}

fn read_types(value: &Value) -> std::result::Result<Vec<DetectedType>, String> {
    let mut types = Vec::new();
    for name in texts(value)? {
        match DetectedType::ALL
            .into_iter()
            .find(|detected| detected.name() == name)
        {
            Some(detected) => types.push(detected),
            None if name == "*" => types.extend(DetectedType::ALL),
            // No JSON value is detected as one.
            None if name == "binary" => {}
            None => {
                let known: Vec<_> = DetectedType::ALL.into_iter().map(DetectedType::name).collect();
                return Err(format!(
                    "has no field type matched on [{name}]; possible values are {known:?}"
                ));
            }
        }
    }
    Ok(types)
}

fn substitute(value: &mut Value, name: &str, dynamic_type: &str) {
    match value {
        Value::String(text) if text.contains('{') => {
            *text = text
                .replace("{name}", name)
                .replace("{dynamic_type}", dynamic_type);
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| substitute(item, name, dynamic_type)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| substitute(member, name, dynamic_type)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(json: Value) -> DynamicTemplate {
        DynamicTemplate::parse("t", &json).unwrap()
    }

    #[test]
    fn a_template_is_for_the_fields_that_meet_all_its_conditions() {
        use DetectedType::{Date, Double, Long, Object, String};
        let keyword = json!({"type": "keyword"});
        for (conditions, path, detected, expected) in [
            (json!({"match_mapping_type": "string"}), "a.b", String, true),
            (json!({"match_mapping_type": "string"}), "a.b", Date, false),
            (
                json!({"match_mapping_type": ["long", "double"]}),
                "a",
                Double,
                true,
            ),
            (json!({"match_mapping_type": "*"}), "a", Long, true),
            (
                json!({"match_mapping_type": "*", "unmatch_mapping_type": "long"}),
                "a",
                Long,
                false,
            ),
            (json!({"match": "id_*"}), "a.id_x", String, true),
            (json!({"match": "id_*"}), "id.x", String, false),
            (json!({"match": ["a*", "*z"]}), "xyz", String, true),
            (json!({"match": "*a*b*"}), "xaxbx", String, true),
            (json!({"match": "*a*b*"}), "bxa", String, false),
            (json!({"match": "ab*ba"}), "aba", String, false),
            (
                json!({"match": "id_*", "unmatch": "*_text"}),
                "id_text",
                String,
                false,
            ),
            (json!({"path_match": "a.*.c"}), "a.b.c", String, true),
            (
                json!({"path_match": "a.*", "path_unmatch": "*.b"}),
                "a.b",
                String,
                false,
            ),
            (
                json!({"match_pattern": "regex", "match": "p\\d+"}),
                "p42",
                String,
                true,
            ),
            (
                json!({"match_pattern": "regex", "match": "p\\d+"}),
                "xp42",
                String,
                false,
            ),
            (json!({"match_mapping_type": "*"}), "a", Object, false),
        ] {
            let mut json = conditions.clone();
            json["mapping"] = keyword.clone();
            let name = path.rsplit('.').next().unwrap();
            assert_eq!(
                template(json).matches(path, name, detected),
                expected,
                "{conditions} {path} {detected:?}"
            );
        }
        let objects = template(json!({"match": "*", "mapping": {"type": "nested"}}));
        assert!(objects.matches("a", "a", Object) && !objects.matches("a", "a", String));
    }

    #[test]
    fn placeholders_are_filled_in_at_every_level() {
        let json = json!({"match": "*", "mapping": {
            "type": "{dynamic_type}", "meta": {"of": "{name}"}, "copy_to": ["all_{name}"], "ignore_above": 7
        }});
        let expected = json!({"type": "float", "meta": {"of": "x"}, "copy_to": ["all_x"], "ignore_above": 7});
        assert_eq!(
            Value::Object(template(json).definition("x", DetectedType::Double)),
            expected
        );
        let without_type = template(json!({"match": "*", "mapping": {}}));
        assert_eq!(
            Value::Object(without_type.definition("x", DetectedType::String)),
            json!({"type": "text"})
        );
    }

    #[test]
    fn a_template_that_makes_no_sense_is_refused_with_its_name() {
        let mapping = json!({"type": "keyword"});
        for (json, part) in [
            (json!({"mapping": mapping}), "at least one of"),
            (json!({"match": "*"}), "it must have [mapping]"),
            (json!({"match": "*", "mapping": 1}), "[mapping] must be an object"),
            (json!({"match": 1, "mapping": mapping}), "[match] must be a text"),
            (
                json!({"match_mapping_type": "text", "mapping": mapping}),
                "no field type matched on [text]",
            ),
            (
                json!({"match": "(", "match_pattern": "regex", "mapping": mapping}),
                "no regular expression",
            ),
            (
                json!({"match": "*", "match_pattern": "glob", "mapping": mapping}),
                "[simple] or [regex]",
            ),
            (
                json!({"match": "*", "maping": mapping}),
                "illegal dynamic template parameter: [maping]",
            ),
            (json!([]), "it must be an object"),
        ] {
            let error = DynamicTemplate::parse("mine", &json).unwrap_err().to_string();
            assert!(
                error.contains("[mine]") && error.contains(part),
                "{json}: {error}"
            );
        }
    }
}
