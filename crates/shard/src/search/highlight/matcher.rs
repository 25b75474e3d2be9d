//! Where a text has what a query looks for.

use std::collections::{HashMap, HashSet};

use index_meta::{FieldMapping, FieldType, Mapping};

use super::clauses::{Clause, Sought, Target, TextKind};
use super::measured::Measured;
use super::pattern::{Pattern, PatternKind};
use super::phrase::{MAX_OCCURRENCES, Occurrence, Phrase, Place};
use super::words::Words;
use crate::analysis::Analyzers;
use crate::search::wildcard_match;

/// A part of a text that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    /// In characters.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What was looked for: the same number for the same word.
    pub(super) term: usize,
}

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct FoundIn {
    /// Ordered, without a match that lies in another one of the same term.
    pub(super) matches: Vec<Match>,
    /// Beginning and end of every word of the text.
    pub(super) tokens: Vec<(usize, usize)>,
    /// Beginning and end of every phrase that was found.
    pub(super) phrases: Vec<(usize, usize)>,
}

/// What a query looks for in one field.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    words: HashMap<String, usize>,
    patterns: Vec<(Pattern, usize)>,
    phrases: Vec<(Phrase, usize)>,
    /// The phrases and places of each word, and of those words that may go on.
    places: HashMap<String, Vec<(usize, usize)>>,
    prefix_places: Vec<(usize, usize)>,
    terms: usize,
}

/// Words of a query that are looked for at most. Source: the bound of queries.
const MAX_WORDS: usize = 65_536;
/// Patterns, and words of a phrase, that are looked for at most. Source: the bound of Lucene's clauses.
const MAX_PATTERNS: usize = 1_024;
/// Words of a text that are looked at.
const MAX_TOKENS: usize = 1_000_000;
/// Matches of a text that are kept.
const MAX_MATCHES: usize = 1_000_000;

/// What matchers are made by.
#[derive(Clone, Copy)]
pub(super) struct Compiler<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) analyzers: &'a Analyzers,
    /// The fields of queries that name none.
    pub(super) default_fields: &'a [String],
}

impl Compiler<'_> {
    /// What `words` look for in these fields.
    pub(super) fn matcher(&self, words: &Words, fields: &[&FieldMapping]) -> Matcher {
        let mut matcher = Matcher::default();
        for clause in &words.clauses {
            for field in fields {
                if self.is_about(&clause.target, field.path()) {
                    self.add(&mut matcher, clause, field);
                }
            }
        }
        matcher
    }

    /// What `words` look for in any field.
    pub(super) fn matcher_of_any(&self, words: &Words) -> Matcher {
        let mut matcher = Matcher::default();
        for clause in &words.clauses {
            for field in self.fields_of(&clause.target) {
                self.add(&mut matcher, clause, field);
            }
        }
        matcher
    }

    fn is_about(&self, target: &Target, path: &str) -> bool {
        match target {
            Target::Field(field) => field == path,
            Target::Pattern(pattern) => wildcard_match(pattern, path),
            Target::Defaults => {
                let name =
                    |field: &'_ String| wildcard_match(field.split('^').next().unwrap_or_default(), path);
                self.default_fields.iter().any(name)
            }
        }
    }

    fn fields_of(&self, target: &Target) -> Vec<&FieldMapping> {
        if let Target::Field(path) = target {
            return self.mapping.field(path).into_iter().collect();
        }
        let mut fields = self.mapping.fields();
        fields.retain(|field| self.is_about(target, field.path()));
        fields
    }

    fn add(&self, matcher: &mut Matcher, clause: &Clause, field: &FieldMapping) {
        let is_text = match field.field_type() {
            FieldType::Text => true,
            FieldType::Keyword => false,
            _ => return,
        };
        match &clause.sought {
            Sought::Terms {
                values,
                case_insensitive: true,
            } => {
                for value in values {
                    let value = regex::escape(&self.analyzers.normalize(field, value));
                    matcher.pattern(PatternKind::Regexp, &value, true);
                }
            }
            Sought::Terms { values, .. } => {
                for value in values {
                    matcher.word(self.analyzers.normalize(field, value).into_owned());
                }
            }
            Sought::Pattern {
                pattern,
                kind,
                case_insensitive,
            } => matcher.pattern(
                *kind,
                &self.analyzers.normalize(field, pattern),
                *case_insensitive,
            ),
            Sought::Text { text, analyzer, kind } if is_text || analyzer.is_some() => {
                let quoted = matches!(kind, TextKind::Phrase { .. });
                let name = analyzer
                    .as_deref()
                    .unwrap_or_else(|| self.analyzers.search_analyzer(field, quoted));
                matcher.text(*kind, self.places(name, text));
            }
            // A keyword is one term.
            Sought::Text { text, kind, .. } => {
                let term = self.analyzers.normalize(field, text).into_owned();
                matcher.text(*kind, vec![place(0, term)]);
            }
        }
    }

    /// The words of a query's text.
    fn places(&self, analyzer: &str, text: &str) -> Vec<Place> {
        // A query whose analyzer cannot be used has failed before.
        let Ok(mut analyzer) = self.analyzers.get(analyzer) else {
            return Vec::new();
        };
        let mut stream = analyzer.token_stream(text);
        let mut places: Vec<Place> = Vec::new();
        for _ in 0..MAX_WORDS {
            if !stream.advance() {
                break;
            }
            let token = stream.token();
            match places.last_mut() {
                Some(place) if place.offset == token.position => drop(place.words.insert(token.text.clone())),
                _ => places.push(place(token.position, token.text.clone())),
            }
        }
        places
    }
}

fn place(offset: usize, word: String) -> Place {
    Place {
        offset,
        words: HashSet::from([word]),
        is_prefix: false,
    }
}

impl Matcher {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.patterns.is_empty() && self.phrases.is_empty()
    }

    fn next_term(&mut self) -> usize {
        self.terms += 1;
        self.terms
    }

    fn word(&mut self, word: String) {
        let term = self.next_term();
        self.words.entry(word).or_insert(term);
    }

    fn pattern(&mut self, kind: PatternKind, pattern: &str, case_insensitive: bool) {
        if self.patterns.len() >= MAX_PATTERNS {
            return;
        }
        if let Some(pattern) = Pattern::new(kind, pattern, case_insensitive) {
            let term = self.next_term();
            self.patterns.push((pattern, term));
        }
    }

    fn text(&mut self, kind: TextKind, mut places: Vec<Place>) {
        match kind {
            TextKind::Words {
                fuzziness: Some(edits),
                prefix_length,
            } => {
                for word in words_of(places) {
                    self.pattern(PatternKind::Fuzzy { edits, prefix_length }, &word, false);
                }
            }
            TextKind::Words { .. } => words_of(places).into_iter().for_each(|word| self.word(word)),
            TextKind::WordsPrefix => {
                let last = places.pop();
                words_of(places).into_iter().for_each(|word| self.word(word));
                for word in words_of(last.into_iter().collect()) {
                    self.pattern(PatternKind::Prefix, &word, false);
                }
            }
            TextKind::Phrase { slop, is_prefix } => {
                if let Some(last) = places.last_mut() {
                    last.is_prefix = is_prefix;
                }
                if (1..=MAX_PATTERNS).contains(&places.len()) && self.phrases.len() < MAX_PATTERNS {
                    self.phrase(Phrase { places, slop });
                }
            }
        }
    }

    fn phrase(&mut self, phrase: Phrase) {
        let number = self.phrases.len();
        for (at, place) in phrase.places.iter().enumerate() {
            if place.is_prefix {
                self.prefix_places.push((number, at));
                continue;
            }
            for word in &place.words {
                self.places.entry(word.clone()).or_default().push((number, at));
            }
        }
        let term = self.next_term();
        self.phrases.push((phrase, term));
    }

    /// What there is of it in a text of the field: the value of a keyword, or a text that is analyzed up to `limit` characters. `whole_phrases`: a phrase is
    /// one match, and not each of its words.
    pub(super) fn find(
        &self,
        analyzers: &Analyzers,
        field: &FieldMapping,
        text: &Measured<'_>,
        limit: usize,
        whole_phrases: bool,
    ) -> FoundIn {
        let mut finding = Finding {
            matcher: self,
            occurrences: self
                .phrases
                .iter()
                .map(|(phrase, _)| vec![Vec::new(); phrase.places.len()])
                .collect(),
            count: 0,
            found: FoundIn::default(),
        };
        if field.field_type() == FieldType::Text {
            let Ok(mut analyzer) = analyzers.get(Analyzers::index_analyzer(field)) else {
                return FoundIn::default();
            };
            let mut stream = analyzer.token_stream(text.text);
            for _ in 0..MAX_TOKENS {
                if !stream.advance() {
                    break;
                }
                let token = stream.token();
                let start = text.character_of(token.offset_from);
                if start >= limit {
                    break;
                }
                let occurrence = Occurrence {
                    position: token.position,
                    start,
                    end: text.character_of(token.offset_to).max(start),
                };
                finding.token(&token.text, occurrence);
            }
        } else {
            let whole = Occurrence {
                position: 0,
                start: 0,
                end: text.len(),
            };
            finding.token(&analyzers.normalize(field, text.text), whole);
        }
        finding.finish(whole_phrases)
    }
}

fn words_of(places: Vec<Place>) -> Vec<String> {
    places.into_iter().flat_map(|place| place.words).collect()
}

/// One pass over the words of a text.
struct Finding<'m> {
    matcher: &'m Matcher,
    /// By phrase and place.
    occurrences: Vec<Vec<Vec<Occurrence>>>,
    /// How many there are.
    count: usize,
    found: FoundIn,
}

impl Finding<'_> {
    fn token(&mut self, word: &str, at: Occurrence) {
        self.found.tokens.push((at.start, at.end));
        let matched = |term: usize| Match {
            start: at.start,
            end: at.end,
            term,
        };
        let found = &mut self.found.matches;
        if let Some(term) = self.matcher.words.get(word) {
            found.push(matched(*term));
        }
        for (pattern, term) in &self.matcher.patterns {
            if found.len() < MAX_MATCHES && pattern.matches(word) {
                found.push(matched(*term));
            }
        }
        let going_on = self.matcher.prefix_places.iter().filter(|(phrase, place)| {
            let phrase = self.matcher.phrases.get(*phrase);
            phrase.is_some_and(|(phrase, _)| phrase.places[*place].takes(word))
        });
        for (phrase, place) in self
            .matcher
            .places
            .get(word)
            .into_iter()
            .flatten()
            .chain(going_on)
        {
            if self.count == MAX_OCCURRENCES {
                break;
            }
            self.count += 1;
            self.occurrences[*phrase][*place].push(at);
        }
    }

    fn finish(self, whole_phrases: bool) -> FoundIn {
        let mut found = self.found;
        for ((phrase, term), occurrences) in self.matcher.phrases.iter().zip(&self.occurrences) {
            if found.matches.len() >= MAX_MATCHES {
                break;
            }
            for words in phrase.find(occurrences) {
                let start = words.iter().map(|word| word.start).min().unwrap_or(0);
                let end = words.iter().map(|word| word.end).max().unwrap_or(0);
                found.phrases.push((start, end));
                if whole_phrases {
                    found.matches.push(Match {
                        start,
                        end,
                        term: *term,
                    });
                } else {
                    let words = words.iter().map(|word| Match {
                        start: word.start,
                        end: word.end,
                        term: *term,
                    });
                    found.matches.extend(words);
                }
            }
        }
        // A token without characters cannot be shown.
        found.matches.retain(|found| found.end > found.start);
        found.matches.sort_unstable();
        found.matches.dedup();
        found
    }
}
