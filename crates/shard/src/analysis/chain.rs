//! Puts a chain together.

use std::collections::HashSet;
use std::sync::Arc;

use index_meta::{AnalysisLanguage, AnalyzerChain, StopWords, TokenFilterDefinition, TokenizerDefinition};
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RawTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
    TextAnalyzerBuilder, Token, Tokenizer,
};

use super::char_class::CharClassTokenizer;
use super::char_filter::{CharFilter, CharFiltered};
use super::grams::{GramStage, NGrams};
use super::java_pattern;
use super::pattern::PatternTokenizer;
use super::per_token::{PerToken, strip_article, strip_possessive, truncate, uppercase};
use super::shingle::Shingles;
use super::stage::{FoldAndKeep, StageFilter};
use super::standard::StandardTokenizer;
use super::synonym::{SynonymMap, SynonymStage};
use super::unique::Unique;

/// The analyzer that does what `chain` says; a problem is for people.
pub(super) fn build(chain: &AnalyzerChain) -> Result<TextAnalyzer, String> {
    beginning(chain, chain.filters.len()).map(TextAnalyzerBuilder::build)
}

/// The chain up to its filter number `count`.
fn beginning(chain: &AnalyzerChain, count: usize) -> Result<TextAnalyzerBuilder, String> {
    let filters = &chain.filters[..count];
    let char_filters: Arc<[CharFilter]> = chain
        .char_filters
        .iter()
        .map(CharFilter::new)
        .collect::<Result<_, _>>()?;
    // The tokenizer does it on the way.
    let folds = matches!(chain.tokenizer, TokenizerDefinition::Standard { .. })
        && filters.first() == Some(&TokenFilterDefinition::Lowercase);
    let mut builder = tokenizer(&chain.tokenizer, folds, char_filters)?;
    for (number, filter) in filters.iter().enumerate().skip(usize::from(folds)) {
        builder = link(builder, filter, || {
            beginning(chain, number).map(TextAnalyzerBuilder::build)
        })?;
    }
    Ok(builder)
}

fn tokenizer(
    definition: &TokenizerDefinition,
    folds: bool,
    char_filters: Arc<[CharFilter]>,
) -> Result<TextAnalyzerBuilder, String> {
    Ok(match definition {
        TokenizerDefinition::Standard { max_token_length } => {
            behind(char_filters, StandardTokenizer::new(*max_token_length, folds))
        }
        TokenizerDefinition::Keyword => behind(char_filters, RawTokenizer::default()),
        TokenizerDefinition::Whitespace { max_token_length } => {
            behind(char_filters, CharClassTokenizer::whitespace(*max_token_length))
        }
        TokenizerDefinition::Letter => behind(char_filters, CharClassTokenizer::letter()),
        TokenizerDefinition::Lowercase => behind(char_filters, CharClassTokenizer::lowercase()),
        TokenizerDefinition::Pattern {
            pattern,
            flags,
            group,
        } => {
            let regex = java_pattern::compile(pattern, *flags)?;
            behind(char_filters, PatternTokenizer::new(regex, *group)?)
        }
        TokenizerDefinition::NGram(grams) => behind(char_filters, NGrams::new(grams, false)),
        TokenizerDefinition::EdgeNGram(grams) => behind(char_filters, NGrams::new(grams, true)),
    })
}

fn behind<T: Tokenizer>(char_filters: Arc<[CharFilter]>, tokenizer: T) -> TextAnalyzerBuilder {
    if char_filters.is_empty() {
        TextAnalyzer::builder(tokenizer).dynamic()
    } else {
        TextAnalyzer::builder(CharFiltered::new(char_filters, tokenizer)).dynamic()
    }
}

fn each<F>(builder: TextAnalyzerBuilder, change: F) -> TextAnalyzerBuilder
where
    F: Fn(&mut Token) -> bool + Clone + Send + Sync + 'static,
{
    builder.filter_dynamic(PerToken(change))
}

/// Adds a filter; `before` makes the chain up to it.
fn link(
    builder: TextAnalyzerBuilder,
    filter: &TokenFilterDefinition,
    before: impl FnOnce() -> Result<TextAnalyzer, String>,
) -> Result<TextAnalyzerBuilder, String> {
    Ok(match filter {
        TokenFilterDefinition::Lowercase => builder.filter_dynamic(LowerCaser),
        TokenFilterDefinition::Uppercase => each(builder, |token| {
            token.text = uppercase(&token.text);
            true
        }),
        TokenFilterDefinition::AsciiFolding {
            preserve_original: false,
        } => builder.filter_dynamic(AsciiFoldingFilter),
        TokenFilterDefinition::AsciiFolding {
            preserve_original: true,
        } => builder.filter_dynamic(StageFilter(FoldAndKeep::default())),
        TokenFilterDefinition::Trim => each(builder, |token| {
            token.text = token.text.trim().to_owned();
            true
        }),
        TokenFilterDefinition::Reverse => each(builder, |token| {
            token.text = token.text.chars().rev().collect();
            true
        }),
        TokenFilterDefinition::Truncate { length } => {
            let length = *length;
            each(builder, move |token| {
                truncate(token, length);
                true
            })
        }
        TokenFilterDefinition::Length { min, max } => {
            let bounds = *min..=*max;
            each(builder, move |token| bounds.contains(&token.text.chars().count()))
        }
        TokenFilterDefinition::Unique {
            only_on_same_position,
        } => builder.filter_dynamic(StageFilter(Unique::new(*only_on_same_position))),
        TokenFilterDefinition::Stop(stop_words) => stop(builder, stop_words),
        TokenFilterDefinition::Stemmer(of) => builder.filter_dynamic(Stemmer::new(language(*of))),
        TokenFilterDefinition::PossessiveEnglish => each(builder, |token| {
            strip_possessive(token);
            true
        }),
        TokenFilterDefinition::Elision {
            articles,
            ignore_case,
        } => {
            let (articles, ignore_case): (Arc<[String]>, _) = (articles.clone().into(), *ignore_case);
            each(builder, move |token| {
                strip_article(token, &articles, ignore_case);
                true
            })
        }
        TokenFilterDefinition::NGram(grams) => {
            builder.filter_dynamic(StageFilter(GramStage::new(grams, false)))
        }
        TokenFilterDefinition::EdgeNGram(grams) => {
            builder.filter_dynamic(StageFilter(GramStage::new(grams, true)))
        }
        TokenFilterDefinition::Synonym(synonyms) => {
            let map = SynonymMap::new(synonyms, before()?)?;
            builder.filter_dynamic(StageFilter(SynonymStage::new(map)))
        }
        TokenFilterDefinition::Shingle(shingle) => {
            builder.filter_dynamic(StageFilter(Shingles::new(shingle)))
        }
    })
}

fn stop(mut builder: TextAnalyzerBuilder, stop_words: &StopWords) -> TextAnalyzerBuilder {
    let lists = stop_words
        .languages
        .iter()
        .filter_map(|of| StopWordFilter::new(language(*of)));
    if !stop_words.ignore_case {
        for list in lists {
            builder = builder.filter_dynamic(list);
        }
        return builder.filter_dynamic(StopWordFilter::remove(stop_words.words.iter().cloned()));
    }
    // Tantivy's lists are in lower case, and do not say what they hold: a word in lower case goes through them.
    let words: Arc<HashSet<String>> = Arc::new(stop_words.words.iter().cloned().collect());
    let lists: Vec<TextAnalyzer> = lists
        .map(|list| {
            TextAnalyzer::builder(RawTokenizer::default())
                .filter(list)
                .build()
        })
        .collect();
    each(builder, move |token| {
        let word = super::per_token::lowercase(&token.text);
        let is_listed = |list: &TextAnalyzer| !list.clone().token_stream(&word).advance();
        !words.contains(&word) && !lists.iter().any(is_listed)
    })
}

fn language(of: AnalysisLanguage) -> Language {
    match of {
        AnalysisLanguage::Arabic => Language::Arabic,
        AnalysisLanguage::Danish => Language::Danish,
        AnalysisLanguage::Dutch => Language::Dutch,
        AnalysisLanguage::English => Language::English,
        AnalysisLanguage::Finnish => Language::Finnish,
        AnalysisLanguage::French => Language::French,
        AnalysisLanguage::German => Language::German,
        AnalysisLanguage::Greek => Language::Greek,
        AnalysisLanguage::Hungarian => Language::Hungarian,
        AnalysisLanguage::Italian => Language::Italian,
        AnalysisLanguage::Norwegian => Language::Norwegian,
        AnalysisLanguage::Portuguese => Language::Portuguese,
        AnalysisLanguage::Romanian => Language::Romanian,
        AnalysisLanguage::Russian => Language::Russian,
        AnalysisLanguage::Spanish => Language::Spanish,
        AnalysisLanguage::Swedish => Language::Swedish,
        AnalysisLanguage::Tamil => Language::Tamil,
        AnalysisLanguage::Turkish => Language::Turkish,
    }
}
