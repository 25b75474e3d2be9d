//! Filters that change or drop one token at a time.

use tantivy::tokenizer::{
    AsciiFoldingFilter, RawTokenizer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// Applies a function to each token; those that it answers false for are dropped, and leave a gap in the positions.
#[derive(Clone)]
pub(super) struct PerToken<F>(pub(super) F);

#[derive(Clone)]
pub(super) struct PerTokenTokenizer<F, T> {
    change: F,
    inner: T,
}

pub(super) struct PerTokenStream<F, T> {
    change: F,
    tail: T,
}

impl<F: Fn(&mut Token) -> bool + Clone + Send + Sync + 'static> TokenFilter for PerToken<F> {
    type Tokenizer<T: Tokenizer> = PerTokenTokenizer<F, T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> PerTokenTokenizer<F, T> {
        PerTokenTokenizer {
            change: self.0,
            inner: tokenizer,
        }
    }
}

impl<F: Fn(&mut Token) -> bool + Clone + Send + Sync + 'static, T: Tokenizer> Tokenizer
    for PerTokenTokenizer<F, T>
{
    type TokenStream<'a> = PerTokenStream<F, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        PerTokenStream {
            change: self.change.clone(),
            tail: self.inner.token_stream(text),
        }
    }
}

impl<F: Fn(&mut Token) -> bool, T: TokenStream> TokenStream for PerTokenStream<F, T> {
    fn advance(&mut self) -> bool {
        while self.tail.advance() {
            if (self.change)(self.tail.token_mut()) {
                return true;
            }
        }
        false
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}

/// Source: Java changes the case of single characters; one whose upper case is several characters stays as it is.
pub(super) fn uppercase(text: &str) -> String {
    let upper = |character: char| {
        let mut all = character.to_uppercase();
        match (all.next(), all.next()) {
            (Some(one), None) => one,
            _ => character,
        }
    };
    text.chars().map(upper).collect()
}

/// As the lower-caser of tokens does it: a sigma at the end of a word is like any other.
pub(super) fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Letters with accents and the like by those of ASCII.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut analyzer = TextAnalyzer::builder(RawTokenizer::default())
        .filter(AsciiFoldingFilter)
        .build();
    let mut stream = analyzer.token_stream(text);
    stream.next().map(|token| token.text.clone()).unwrap_or_default()
}

/// At most `length` characters.
pub(super) fn truncate(token: &mut Token, length: usize) {
    if let Some((end, _)) = token.text.char_indices().nth(length) {
        token.text.truncate(end);
    }
}

/// Without a final `'s`. Source: the apostrophes of Lucene's possessive filter.
pub(super) fn strip_possessive(token: &mut Token) {
    let mut backwards = token.text.char_indices().rev();
    let is_s = matches!(backwards.next(), Some((_, 's' | 'S')));
    if let (true, Some((start, '\'' | '\u{2019}' | '\u{ff07}'))) = (is_s, backwards.next()) {
        token.text.truncate(start);
    }
}

/// Without an article before an apostrophe.
pub(super) fn strip_article(token: &mut Token, articles: &[String], ignore_case: bool) {
    let Some((article, word)) = token.text.split_once(['\'', '\u{2019}']) else {
        return;
    };
    let is_article = if ignore_case {
        let article = lowercase(article);
        articles.contains(&article)
    } else {
        articles.iter().any(|known| known == article)
    };
    if is_article {
        token.text = word.to_owned();
    }
}
