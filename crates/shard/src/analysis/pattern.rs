//! The tokenizer `pattern`.

use regex::Regex;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Splits at the matches of a pattern, or takes a group of each match.
#[derive(Debug, Clone)]
pub(super) struct PatternTokenizer {
    regex: Regex,
    /// `None`: matches separate tokens.
    group: Option<usize>,
    token: Token,
}

#[derive(Debug)]
pub(super) struct PatternStream<'a> {
    regex: &'a Regex,
    group: Option<usize>,
    text: &'a str,
    /// Where the next match is looked for.
    search_at: usize,
    /// Where the next token begins, if matches separate them.
    start: usize,
    ended: bool,
    token: &'a mut Token,
}

impl PatternTokenizer {
    /// Fails if the pattern has no such group.
    pub(super) fn new(regex: Regex, group: Option<usize>) -> Result<Self, String> {
        if group.is_some_and(|group| group >= regex.captures_len()) {
            return Err(format!(
                "invalid group specified: pattern only has: {} capturing groups",
                regex.captures_len() - 1
            ));
        }
        Ok(Self {
            regex,
            group,
            token: Token::default(),
        })
    }
}

impl Tokenizer for PatternTokenizer {
    type TokenStream<'a> = PatternStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> PatternStream<'a> {
        self.token.reset();
        PatternStream {
            regex: &self.regex,
            group: self.group,
            text,
            search_at: 0,
            start: 0,
            ended: false,
            token: &mut self.token,
        }
    }
}

impl PatternStream<'_> {
    /// Goes on behind a match; an empty one must not be found again.
    fn pass(&mut self, start: usize, end: usize) {
        self.search_at = if end > start {
            end
        } else {
            end + self.text[end..].chars().next().map_or(1, char::len_utf8)
        };
    }

    /// The range of the next token that is a group of a match.
    fn next_group(&mut self, group: usize) -> Option<(usize, usize)> {
        while self.search_at <= self.text.len() {
            let captures = self.regex.captures_at(self.text, self.search_at)?;
            let whole = captures.get(0)?;
            self.pass(whole.start(), whole.end());
            if let Some(found) = captures.get(group).filter(|found| !found.is_empty()) {
                return Some((found.start(), found.end()));
            }
        }
        None
    }

    /// The range of the next token between matches.
    fn next_between(&mut self) -> Option<(usize, usize)> {
        while !self.ended {
            let found = if self.search_at <= self.text.len() {
                self.regex.find_at(self.text, self.search_at)
            } else {
                None
            };
            let (start, end) = match found {
                Some(found) => {
                    self.pass(found.start(), found.end());
                    let range = (self.start, found.start());
                    self.start = found.end();
                    range
                }
                None => {
                    self.ended = true;
                    (self.start, self.text.len())
                }
            };
            if start < end {
                return Some((start, end));
            }
        }
        None
    }
}

impl TokenStream for PatternStream<'_> {
    fn advance(&mut self) -> bool {
        let found = match self.group {
            Some(group) => self.next_group(group),
            None => self.next_between(),
        };
        let Some((start, end)) = found else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (start, end);
        self.token.text.clear();
        self.token.text.push_str(&self.text[start..end]);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
