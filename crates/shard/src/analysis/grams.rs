//! Pieces of words: the tokenizers and filters `ngram` and `edge_ngram`.
//!
//! Pieces are made one by one as they are asked for: a long text has very many of them.

use std::ops::Range;
use std::sync::LazyLock;

use index_meta::{GramFilter, GramTokenizer, TokenChars};
use regex::Regex;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::stage::Stage;

/// Goes through the pieces of a word: from each character on, or from the first only, in order of length.
#[derive(Debug, Clone)]
struct Ranges {
    min_gram: usize,
    max_gram: usize,
    edges_only: bool,
    start: usize,
    end: usize,
    /// Characters of the last piece; 0: none from this start yet.
    size: usize,
}

impl Ranges {
    fn new(min_gram: usize, max_gram: usize, edges_only: bool) -> Self {
        Self {
            min_gram,
            max_gram,
            edges_only,
            start: 0,
            end: 0,
            size: 0,
        }
    }

    /// The next piece of `word`, in bytes.
    fn next(&mut self, word: &str) -> Option<Range<usize>> {
        loop {
            if self.size == 0 {
                let mut ends = word[self.start..]
                    .char_indices()
                    .map(|(at, character)| at + character.len_utf8());
                // Too short for the shortest piece, and so is what comes after.
                self.end = self.start + ends.nth(self.min_gram - 1)?;
                self.size = self.min_gram;
                return Some(self.start..self.end);
            }
            if self.size < self.max_gram
                && let Some(next) = word[self.end..].chars().next()
            {
                self.end += next.len_utf8();
                self.size += 1;
                return Some(self.start..self.end);
            }
            if self.edges_only {
                return None;
            }
            self.start += word[self.start..].chars().next()?.len_utf8();
            self.size = 0;
        }
    }
}

/// The tokenizers.
#[derive(Debug, Clone)]
pub(super) struct NGrams {
    grams: GramTokenizer,
    edges_only: bool,
    token: Token,
}

#[derive(Debug)]
pub(super) struct NGramStream<'a> {
    grams: &'a GramTokenizer,
    edges_only: bool,
    text: &'a str,
    /// The word under way.
    word: Range<usize>,
    ranges: Ranges,
    token: &'a mut Token,
}

impl NGrams {
    pub(super) fn new(grams: &GramTokenizer, edges_only: bool) -> Self {
        Self {
            grams: grams.clone(),
            edges_only,
            token: Token::default(),
        }
    }
}

impl Tokenizer for NGrams {
    type TokenStream<'a> = NGramStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> NGramStream<'a> {
        self.token.reset();
        NGramStream {
            grams: &self.grams,
            edges_only: self.edges_only,
            text,
            word: 0..0,
            ranges: Ranges::new(self.grams.min_gram, self.grams.max_gram, self.edges_only),
            token: &mut self.token,
        }
    }
}

impl NGramStream<'_> {
    /// Whether there is another word.
    fn next_word(&mut self) -> bool {
        let rest = &self.text[self.word.end..];
        let belongs = |character: char| belongs(&self.grams.token_chars, character);
        let Some(start) = rest.find(belongs) else {
            return false;
        };
        let length = rest[start..]
            .find(|character| !belongs(character))
            .unwrap_or(rest.len() - start);
        let start = self.word.end + start;
        self.word = start..start + length;
        self.ranges = Ranges::new(self.grams.min_gram, self.grams.max_gram, self.edges_only);
        true
    }
}

impl TokenStream for NGramStream<'_> {
    fn advance(&mut self) -> bool {
        let range = loop {
            if !self.word.is_empty()
                && let Some(range) = self.ranges.next(&self.text[self.word.clone()])
            {
                break self.word.start + range.start..self.word.start + range.end;
            }
            if !self.next_word() {
                return false;
            }
        };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (range.start, range.end);
        self.token.text.clear();
        self.token.text.push_str(&self.text[range]);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

static PUNCTUATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{P}$").expect("the pattern is well-formed"));
static SYMBOL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{S}$").expect("the pattern is well-formed"));

fn belongs(chars: &TokenChars, character: char) -> bool {
    if *chars == TokenChars::default() {
        return true;
    }
    let is = |regex: &Regex| regex.is_match(character.encode_utf8(&mut [0; 4]));
    (chars.letter && character.is_alphabetic())
        || (chars.digit && character.is_numeric())
        || (chars.whitespace && character.is_whitespace())
        || chars.custom.contains(character)
        || (chars.punctuation && is(&PUNCTUATION))
        || (chars.symbol && is(&SYMBOL))
}

/// The filters. The pieces of a token have its position and its offsets.
#[derive(Debug, Clone)]
pub(super) struct GramStage {
    grams: GramFilter,
    edges_only: bool,
    token: Option<(Token, Ranges)>,
}

impl GramStage {
    pub(super) fn new(grams: &GramFilter, edges_only: bool) -> Self {
        Self {
            grams: grams.clone(),
            edges_only,
            token: None,
        }
    }

    /// Whether no piece is the whole token.
    fn is_missed(&self, token: &Token) -> bool {
        // Only the first characters are counted: a token may be long.
        let length = token
            .text
            .chars()
            .take(self.grams.max_gram.saturating_add(1))
            .count();
        length < self.grams.min_gram || length > self.grams.max_gram
    }
}

impl Stage for GramStage {
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token> {
        loop {
            if let Some((token, mut ranges)) = self.token.take() {
                if let Some(range) = ranges.next(&token.text) {
                    let piece = Token {
                        text: token.text[range].to_owned(),
                        ..token
                    };
                    self.token = Some((
                        Token {
                            text: token.text,
                            ..piece.clone()
                        },
                        ranges,
                    ));
                    return Some(piece);
                }
                if self.grams.preserve_original && self.is_missed(&token) {
                    return Some(token);
                }
            }
            let token = input.next()?.clone();
            let ranges = Ranges::new(self.grams.min_gram, self.grams.max_gram, self.edges_only);
            self.token = Some((token, ranges));
        }
    }
}
