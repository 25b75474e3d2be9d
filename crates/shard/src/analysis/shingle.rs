//! The filter `shingle`.

use std::collections::VecDeque;
use std::sync::Arc;

use index_meta::ShingleFilter;
use tantivy::tokenizer::{Token, TokenStream};

use super::stage::Stage;

/// A token, or the filler for a position that has none.
#[derive(Clone)]
struct Place {
    token: Token,
    is_filler: bool,
}

/// Joins tokens that follow each other.
///
/// Source: Lucene's filter. Shingles stand at the position of their first token, after that token itself; a position without a token is taken by the
/// filler, and what would be made of fillers alone does not come out; tokens at one position follow each other like any others.
#[derive(Clone)]
pub(super) struct Shingles {
    shingle: Arc<ShingleFilter>,
    /// From the place on that comes out next.
    window: VecDeque<Place>,
    ready: VecDeque<Token>,
    /// The token that was read last, if fillers come before it, and how many.
    behind: Option<(Token, usize)>,
    /// Position of the last token read, and of the last one that came out.
    read: usize,
    written: usize,
    /// Whether any shingle came out.
    has_joined: bool,
}

impl Shingles {
    pub(super) fn new(shingle: &ShingleFilter) -> Self {
        Self {
            shingle: Arc::new(shingle.clone()),
            window: VecDeque::new(),
            ready: VecDeque::new(),
            behind: None,
            read: usize::MAX,
            written: usize::MAX,
            has_joined: false,
        }
    }

    /// The next place; `None` at the end.
    fn read_place(&mut self, input: &mut dyn TokenStream) -> Option<Place> {
        let (token, fillers) = match self.behind.take() {
            Some(behind) => behind,
            None => {
                let token = input.next()?.clone();
                let increment = token.position.wrapping_sub(self.read);
                self.read = token.position;
                (
                    token,
                    increment.saturating_sub(1).min(self.shingle.max_shingle_size - 1),
                )
            }
        };
        if fillers == 0 {
            return Some(Place {
                token,
                is_filler: false,
            });
        }
        let filler = Token {
            offset_from: token.offset_from,
            offset_to: token.offset_from,
            position: token.position,
            text: self.shingle.filler_token.clone(),
            position_length: 1,
        };
        self.behind = Some((token, fillers - 1));
        Some(Place {
            token: filler,
            is_filler: true,
        })
    }

    /// What comes out for the first place of the window.
    fn write(&mut self) {
        let shingle = Arc::clone(&self.shingle);
        let is_short = self.window.len() < shingle.min_shingle_size;
        let alone =
            shingle.output_unigrams || shingle.output_unigrams_if_no_shingles && !self.has_joined && is_short;
        let Some(first) = self.window.front() else { return };
        let start = first.token.offset_from;
        let (mut text, mut only_fillers, mut is_first) = (String::new(), true, true);
        for (index, place) in self.window.iter().enumerate() {
            if index > 0 {
                text.push_str(&shingle.token_separator);
            }
            text.push_str(&place.token.text);
            only_fillers &= place.is_filler;
            let wanted = if index == 0 {
                alone
            } else {
                index + 1 >= shingle.min_shingle_size
            };
            if !wanted || only_fillers {
                continue;
            }
            self.has_joined |= index > 0;
            self.written = self.written.wrapping_add(usize::from(is_first));
            is_first = false;
            self.ready.push_back(Token {
                offset_from: start,
                offset_to: place.token.offset_to,
                position: self.written,
                text: text.clone(),
                position_length: 1,
            });
        }
        self.window.pop_front();
    }
}

impl Stage for Shingles {
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token> {
        loop {
            if let Some(token) = self.ready.pop_front() {
                return Some(token);
            }
            while self.window.len() < self.shingle.max_shingle_size {
                match self.read_place(input) {
                    Some(place) => self.window.push_back(place),
                    None => break,
                }
            }
            if self.window.is_empty() {
                return None;
            }
            self.write();
        }
    }
}
