//! Queries on terms by a pattern: `prefix`, `wildcard`, `regexp`, `fuzzy`.

use es_exception::Exception;
use index_meta::FieldType;
use regex::Regex;
use serde_json::Value;
use tantivy::query::EmptyQuery;

use super::build::BuildContext;
use super::parse::{flag, malformed, plain_text, single_field, text, unsigned};
use super::term_scan::{TermMatcher, TermScanQuery};
use super::{Node, Query, shard_failure};

/// What terms are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Prefix,
    Wildcard,
    Regexp,
    Fuzzy {
        fuzziness: Fuzziness,
        prefix_length: usize,
        transpositions: bool,
    },
}

/// How many edits make two words the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fuzziness {
    /// 0, 1 or 2 by the word's length: below `low`, below `high`, or more characters.
    Auto {
        /// Words shorter than this must be equal.
        low: usize,
        /// Words shorter than this may have one edit.
        high: usize,
    },
    /// So many.
    Edits(usize),
}

impl Fuzziness {
    /// By the word's length: from three characters on one edit, from six on two.
    pub(crate) const AUTO: Self = Self::Auto { low: 3, high: 6 };

    pub(crate) fn from_json(value: &Value) -> Result<Self, Exception> {
        let text = plain_text("fuzziness", value)?;
        let upper = text.to_ascii_uppercase();
        let bad = || malformed(format!("Invalid fuzziness value: [{text}]"));
        match upper.strip_prefix("AUTO") {
            Some("") => Ok(Self::AUTO),
            Some(limits) => {
                let (low, high) = limits
                    .strip_prefix(':')
                    .and_then(|limits| limits.split_once(','))
                    .ok_or_else(bad)?;
                Ok(Self::Auto {
                    low: low.parse().map_err(|_| bad())?,
                    high: high.parse().map_err(|_| bad())?,
                })
            }
            None => match upper.parse::<f64>() {
                Ok(0.0) => Ok(Self::Edits(0)),
                Ok(1.0) => Ok(Self::Edits(1)),
                Ok(2.0) => Ok(Self::Edits(2)),
                _ => Err(bad()),
            },
        }
    }

    /// How many edits a word of this length may have.
    pub(crate) fn edits(self, word: &str) -> usize {
        match self {
            Self::Edits(edits) => edits,
            Self::Auto { low, high } => match word.chars().count() {
                length if length < low => 0,
                length if length < high => 1,
                _ => 2,
            },
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PatternQuery {
    field: String,
    pattern: String,
    kind: Kind,
    case_insensitive: bool,
    /// Whether the pattern is for words as people write them, and takes the case that the field's analyzer gives to its words.
    as_written: bool,
}

impl PatternQuery {
    fn new(field: &str, pattern: &str, kind: Kind) -> Self {
        Self {
            field: field.into(),
            pattern: pattern.into(),
            kind,
            case_insensitive: false,
            as_written: false,
        }
    }

    /// The whole term, whatever its case.
    pub(super) fn whole(field: &str, pattern: &str) -> Self {
        Self {
            case_insensitive: true,
            ..Self::new(field, pattern, Kind::Whole)
        }
    }

    /// Terms that begin so.
    pub(super) fn prefix(field: &str, prefix: &str) -> Self {
        Self::new(field, prefix, Kind::Prefix)
    }

    /// Terms that match a pattern with `*` and `?`.
    pub(super) fn wildcard(field: &str, pattern: &str) -> Self {
        Self::new(field, pattern, Kind::Wildcard)
    }

    /// Terms that match a regular expression.
    pub(super) fn regexp(field: &str, pattern: &str) -> Self {
        Self::new(field, pattern, Kind::Regexp)
    }

    /// The same, for words as people write them.
    pub(super) fn for_written_words(self) -> Self {
        Self {
            as_written: true,
            ..self
        }
    }

    /// The same on another field.
    pub(super) fn on(self, field: String) -> Self {
        Self { field, ..self }
    }

    /// A word with typing errors.
    pub(super) fn fuzzy(field: &str, word: &str, fuzziness: Fuzziness, prefix_length: usize) -> Self {
        let kind = Kind::Fuzzy {
            fuzziness,
            prefix_length,
            transpositions: true,
        };
        Self::new(field, word, kind)
    }

    pub(super) fn build(
        &self,
        context: &BuildContext<'_>,
    ) -> Result<Box<dyn tantivy::query::Query>, Exception> {
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        if !matches!(mapping.field_type(), FieldType::Text | FieldType::Keyword) {
            return Err(shard_failure(format!(
                "Can only use pattern queries on keyword and text fields - not on [{}] which is of type [{}]",
                self.field,
                mapping.field_type().name()
            )));
        }
        let pattern = match self.as_written && mapping.field_type() == FieldType::Text {
            true => context.as_words_are(mapping, &self.pattern)?,
            false => context.analyzers.normalize(mapping, &self.pattern).into_owned(),
        };
        context.count_scan()?;
        let head = context.text_term(mapping, "");
        let literal = if self.case_insensitive {
            String::new()
        } else {
            self.literal(&pattern)
        };
        let matcher = self.matcher(context, &pattern)?;
        Ok(Box::new(TermScanQuery::new(context, &head, &literal, matcher)))
    }

    /// What every match begins with.
    fn literal(&self, pattern: &str) -> String {
        match self.kind {
            Kind::Whole | Kind::Prefix => pattern.to_owned(),
            Kind::Wildcard => pattern
                .split(['*', '?', '\\'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            Kind::Regexp => String::new(),
            Kind::Fuzzy { prefix_length, .. } => pattern.chars().take(prefix_length).collect(),
        }
    }

    fn matcher(&self, context: &BuildContext<'_>, pattern: &str) -> Result<TermMatcher, Exception> {
        let fold = self.case_insensitive;
        let folded = if fold {
            pattern.to_lowercase()
        } else {
            pattern.to_owned()
        };
        let lower = move |term: &str| {
            if fold {
                term.to_lowercase()
            } else {
                term.to_owned()
            }
        };
        Ok(match self.kind {
            Kind::Whole => TermMatcher::text(move |term| lower(term) == folded),
            Kind::Prefix => TermMatcher::text(move |term| lower(term).starts_with(&folded)),
            Kind::Wildcard => {
                let regex = compile(&wildcard_regex(pattern), fold)?;
                TermMatcher::text(move |term| regex.is_match(term))
            }
            Kind::Regexp => {
                if pattern.len() as u64 > context.max_regex_length {
                    return Err(Exception::illegal_argument(format!(
                        "The length of regex [{}] used in the Regexp Query request has exceeded the allowed maximum of [{}]. This maximum can be set by changing the [index.max_regex_length] index level setting.",
                        pattern.len(),
                        context.max_regex_length
                    )));
                }
                let regex = compile(pattern, fold)?;
                TermMatcher::text(move |term| regex.is_match(term))
            }
            Kind::Fuzzy {
                fuzziness,
                transpositions,
                ..
            } => {
                let edits = fuzziness.edits(pattern);
                let word: Vec<char> = pattern.chars().collect();
                TermMatcher::text(move |term| within_edits(&word, term, edits, transpositions))
            }
        })
    }
}

/// A regular expression for whole terms.
pub(crate) fn compile(pattern: &str, case_insensitive: bool) -> Result<Regex, Exception> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(case_insensitive)
        .dot_matches_new_line(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| Exception::illegal_argument(format!("invalid pattern: {error}")))
}

/// `*` and `?` as a regular expression; a backslash takes the next character as it is.
pub(crate) fn wildcard_regex(pattern: &str) -> String {
    let mut regex = String::new();
    let mut chars = pattern.chars();
    while let Some(character) = chars.next() {
        match character {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '\\' => regex.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex
}

/// Whether at most `edits` insertions, deletions, substitutions (and swaps of neighbours) turn one into the other.
pub(crate) fn within_edits(word: &[char], term: &str, edits: usize, transpositions: bool) -> bool {
    let term: Vec<char> = term.chars().collect();
    if term.len().abs_diff(word.len()) > edits {
        return false;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=term.len()).collect();
    for row in 1..=word.len() {
        let mut current = vec![row];
        for column in 1..=term.len() {
            let cost = usize::from(word[row - 1] != term[column - 1]);
            let mut best = (last[column] + 1)
                .min(current[column - 1] + 1)
                .min(last[column - 1] + cost);
            let swapped = row > 1
                && column > 1
                && word[row - 1] == term[column - 2]
                && word[row - 2] == term[column - 1];
            if transpositions && swapped {
                best = best.min(before[column - 2] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[term.len()] <= edits
}

pub(super) fn parse_pattern(name: &str, body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field(name, body)?;
    let mut query = Query::match_all();
    let mut pattern = None;
    let mut case_insensitive = false;
    let (mut fuzziness, mut prefix_length, mut transpositions) = (Fuzziness::AUTO, 0, true);
    match options {
        Value::Object(options) => {
            for (key, value) in options {
                match key.as_str() {
                    "value" => pattern = Some(plain_text(name, value)?),
                    "prefix" | "wildcard" | "regexp" if key == name => {
                        pattern = Some(plain_text(name, value)?)
                    }
                    "case_insensitive" if name != "fuzzy" => case_insensitive = flag(key, value)?,
                    "fuzziness" if name == "fuzzy" => fuzziness = Fuzziness::from_json(value)?,
                    "prefix_length" if name == "fuzzy" => prefix_length = unsigned(key, value)? as usize,
                    "transpositions" if name == "fuzzy" => transpositions = flag(key, value)?,
                    // Terms are walked, so there is neither a rewrite nor a limit of expansions or states.
                    "rewrite" | "max_expansions" | "max_determinized_states" => {}
                    "flags" if name == "regexp" && matches!(text(key, value)?, "ALL" | "NONE" | "") => {}
                    _ => query.parse_common(name, key, value)?,
                }
            }
        }
        plain => pattern = Some(plain_text(name, plain)?),
    }
    let kind = match name {
        "prefix" => Kind::Prefix,
        "wildcard" => Kind::Wildcard,
        "regexp" => Kind::Regexp,
        _ => Kind::Fuzzy {
            fuzziness,
            prefix_length,
            transpositions,
        },
    };
    let pattern = pattern.ok_or_else(|| malformed(format!("[{name}] query requires a value")))?;
    query.node = Node::Pattern(PatternQuery {
        case_insensitive,
        ..PatternQuery::new(field, &pattern, kind)
    });
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_with_swaps() {
        let check = |word: &str, term: &str, edits: usize, expected: bool| {
            let word: Vec<char> = word.chars().collect();
            assert_eq!(
                within_edits(&word, term, edits, true),
                expected,
                "{word:?} {term} {edits}"
            );
        };
        check("quick", "quick", 0, true);
        check("quick", "quikc", 1, true);
        check("quick", "quack", 1, true);
        check("quick", "quicker", 1, false);
        check("quick", "quicker", 2, true);
        check("", "ab", 2, true);
    }

    #[test]
    fn wildcards_become_regular_expressions() {
        let matches =
            |pattern: &str, text: &str| compile(&wildcard_regex(pattern), false).unwrap().is_match(text);
        assert!(matches("a*c?", "abbcd") && matches("a.c", "a.c") && matches("a\\*", "a*"));
        assert!(!matches("a.c", "abc") && !matches("a\\*", "ab") && !matches("b", "abc"));
    }
}
