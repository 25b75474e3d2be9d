//! Character filters, and the offsets in the text as it was before.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use index_meta::CharFilterDefinition;
use regex::Regex;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::html_strip::{Missing, markup};
use super::java_pattern;

/// A character filter at work.
#[derive(Debug, Clone)]
pub(super) enum CharFilter {
    Mapping(Arc<Mappings>),
    PatternReplace { regex: Regex, replacement: String },
    HtmlStrip { escaped_tags: Arc<[String]> },
}

/// Texts by their first character, the longest first.
#[derive(Debug)]
pub(super) struct Mappings(HashMap<char, Vec<(String, String)>>);

/// Where offsets of a changed text lie in the text before: from each position on (the first), so many bytes are to be added.
#[derive(Debug, Default)]
struct Shifts(Vec<(usize, isize)>);

impl Shifts {
    fn original(&self, offset: usize) -> usize {
        let after = self.0.partition_point(|(from, _)| *from <= offset);
        let shift = after.checked_sub(1).map_or(0, |at| self.0[at].1);
        offset.saturating_add_signed(shift)
    }
}

/// A text under change.
#[derive(Debug, Default)]
struct Changed {
    text: String,
    shifts: Shifts,
}

impl Changed {
    /// Appends `with`, which stands for `original_length` bytes up to `original_end`.
    fn replace(&mut self, with: &str, original_end: usize, original_length: usize) {
        // What was put in has its offsets within what it stands for.
        let kept = with.len().min(original_length);
        let shift = |changed: usize, original: usize| original as isize - changed as isize;
        let start = self.text.len();
        if with.len() > kept {
            let at = start + kept + 1;
            self.shifts
                .0
                .extend((at..start + with.len()).map(|at| (at, shift(at, original_end))));
        }
        self.text.push_str(with);
        self.shifts
            .0
            .push((self.text.len(), shift(self.text.len(), original_end)));
    }
}

impl CharFilter {
    pub(super) fn new(definition: &CharFilterDefinition) -> Result<Self, String> {
        Ok(match definition {
            CharFilterDefinition::Mapping { mappings } => {
                let mut by_first: HashMap<char, Vec<(String, String)>> = HashMap::new();
                for (from, to) in mappings {
                    let Some(first) = from.chars().next() else {
                        continue;
                    };
                    by_first
                        .entry(first)
                        .or_default()
                        .push((from.clone(), to.clone()));
                }
                for alternatives in by_first.values_mut() {
                    alternatives.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
                }
                Self::Mapping(Arc::new(Mappings(by_first)))
            }
            CharFilterDefinition::PatternReplace {
                pattern,
                flags,
                replacement,
            } => Self::PatternReplace {
                regex: java_pattern::compile(pattern, *flags)?,
                replacement: in_braces(replacement),
            },
            CharFilterDefinition::HtmlStrip { escaped_tags } => Self::HtmlStrip {
                escaped_tags: escaped_tags.clone().into(),
            },
        })
    }

    /// The changed text; `None` if nothing changes.
    fn change(&self, text: &str) -> Option<Changed> {
        let mut changed = Changed::default();
        let mut copied = 0;
        match self {
            Self::Mapping(mappings) => {
                let mut at = 0;
                while let Some(character) = text[at..].chars().next() {
                    let found = mappings.0.get(&character).and_then(|found| {
                        found
                            .iter()
                            .find(|(from, _)| text[at..].starts_with(from.as_str()))
                    });
                    match found {
                        Some((from, to)) => {
                            changed.text.push_str(&text[copied..at]);
                            at += from.len();
                            changed.replace(to, at, from.len());
                            copied = at;
                        }
                        None => at += character.len_utf8(),
                    }
                }
            }
            Self::HtmlStrip { escaped_tags } => {
                let mut missing = Missing::default();
                let mut at = 0;
                while let Some(found) = text[at..].find(['<', '&']) {
                    at += found;
                    let Some(markup) = markup(&text[at..], escaped_tags, &mut missing) else {
                        at += 1;
                        continue;
                    };
                    changed.text.push_str(&text[copied..at]);
                    at += markup.length;
                    changed.replace(&markup.with, at, markup.length);
                    copied = at;
                }
            }
            Self::PatternReplace { regex, replacement } => {
                for captures in regex.captures_iter(text) {
                    let Some(whole) = captures.get(0) else { continue };
                    let mut with = String::new();
                    captures.expand(replacement, &mut with);
                    changed.text.push_str(&text[copied..whole.start()]);
                    changed.replace(&with, whole.end(), whole.len());
                    copied = whole.end();
                }
            }
        }
        if changed.shifts.0.is_empty() {
            return None;
        }
        changed.text.push_str(&text[copied..]);
        Some(changed)
    }

    /// The text after this filter.
    pub(super) fn apply<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        match self.change(&text) {
            Some(changed) => Cow::Owned(changed.text),
            None => text,
        }
    }
}

/// `$1` as `${1}`: to Java the name of a group ends with the digits.
fn in_braces(replacement: &str) -> String {
    let mut braced = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '\\' => match chars.next() {
                Some('$') => braced.push_str("$$"),
                Some(other) => braced.push(other),
                None => braced.push('\\'),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                braced.push_str("${");
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    braced.push(digit);
                }
                braced.push('}');
            }
            other => braced.push(other),
        }
    }
    braced
}

/// A tokenizer behind character filters.
#[derive(Debug, Clone)]
pub(super) struct CharFiltered<T> {
    filters: Arc<[CharFilter]>,
    inner: T,
    text: String,
}

pub(super) struct CharFilteredStream<T> {
    /// Of the last filter first.
    shifts: Vec<Shifts>,
    tail: T,
}

impl<T> CharFiltered<T> {
    pub(super) fn new(filters: Arc<[CharFilter]>, inner: T) -> Self {
        Self {
            filters,
            inner,
            text: String::new(),
        }
    }
}

impl<T: Tokenizer> Tokenizer for CharFiltered<T> {
    type TokenStream<'a> = CharFilteredStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        let mut shifts = Vec::new();
        let mut current: Option<String> = None;
        for filter in &*self.filters {
            if let Some(changed) = filter.change(current.as_deref().unwrap_or(text)) {
                shifts.insert(0, changed.shifts);
                current = Some(changed.text);
            }
        }
        let text = match current {
            Some(changed) => {
                self.text = changed;
                &self.text
            }
            None => text,
        };
        CharFilteredStream {
            shifts,
            tail: self.inner.token_stream(text),
        }
    }
}

impl<T: TokenStream> TokenStream for CharFilteredStream<T> {
    fn advance(&mut self) -> bool {
        if !self.tail.advance() {
            return false;
        }
        let token = self.tail.token_mut();
        for shifts in &self.shifts {
            token.offset_from = shifts.original(token.offset_from);
            token.offset_to = shifts.original(token.offset_to);
        }
        true
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}
