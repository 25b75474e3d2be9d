//! Tokenizers: how a text is split.

use super::parameters::Parameters;

/// A tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenizerDefinition {
    /// `standard`: at the word boundaries of Unicode.
    Standard {
        /// Longer words are cut into pieces of so many characters.
        max_token_length: usize,
    },
    /// `keyword`: the whole text is one token.
    Keyword,
    /// `whitespace`
    Whitespace {
        /// Longer words are cut into pieces of so many characters.
        max_token_length: usize,
    },
    /// `letter`: runs of letters.
    Letter,
    /// `lowercase`: runs of letters, in lower case.
    Lowercase,
    /// `pattern`
    Pattern {
        /// Regular expression.
        pattern: String,
        /// How it is read.
        flags: PatternFlags,
        /// The group of a match that is a token, 0 being the whole match; `None`: matches separate tokens.
        group: Option<usize>,
    },
    /// `ngram`: pieces of words.
    NGram(GramTokenizer),
    /// `edge_ngram`: beginnings of words.
    EdgeNGram(GramTokenizer),
}

/// What `ngram` and `edge_ngram` make of a text. Sizes are in characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GramTokenizer {
    /// Shortest piece.
    pub min_gram: usize,
    /// Longest piece.
    pub max_gram: usize,
    /// What words consist of.
    pub token_chars: TokenChars,
}

/// Classes of characters; none at all stands for every character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "each is named as its class is")]
pub struct TokenChars {
    pub letter: bool,
    pub digit: bool,
    pub whitespace: bool,
    pub punctuation: bool,
    pub symbol: bool,
    /// Single characters besides.
    pub custom: String,
}

/// How a pattern is read. Source: the flags of Java's patterns; the others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PatternFlags {
    /// `CASE_INSENSITIVE`
    pub case_insensitive: bool,
    /// `COMMENTS`: white space and what follows a `#` is no part of the pattern.
    pub comments: bool,
    /// `MULTILINE`
    pub multiline: bool,
    /// `DOTALL`
    pub dot_all: bool,
    /// `UNICODE_CHARACTER_CLASS`: `\w`, `\d` and `\s` go beyond ASCII.
    pub unicode_character_class: bool,
}

/// Source: `max_token_length` of the tokenizers that have one.
const MAX_TOKEN_LENGTH: usize = 255;
/// Source: most that `max_token_length` may be.
const LONGEST_TOKEN: usize = 1_048_576;
/// The types, for messages.
const TYPES: &str = "standard, keyword, whitespace, letter, lowercase, pattern, ngram, edge_ngram";

impl TokenizerDefinition {
    /// The one that is meant where none is named.
    pub const STANDARD: Self = Self::Standard {
        max_token_length: MAX_TOKEN_LENGTH,
    };

    pub(super) fn parse(
        name: &str,
        kind: &str,
        mut parameters: Parameters<'_>,
        max_ngram_diff: usize,
    ) -> Result<Self, String> {
        let parsed = match kind {
            "standard" => Self::Standard {
                max_token_length: max_token_length(&mut parameters)?,
            },
            "keyword" => {
                parameters.number("buffer_size", 256, 1)?;
                Self::Keyword
            }
            "whitespace" => Self::Whitespace {
                max_token_length: max_token_length(&mut parameters)?,
            },
            "letter" => Self::Letter,
            "lowercase" => Self::Lowercase,
            "pattern" => {
                let pattern = parameters.pattern("pattern", Some(r"\W+"))?;
                let flags = PatternFlags::take(&mut parameters)?;
                let group = match parameters.text("group")?.as_deref() {
                    None | Some("-1") => None,
                    Some(text) => Some(text.parse().map_err(|_| {
                        parameters.problem(format_args!("[group] is [{text}], but must be a number from -1"))
                    })?),
                };
                Self::Pattern {
                    pattern,
                    flags,
                    group,
                }
            }
            "ngram" | "nGram" => {
                let grams = GramTokenizer::take(&mut parameters)?;
                check_difference(grams.min_gram, grams.max_gram, max_ngram_diff)?;
                Self::NGram(grams)
            }
            "edge_ngram" | "edgeNGram" => Self::EdgeNGram(GramTokenizer::take(&mut parameters)?),
            _ => {
                return Err(format!(
                    "Unknown tokenizer type [{kind}] for [{name}]; this version has [{TYPES}]"
                ));
            }
        };
        parameters.finish()?;
        Ok(parsed)
    }
}

pub(super) fn max_token_length(parameters: &mut Parameters<'_>) -> Result<usize, String> {
    let length = parameters.number("max_token_length", MAX_TOKEN_LENGTH, 1)?;
    if length > LONGEST_TOKEN {
        let problem = format!("[max_token_length] is [{length}], but must not be above {LONGEST_TOKEN}");
        return Err(parameters.problem(problem));
    }
    Ok(length)
}

/// Source: `index.max_ngram_diff`.
pub(super) fn check_difference(min_gram: usize, max_gram: usize, limit: usize) -> Result<(), String> {
    let difference = max_gram - min_gram;
    if difference <= limit {
        return Ok(());
    }
    Err(format!(
        "The difference between max_gram and min_gram in NGram Tokenizer must be less than or equal to: [{limit}] but was [{difference}]. This limit can be set by changing the [index.max_ngram_diff] index level setting."
    ))
}

/// The sizes `min_gram` and `max_gram`, with 1 and 2 for defaults.
pub(super) fn gram_sizes(parameters: &mut Parameters<'_>) -> Result<(usize, usize), String> {
    let min_gram = parameters.number("min_gram", 1, 1)?;
    let max_gram = parameters.number("max_gram", 2, 1)?;
    if min_gram > max_gram {
        let problem = format!("[min_gram] is [{min_gram}], but must not be above [max_gram], [{max_gram}]");
        return Err(parameters.problem(problem));
    }
    Ok((min_gram, max_gram))
}

impl GramTokenizer {
    fn take(parameters: &mut Parameters<'_>) -> Result<Self, String> {
        let (min_gram, max_gram) = gram_sizes(parameters)?;
        let mut token_chars = TokenChars::default();
        for class in parameters.list("token_chars")?.unwrap_or_default() {
            match class.to_ascii_lowercase().as_str() {
                "letter" => token_chars.letter = true,
                "digit" => token_chars.digit = true,
                "whitespace" => token_chars.whitespace = true,
                "punctuation" => token_chars.punctuation = true,
                "symbol" => token_chars.symbol = true,
                "custom" => {
                    token_chars.custom = parameters.text("custom_token_chars")?.ok_or_else(|| {
                        parameters.problem("Token type: 'custom' requires setting `custom_token_chars`")
                    })?;
                }
                _ => {
                    return Err(parameters.problem(format_args!(
                        "Unknown token type: '{class}', must be one of [letter, digit, whitespace, punctuation, symbol, custom]"
                    )));
                }
            }
        }
        Ok(Self {
            min_gram,
            max_gram,
            token_chars,
        })
    }
}

impl PatternFlags {
    /// The parameter `flags`: names with `|` between them.
    pub(super) fn take(parameters: &mut Parameters<'_>) -> Result<Self, String> {
        let mut flags = Self::default();
        let text = parameters.text("flags")?.unwrap_or_default();
        for flag in text.split('|').filter(|flag| !flag.is_empty()) {
            match flag {
                "CASE_INSENSITIVE" => flags.case_insensitive = true,
                "COMMENTS" => flags.comments = true,
                "MULTILINE" => flags.multiline = true,
                "DOTALL" => flags.dot_all = true,
                // Letters beyond ASCII are compared without regard to case anyway.
                "UNICODE_CASE" => {}
                "UNICODE_CHARACTER_CLASS" | "UNICODE_CHAR_CLASS" => flags.unicode_character_class = true,
                _ => return Err(parameters.problem(format_args!("Unknown regex flag [{flag}]"))),
            }
        }
        Ok(flags)
    }
}
