//! Analyzers and normalizers as chains, the built-in ones among them.

use super::parameters::Parameters;
use super::token_filter::{StopWords, TokenFilterDefinition};
use super::tokenizer::{PatternFlags, TokenizerDefinition, max_token_length};
use super::{AnalysisLanguage, CharFilterDefinition};

/// All that an analyzer does, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnalyzerChain {
    /// First these change the text.
    pub char_filters: Vec<CharFilterDefinition>,
    /// Then it is split.
    pub tokenizer: TokenizerDefinition,
    /// Then these change the tokens.
    pub filters: Vec<TokenFilterDefinition>,
}

/// All that a keyword's normalizer does, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NormalizerChain {
    /// First these change the text.
    pub char_filters: Vec<CharFilterDefinition>,
    /// Then these; each works character by character.
    pub filters: Vec<TokenFilterDefinition>,
}

/// Source: the articles of Lucene's Italian analyzer.
const ITALIAN_ARTICLES: &[&str] = &[
    "c", "l", "all", "dall", "dell", "nell", "sull", "coll", "pell", "gl", "agl", "dagl", "degl", "negl",
    "sugl", "un", "m", "t", "s", "v", "d",
];

impl AnalyzerChain {
    fn of(tokenizer: TokenizerDefinition, filters: Vec<TokenFilterDefinition>) -> Self {
        Self {
            char_filters: Vec::new(),
            tokenizer,
            filters,
        }
    }

    /// The analyzer that every index has under this name, unless it defines another one.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        // Without parameters there is nothing to go wrong.
        Self::configured(name, &mut Parameters::defaults("analyzer", name))
            .ok()
            .flatten()
    }

    /// The analyzer of a type that is not `custom`; `None` for an unknown type.
    pub(super) fn configured(kind: &str, parameters: &mut Parameters<'_>) -> Result<Option<Self>, String> {
        let with_stop_words = |mut chain: Self, stop_words: StopWords| {
            if !stop_words.is_empty() {
                chain.filters.push(TokenFilterDefinition::Stop(stop_words));
            }
            chain
        };
        Ok(Some(match kind {
            "standard" => {
                let tokenizer = TokenizerDefinition::Standard {
                    max_token_length: max_token_length(parameters)?,
                };
                let stop_words = StopWords::take(parameters, &[], false)?;
                with_stop_words(
                    Self::of(tokenizer, vec![TokenFilterDefinition::Lowercase]),
                    stop_words,
                )
            }
            "simple" => Self::of(TokenizerDefinition::Lowercase, Vec::new()),
            "whitespace" => Self::of(
                TokenizerDefinition::Whitespace {
                    max_token_length: max_token_length(parameters)?,
                },
                Vec::new(),
            ),
            "keyword" => Self::of(TokenizerDefinition::Keyword, Vec::new()),
            "stop" => {
                let stop_words = StopWords::take(parameters, &[AnalysisLanguage::English], false)?;
                with_stop_words(Self::of(TokenizerDefinition::Lowercase, Vec::new()), stop_words)
            }
            "pattern" => {
                let tokenizer = TokenizerDefinition::Pattern {
                    pattern: parameters.pattern("pattern", Some(r"\W+"))?,
                    flags: PatternFlags::take(parameters)?,
                    group: None,
                };
                let lowercase = parameters.flag("lowercase", true)?;
                let filters = lowercase.then_some(TokenFilterDefinition::Lowercase);
                let stop_words = StopWords::take(parameters, &[], false)?;
                with_stop_words(Self::of(tokenizer, filters.into_iter().collect()), stop_words)
            }
            name => {
                let language = AnalysisLanguage::ALL
                    .iter()
                    .find(|language| language.name() == name && language.has_stop_words());
                let Some(language) = language else { return Ok(None) };
                let stop_words = StopWords::take(parameters, &[*language], false)?;
                Self::of_language(*language, stop_words)
            }
        }))
    }

    /// Source: the order of the filters in Lucene's analyzers of languages.
    fn of_language(language: AnalysisLanguage, stop_words: StopWords) -> Self {
        let first = match language {
            AnalysisLanguage::English => Some(TokenFilterDefinition::PossessiveEnglish),
            AnalysisLanguage::French => Some(TokenFilterDefinition::french_elision()),
            AnalysisLanguage::Italian => Some(TokenFilterDefinition::Elision {
                articles: ITALIAN_ARTICLES
                    .iter()
                    .map(|article| (*article).to_owned())
                    .collect(),
                ignore_case: true,
            }),
            _ => None,
        };
        let stop = (!stop_words.is_empty()).then_some(TokenFilterDefinition::Stop(stop_words));
        let filters = first
            .into_iter()
            .chain([TokenFilterDefinition::Lowercase])
            .chain(stop)
            .chain([TokenFilterDefinition::Stemmer(language)]);
        Self::of(TokenizerDefinition::STANDARD, filters.collect())
    }
}

impl NormalizerChain {
    /// The normalizer that every index has under this name, unless it defines another one.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        (name == "lowercase").then(|| Self {
            char_filters: Vec::new(),
            filters: vec![TokenFilterDefinition::Lowercase],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_with_stop_words_has_an_analyzer() {
        for language in AnalysisLanguage::ALL {
            let chain = AnalyzerChain::built_in(language.name());
            assert_eq!(chain.is_some(), language.has_stop_words(), "{language:?}");
            if let Some(chain) = chain {
                assert_eq!(
                    chain.filters.last(),
                    Some(&TokenFilterDefinition::Stemmer(*language))
                );
                let stop_words = StopWords {
                    languages: vec![*language],
                    ..StopWords::default()
                };
                assert!(chain.filters.contains(&TokenFilterDefinition::Stop(stop_words)));
            }
        }
        assert!(AnalyzerChain::built_in("klingon").is_none());
        assert!(AnalyzerChain::built_in("custom").is_none());
    }
}
