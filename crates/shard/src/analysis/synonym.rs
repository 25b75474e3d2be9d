//! The filter `synonym`.
//!
//! Source: Lucene's filter that puts synonyms in the positions of what they stand for. The words of a synonym of several words take the positions from
//! that of its original on, beside whatever follows there; a phrase may then cross between the two.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use index_meta::{SynonymRule, Synonyms};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream};

use super::SYNONYM;
use super::stage::Stage;

/// What becomes of some words in a row.
#[derive(Debug, Default)]
struct Entry {
    /// The words after the first.
    rest: Vec<String>,
    /// Each is one synonym.
    outputs: Vec<Vec<String>>,
    keeps_input: bool,
}

/// Analyzed rules.
#[derive(Debug, Default)]
pub(super) struct SynonymMap {
    /// By the first word; those of most words first.
    entries: HashMap<String, Vec<Entry>>,
    /// Words of the longest input.
    longest: usize,
}

impl SynonymMap {
    /// Analyzes the rules by what stands before the filter.
    pub(super) fn new(synonyms: &Synonyms, mut before: TextAnalyzer) -> Result<Self, String> {
        let mut map = Self::default();
        let mut words = |text: &String| match words_of(&mut before, text) {
            Err(_) if synonyms.lenient => Ok(None),
            other => other.map(Some),
        };
        for rule in &synonyms.rules {
            let mut analyzed = |texts: &[String]| -> Result<Vec<Vec<String>>, String> {
                Ok(texts
                    .iter()
                    .map(&mut words)
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten()
                    .collect())
            };
            match rule {
                SynonymRule::Explicit { from, to } => {
                    let to = analyzed(to)?;
                    for input in analyzed(from)? {
                        map.add(&input, &to, false);
                    }
                }
                SynonymRule::Equivalent(texts) => {
                    let texts = analyzed(texts)?;
                    for input in &texts {
                        if synonyms.expand {
                            let others: Vec<_> =
                                texts.iter().filter(|other| *other != input).cloned().collect();
                            map.add(input, &others, true);
                        } else {
                            map.add(input, &texts[..1], false);
                        }
                    }
                }
            }
        }
        for entries in map.entries.values_mut() {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.rest.len()));
        }
        Ok(map)
    }

    fn add(&mut self, input: &[String], outputs: &[Vec<String>], keeps_input: bool) {
        let Some((first, rest)) = input.split_first() else {
            return;
        };
        self.longest = self.longest.max(input.len());
        let entries = self.entries.entry(first.clone()).or_default();
        let at = match entries.iter().position(|entry| entry.rest == rest) {
            Some(at) => at,
            None => {
                entries.push(Entry {
                    rest: rest.to_vec(),
                    ..Entry::default()
                });
                entries.len() - 1
            }
        };
        let entry = &mut entries[at];
        entry.keeps_input |= keeps_input;
        for output in outputs {
            if !entry.outputs.contains(output) {
                entry.outputs.push(output.clone());
            }
        }
    }
}

/// The words of a side of a rule. Source: they must follow each other without gaps.
fn words_of(analyzer: &mut TextAnalyzer, text: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut stream = analyzer.token_stream(text);
    while let Some(token) = stream.next() {
        if token.position != words.len() {
            return Err(format!(
                "term: {text} analyzed to a token ({}) with position increment != 1",
                token.text
            ));
        }
        words.push(token.text.clone());
    }
    if words.is_empty() {
        return Err(format!("term: {text} was completely eliminated by analyzer"));
    }
    Ok(words)
}

/// The filter.
#[derive(Clone)]
pub(super) struct SynonymStage {
    map: Arc<SynonymMap>,
    /// Read, but not passed on.
    ahead: VecDeque<Token>,
    /// How many of them a match has taken, and whether they are kept.
    matched: usize,
    keeps_input: bool,
    /// Words of synonyms for this position, the next one, and so on.
    pending: VecDeque<Vec<Token>>,
    /// Ready to be passed on.
    ready: VecDeque<Token>,
    /// Position of the last token read, and of the last one that came out.
    read: usize,
    written: usize,
}

impl SynonymStage {
    pub(super) fn new(map: SynonymMap) -> Self {
        Self {
            map: Arc::new(map),
            ahead: VecDeque::new(),
            matched: 0,
            keeps_input: false,
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            read: usize::MAX,
            written: usize::MAX,
        }
    }

    fn read_ahead(&mut self, input: &mut dyn TokenStream) {
        while self.ahead.len() < self.map.longest.max(1) {
            match input.next() {
                Some(token) => self.ahead.push_back(token.clone()),
                None => return,
            }
        }
    }

    /// Looks for the longest input that begins with the next token, and notes its synonyms.
    fn find(&mut self) {
        let map = Arc::clone(&self.map);
        let Some(first) = self.ahead.front() else { return };
        let fits = |entry: &&Entry| {
            entry.rest.len() < self.ahead.len()
                && entry
                    .rest
                    .iter()
                    .zip(self.ahead.iter().skip(1))
                    .all(|(word, token)| *word == token.text)
        };
        let Some(entry) = map
            .entries
            .get(&first.text)
            .and_then(|entries| entries.iter().find(fits))
        else {
            return;
        };
        self.matched = entry.rest.len() + 1;
        self.keeps_input = entry.keeps_input;
        let end = self
            .ahead
            .get(entry.rest.len())
            .map_or(first.offset_to, |last| last.offset_to);
        for output in &entry.outputs {
            for (place, word) in output.iter().enumerate() {
                if self.pending.len() <= place {
                    self.pending.push_back(Vec::new());
                }
                self.pending[place].push(Token {
                    offset_from: first.offset_from,
                    offset_to: end,
                    position: 0,
                    text: word.clone(),
                    position_length: SYNONYM,
                });
            }
        }
    }

    /// Passes on what belongs to one position.
    fn write(&mut self, original: Option<Token>, increment: usize) {
        let synonyms = self.pending.pop_front().unwrap_or_default();
        if original.is_none() && synonyms.is_empty() {
            return;
        }
        self.written = self.written.wrapping_add(increment);
        let position = self.written;
        let all = original.into_iter().chain(synonyms);
        self.ready.extend(all.map(|token| Token { position, ..token }));
    }
}

impl Stage for SynonymStage {
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token> {
        loop {
            if let Some(token) = self.ready.pop_front() {
                return Some(token);
            }
            self.read_ahead(input);
            if self.matched == 0 {
                self.find();
            }
            match self.ahead.pop_front() {
                Some(token) => {
                    let increment = token.position.wrapping_sub(self.read);
                    self.read = token.position;
                    let is_kept = self.matched == 0 || self.keeps_input;
                    self.matched = self.matched.saturating_sub(1);
                    self.write(is_kept.then_some(token), increment);
                }
                // The last synonym may have more words than there were tokens.
                None if self.pending.is_empty() => return None,
                None => self.write(None, 1),
            }
        }
    }
}
