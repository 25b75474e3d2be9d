//! Tokenizers that split between classes of characters: `letter`, `lowercase`, `whitespace`.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Runs of the characters that belong to words.
#[derive(Debug, Clone)]
pub(super) struct CharClassTokenizer {
    belongs: fn(char) -> bool,
    lowercase: bool,
    /// Longer runs are cut into pieces of so many characters.
    max_token_length: usize,
    token: Token,
}

#[derive(Debug)]
pub(super) struct CharClassStream<'a> {
    text: &'a str,
    offset: usize,
    belongs: fn(char) -> bool,
    lowercase: bool,
    max_token_length: usize,
    token: &'a mut Token,
}

impl CharClassTokenizer {
    /// Source: `max_token_length` of tokenizers that do not let it be set.
    const MAX_TOKEN_LENGTH: usize = 255;

    fn new(belongs: fn(char) -> bool, lowercase: bool, max_token_length: usize) -> Self {
        Self {
            belongs,
            lowercase,
            max_token_length,
            token: Token::default(),
        }
    }

    pub(super) fn letter() -> Self {
        Self::new(char::is_alphabetic, false, Self::MAX_TOKEN_LENGTH)
    }

    pub(super) fn lowercase() -> Self {
        Self::new(char::is_alphabetic, true, Self::MAX_TOKEN_LENGTH)
    }

    pub(super) fn whitespace(max_token_length: usize) -> Self {
        Self::new(is_no_white_space, false, max_token_length)
    }
}

/// Source: Java's white space: spaces that do not forbid a line break, and the separating control characters.
fn is_no_white_space(character: char) -> bool {
    match character {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}' => true,
        '\u{1c}'..='\u{1f}' => false,
        other => !other.is_whitespace(),
    }
}

impl Tokenizer for CharClassTokenizer {
    type TokenStream<'a> = CharClassStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> CharClassStream<'a> {
        self.token.reset();
        CharClassStream {
            text,
            offset: 0,
            belongs: self.belongs,
            lowercase: self.lowercase,
            max_token_length: self.max_token_length,
            token: &mut self.token,
        }
    }
}

impl TokenStream for CharClassStream<'_> {
    fn advance(&mut self) -> bool {
        let rest = &self.text[self.offset..];
        let Some(start) = rest.find(self.belongs) else {
            return false;
        };
        let word = &rest[start..];
        let length = word
            .char_indices()
            .enumerate()
            .find(|(count, (_, character))| *count == self.max_token_length || !(self.belongs)(*character))
            .map_or(word.len(), |(_, (end, _))| end);
        let word = &word[..length];
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = self.offset + start;
        self.token.offset_to = self.token.offset_from + length;
        self.offset = self.token.offset_to;
        self.token.text.clear();
        if self.lowercase {
            self.token.text.extend(word.chars().flat_map(char::to_lowercase));
        } else {
            self.token.text.push_str(word);
        }
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
