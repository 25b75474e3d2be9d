//! The filter `unique`.

use std::collections::HashSet;

use tantivy::tokenizer::{Token, TokenStream};

use super::stage::Stage;

/// Drops tokens that have been there. Source: what follows a dropped token moves up, unlike after a stop word.
#[derive(Clone)]
pub(super) struct Unique {
    only_on_same_position: bool,
    seen: HashSet<String>,
    /// Position of the last token read, and of the last one that came out.
    read: usize,
    written: usize,
}

impl Unique {
    pub(super) fn new(only_on_same_position: bool) -> Self {
        Self {
            only_on_same_position,
            seen: HashSet::new(),
            read: usize::MAX,
            written: usize::MAX,
        }
    }
}

impl Stage for Unique {
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token> {
        while let Some(token) = input.next() {
            let increment = token.position.wrapping_sub(self.read);
            self.read = token.position;
            if self.only_on_same_position && increment > 0 {
                self.seen.clear();
            }
            if !self.seen.insert(token.text.clone()) {
                continue;
            }
            self.written = self.written.wrapping_add(increment);
            return Some(Token {
                position: self.written,
                ..token.clone()
            });
        }
        None
    }
}
