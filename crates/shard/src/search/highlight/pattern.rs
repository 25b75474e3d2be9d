//! Patterns of terms: beginnings, wildcards, regular expressions, words with typing errors.

use regex::Regex;
use serde_json::Value;

/// How many edits make two words the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edits {
    /// By the word's length: none below `low`, one below `high`, else two.
    Auto { low: usize, high: usize },
    /// So many.
    Fixed(usize),
}

impl Edits {
    pub(super) const AUTO: Self = Self::Auto { low: 3, high: 6 };

    /// `None` for what no query has as its `fuzziness`.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.to_ascii_uppercase(),
            other => other.to_string(),
        };
        match text.strip_prefix("AUTO") {
            Some("") => Some(Self::AUTO),
            Some(limits) => {
                let (low, high) = limits.strip_prefix(':')?.split_once(',')?;
                Some(Self::Auto {
                    low: low.parse().ok()?,
                    high: high.parse().ok()?,
                })
            }
            None => match text.parse::<f64>().ok()? {
                0.0 => Some(Self::Fixed(0)),
                1.0 => Some(Self::Fixed(1)),
                2.0 => Some(Self::Fixed(2)),
                _ => None,
            },
        }
    }

    fn of(self, word: &str) -> usize {
        match self {
            Self::Fixed(edits) => edits,
            Self::Auto { low, high } => match word.chars().count() {
                length if length < low => 0,
                length if length < high => 1,
                _ => 2,
            },
        }
    }
}

/// The kinds of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatternKind {
    Prefix,
    Wildcard,
    Regexp,
    Fuzzy { edits: Edits, prefix_length: usize },
}

/// A pattern, ready for use.
#[derive(Debug)]
pub(super) enum Pattern {
    Prefix(String),
    Regex(Regex),
    Fuzzy {
        word: Vec<char>,
        edits: usize,
        prefix_length: usize,
    },
}

impl Pattern {
    /// `None` for a pattern that is not well-formed, which no query could have run.
    pub(super) fn new(kind: PatternKind, pattern: &str, case_insensitive: bool) -> Option<Self> {
        let regex = |pattern: &str| {
            let built = regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
                .case_insensitive(case_insensitive)
                .dot_matches_new_line(true)
                .size_limit(1 << 20)
                .build();
            built.ok().map(Self::Regex)
        };
        match kind {
            PatternKind::Prefix if case_insensitive => regex(&format!("{}.*", regex::escape(pattern))),
            PatternKind::Prefix => Some(Self::Prefix(pattern.to_owned())),
            PatternKind::Wildcard => regex(&wildcard(pattern)),
            PatternKind::Regexp => regex(pattern),
            PatternKind::Fuzzy { edits, prefix_length } => Some(Self::Fuzzy {
                word: pattern.chars().collect(),
                edits: edits.of(pattern),
                prefix_length,
            }),
        }
    }

    pub(super) fn matches(&self, term: &str) -> bool {
        match self {
            Self::Prefix(prefix) => term.starts_with(prefix.as_str()),
            Self::Regex(regex) => regex.is_match(term),
            Self::Fuzzy {
                word,
                edits,
                prefix_length,
            } => {
                let term: Vec<char> = term.chars().collect();
                let fixed = (*prefix_length).min(word.len());
                term.len() >= fixed
                    && term[..fixed] == word[..fixed]
                    && distance(word, &term, *edits) <= *edits
            }
        }
    }
}

/// `*` and `?` as a regular expression; a backslash takes the next character as it is.
fn wildcard(pattern: &str) -> String {
    let mut regex = String::new();
    let mut chars = pattern.chars();
    while let Some(character) = chars.next() {
        let literal = match character {
            '*' => {
                regex.push_str(".*");
                continue;
            }
            '?' => {
                regex.push('.');
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            other => other,
        };
        regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
    }
    regex
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other; more than `most` if there are more.
fn distance(word: &[char], term: &[char], most: usize) -> usize {
    if word.len().abs_diff(term.len()) > most {
        return most + 1;
    }
    let mut two_before: Vec<usize> = Vec::new();
    let mut before: Vec<usize> = (0..=term.len()).collect();
    for (row, left) in word.iter().enumerate() {
        let mut current = Vec::with_capacity(term.len() + 1);
        current.push(row + 1);
        for (column, right) in term.iter().enumerate() {
            let mut least = (before[column] + usize::from(left != right))
                .min(before[column + 1] + 1)
                .min(current[column] + 1);
            if row > 0 && column > 0 && word[row - 1] == *right && *left == term[column - 1] {
                least = least.min(two_before[column - 1] + 1);
            }
            current.push(least);
        }
        two_before = std::mem::replace(&mut before, current);
    }
    before[term.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_whole_terms() {
        let fuzzy = |edits, prefix_length| PatternKind::Fuzzy { edits, prefix_length };
        for (kind, pattern, fold, term, expected) in [
            (PatternKind::Prefix, "qu", false, "quick", true),
            (PatternKind::Prefix, "QU", false, "quick", false),
            (PatternKind::Prefix, "QU", true, "quick", true),
            (PatternKind::Wildcard, "q*c?", false, "quick", true),
            (PatternKind::Wildcard, "q\\*", false, "quick", false),
            (PatternKind::Wildcard, "a.c", false, "abc", false),
            (PatternKind::Regexp, "q.*k", false, "quick", true),
            (PatternKind::Regexp, "q", false, "quick", false),
            (fuzzy(Edits::AUTO, 0), "quikc", false, "quick", true),
            (fuzzy(Edits::AUTO, 0), "qu", false, "qa", false),
            (fuzzy(Edits::Fixed(2), 0), "quick", false, "quicker", true),
            (fuzzy(Edits::Fixed(1), 0), "quick", false, "quicker", false),
            (fuzzy(Edits::Fixed(1), 1), "quick", false, "duick", false),
        ] {
            let built = Pattern::new(kind, pattern, fold).expect(pattern);
            assert_eq!(built.matches(term), expected, "{kind:?} {pattern} {term}");
        }
        assert!(Pattern::new(PatternKind::Regexp, "(", false).is_none());
    }

    #[test]
    fn fuzziness_is_read() {
        assert_eq!(Edits::from_json(&json!("auto")), Some(Edits::AUTO));
        assert_eq!(
            Edits::from_json(&json!("AUTO:2,4")),
            Some(Edits::Auto { low: 2, high: 4 })
        );
        assert_eq!(Edits::from_json(&json!(1)), Some(Edits::Fixed(1)));
        assert_eq!(Edits::from_json(&json!("3")), None);
    }
}
