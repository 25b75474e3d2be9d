//! The one tokenizer of the view's text field: each value tells it the analyzer.

use std::sync::Arc;

use tantivy::tokenizer::{BoxTokenStream, TextAnalyzer, Token, TokenStream, Tokenizer};

use super::Analyzers;

/// Stands between the name of the analyzer and the text. Names have no control characters.
const SEPARATOR: char = '\u{1f}';
/// A value has this many tokens at most, or as many as it has bytes: filters must not make more of a text than a node can hold.
const MAX_TOKENS: usize = 1_000_000;

/// Appends what a value begins with: the name of its analyzer.
pub(crate) fn push_header(buffer: &mut String, analyzer: &str) {
    buffer.push_str(analyzer);
    buffer.push(SEPARATOR);
}

/// Positions between the last token of a value and the first one of the next value of the same field. Source: the default of Elasticsearch's text
/// fields.
pub(super) const POSITION_INCREMENT_GAP: usize = 100;

/// See the module.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    analyzers: Arc<Analyzers>,
    /// Those that were asked for.
    opened: Vec<(Box<str>, TextAnalyzer)>,
}

impl Dispatcher {
    pub(crate) fn new(analyzers: Arc<Analyzers>) -> Self {
        Self {
            analyzers,
            opened: Vec::new(),
        }
    }

    fn open(&mut self, name: &str) -> &mut TextAnalyzer {
        let place = self.opened.iter().position(|(opened, _)| **opened == *name);
        let place = place.unwrap_or_else(|| {
            self.opened.push((name.into(), self.analyzers.for_indexing(name)));
            self.opened.len() - 1
        });
        &mut self.opened[place].1
    }
}

impl Tokenizer for Dispatcher {
    type TokenStream<'a> = DispatchedStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> DispatchedStream<'a> {
        let (name, text) = text.split_once(SEPARATOR).unwrap_or(("default", text));
        DispatchedStream {
            left: text.len().max(MAX_TOKENS),
            tail: self.open(name).token_stream(text),
        }
    }
}

/// The tokens of one value.
pub(crate) struct DispatchedStream<'a> {
    tail: BoxTokenStream<'a>,
    left: usize,
}

impl TokenStream for DispatchedStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        if !self.tail.advance() {
            return false;
        }
        // To tantivy the next value of the field begins behind all that the tokens of this one take.
        self.tail.token_mut().position_length = POSITION_INCREMENT_GAP;
        true
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}
