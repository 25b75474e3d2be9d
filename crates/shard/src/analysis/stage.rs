//! Filters that make more or fewer tokens of those that they read.

use tantivy::tokenizer::{Token, TokenFilter, TokenStream, Tokenizer};

/// A filter's state while it reads one text.
pub(super) trait Stage: Clone + Send + Sync + 'static {
    /// The next token that comes out, `None` at the end.
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token>;
}

/// A filter that begins each text with this state.
#[derive(Clone)]
pub(super) struct StageFilter<S>(pub(super) S);

#[derive(Clone)]
pub(super) struct StageTokenizer<S, T> {
    start: S,
    inner: T,
}

pub(super) struct StageStream<S, T> {
    stage: S,
    tail: T,
    token: Token,
}

impl<S: Stage> TokenFilter for StageFilter<S> {
    type Tokenizer<T: Tokenizer> = StageTokenizer<S, T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> StageTokenizer<S, T> {
        StageTokenizer {
            start: self.0,
            inner: tokenizer,
        }
    }
}

impl<S: Stage, T: Tokenizer> Tokenizer for StageTokenizer<S, T> {
    type TokenStream<'a> = StageStream<S, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StageStream {
            stage: self.start.clone(),
            tail: self.inner.token_stream(text),
            token: Token::default(),
        }
    }
}

impl<S: Stage, T: TokenStream> TokenStream for StageStream<S, T> {
    fn advance(&mut self) -> bool {
        match self.stage.next(&mut self.tail) {
            Some(token) => {
                self.token = token;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// `asciifolding` with `preserve_original`: the token as it was follows the folded one, at its position.
#[derive(Clone, Default)]
pub(super) struct FoldAndKeep {
    original: Option<Token>,
}

impl Stage for FoldAndKeep {
    fn next(&mut self, input: &mut dyn TokenStream) -> Option<Token> {
        if let Some(original) = self.original.take() {
            return Some(original);
        }
        let token = input.next()?.clone();
        let folded = super::per_token::fold(&token.text);
        if folded == token.text {
            return Some(token);
        }
        self.original = Some(token.clone());
        Some(Token {
            text: folded,
            ..token
        })
    }
}
