//! Texts are analysed before tantivy sees them, and reach it as a list of tokens.
//!
//! So the length of a field is known before the document is indexed, and can be written into a column: tantivy has no lengths for the paths of a
//! JSON field, and relevance needs them. It also leaves the view with one tokenizer, whatever analyzers an index defines.

use std::fmt::Write as _;
use std::sync::Arc;

use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};

use super::Analyzers;

/// A value has this many tokens at most, or as many as it has bytes: filters must not make more of a text than a node can hold.
const MAX_TOKENS: usize = 1_000_000;

/// Positions between the last token of a value and the first one of the next value of the same field. Source: the default of Elasticsearch's text
/// fields.
pub(super) const POSITION_INCREMENT_GAP: usize = 100;

/// The analyzers of an index, each opened when it is first needed.
pub(crate) struct IndexAnalyzers {
    analyzers: Arc<Analyzers>,
    opened: Vec<(Box<str>, TextAnalyzer)>,
}

impl IndexAnalyzers {
    pub(crate) fn new(analyzers: Arc<Analyzers>) -> Self {
        Self {
            analyzers,
            opened: Vec::new(),
        }
    }

    /// The table that the analyzers are from.
    pub(crate) fn table(&self) -> &Arc<Analyzers> {
        &self.analyzers
    }

    fn open(&mut self, name: &str) -> &mut TextAnalyzer {
        let place = self.opened.iter().position(|(opened, _)| **opened == *name);
        let place = place.unwrap_or_else(|| {
            self.opened.push((name.into(), self.analyzers.for_indexing(name)));
            self.opened.len() - 1
        });
        &mut self.opened[place].1
    }

    /// Appends the tokens of `text`, and tells how long it is: its tokens without those that share the place of the one before, as synonyms do.
    ///
    /// Source: Lucene's length of a field, with overlapping tokens discounted.
    pub(crate) fn append(&mut self, analyzer: &str, text: &str, buffer: &mut String) -> u32 {
        let most = text.len().max(MAX_TOKENS);
        let mut stream = self.open(analyzer).token_stream(text);
        let (mut last, mut length, mut count) = (None, 0_u32, 0_usize);
        while count < most && stream.advance() {
            count += 1;
            let token = stream.token();
            let step = token.position.saturating_sub(last.unwrap_or_default());
            if last.is_none() || step > 0 {
                length = length.saturating_add(1);
            }
            last = Some(token.position);
            // Writing to a string cannot fail.
            let _ = write!(buffer, "{step} {} {}", token.text.len(), token.text);
        }
        length
    }
}

/// Reads what [`IndexAnalyzers::append`] wrote: for each token the step from the position before, the length in bytes, the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnalyzedTokenizer;

impl Tokenizer for AnalyzedTokenizer {
    type TokenStream<'a> = AnalyzedStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> AnalyzedStream<'a> {
        AnalyzedStream {
            rest: text,
            token: Token {
                position: 0,
                // To tantivy the next value of the field begins behind all that the tokens of this one take.
                position_length: POSITION_INCREMENT_GAP,
                ..Token::default()
            },
        }
    }
}

/// The tokens of one value.
pub(crate) struct AnalyzedStream<'a> {
    rest: &'a str,
    token: Token,
}

impl AnalyzedStream<'_> {
    fn next(&mut self) -> Option<()> {
        let (step, rest) = self.rest.split_once(' ')?;
        let (length, rest) = rest.split_once(' ')?;
        let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
        self.token.position += step.parse::<usize>().ok()?;
        self.token.text.clear();
        self.token.text.push_str(text);
        self.rest = rest;
        Some(())
    }
}

impl TokenStream for AnalyzedStream<'_> {
    fn advance(&mut self) -> bool {
        self.next().is_some()
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String)> {
        let mut tokenizer = AnalyzedTokenizer;
        let mut stream = tokenizer.token_stream(text);
        let mut tokens = Vec::new();
        while stream.advance() {
            tokens.push((stream.token().position, stream.token().text.clone()));
        }
        tokens
    }

    #[test]
    fn tokens_come_back_with_their_positions_and_the_length_is_theirs() {
        let mut analyzers = IndexAnalyzers::new(Analyzers::plain());
        let mut buffer = String::new();
        let length = analyzers.append("english", "The 12 foxes' of  größe", &mut buffer);
        let expected = [(1, "12"), (2, "fox"), (4, "größe")];
        assert_eq!(read(&buffer), expected.map(|(at, text)| (at, text.to_owned())));
        assert_eq!(length, 3);
        let before = buffer.len();
        assert_eq!(analyzers.append("standard", "", &mut buffer), 0);
        assert_eq!(buffer.len(), before);
    }

    #[test]
    fn what_is_no_list_of_tokens_ends_the_list() {
        for broken in ["", "1", "1 5 ab", "x 1 a", "0 1 é"] {
            assert_eq!(read(broken), [], "{broken}");
        }
    }
}
