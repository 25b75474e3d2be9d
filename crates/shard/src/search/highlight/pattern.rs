//! Patterns of terms: beginnings, wildcards, regular expressions, words with typing errors.

use regex::Regex;

use crate::query::{Fuzziness, compile, wildcard_regex, within_edits};

/// The kinds of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatternKind {
    Prefix,
    Wildcard,
    Regexp,
    Fuzzy { edits: Fuzziness, prefix_length: usize },
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
        let regex = |pattern: &str| compile(pattern, case_insensitive).ok().map(Self::Regex);
        match kind {
            PatternKind::Prefix if case_insensitive => regex(&format!("{}.*", regex::escape(pattern))),
            PatternKind::Prefix => Some(Self::Prefix(pattern.to_owned())),
            PatternKind::Wildcard => regex(&wildcard_regex(pattern)),
            PatternKind::Regexp => regex(pattern),
            PatternKind::Fuzzy { edits, prefix_length } => Some(Self::Fuzzy {
                word: pattern.chars().collect(),
                edits: edits.edits(pattern),
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
                let fixed = word.iter().take(*prefix_length).copied();
                term.chars().take(*prefix_length).take(word.len()).eq(fixed)
                    && within_edits(word, term, *edits, true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
            (fuzzy(Fuzziness::AUTO, 0), "quikc", false, "quick", true),
            (fuzzy(Fuzziness::AUTO, 0), "qu", false, "qa", false),
            (fuzzy(Fuzziness::Edits(2), 0), "quick", false, "quicker", true),
            (fuzzy(Fuzziness::Edits(1), 0), "quick", false, "quicker", false),
            (fuzzy(Fuzziness::Edits(1), 1), "quick", false, "duick", false),
        ] {
            let built = Pattern::new(kind, pattern, fold).expect(pattern);
            assert_eq!(built.matches(term), expected, "{kind:?} {pattern} {term}");
        }
        assert!(Pattern::new(PatternKind::Regexp, "(", false).is_none());
    }
}
