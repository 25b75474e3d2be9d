//! What `_analyze` answers with `explain`: the text and the tokens after each part of a chain.

use index_meta::{
    AnalysisDefinitions, AnalyzerChain, CharFilterDefinition, FieldType, Mapping, NormalizerChain,
    SettingValue, Settings, TokenizerDefinition,
};
use serde_json::Value;

use es_exception::Exception;

use super::analyze::{AnalyzeRequest, AnalyzeWith, AnalyzedToken, analyze, custom_chain, is_standard, run};
use super::chain::build;
use super::char_filter::CharFilter;

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnalysisExplanation {
    /// An analyzer that is not made of parts that have names.
    Whole(ExplainedTokens),
    /// A chain: what each of its parts made of what the part before left.
    Chain {
        /// The texts after each character filter.
        char_filters: Vec<ExplainedTexts>,
        /// The tokens of the tokenizer.
        tokenizer: ExplainedTokens,
        /// The tokens after each token filter.
        filters: Vec<ExplainedTokens>,
    },
}

/// The texts after a character filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedTexts {
    /// Its name.
    pub name: String,
    /// One for each text of the request.
    pub texts: Vec<String>,
}

/// The tokens after a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedTokens {
    /// Its name.
    pub name: String,
    /// Of all texts of the request.
    pub tokens: Vec<AnalyzedToken>,
}

/// A chain with the names of its parts.
struct Named {
    chain: AnalyzerChain,
    char_filters: Vec<String>,
    tokenizer: String,
    filters: Vec<String>,
}

/// Explains how texts are analyzed; as [`analyze`] otherwise.
///
/// # Errors
/// As [`analyze`]; `max_tokens` bounds the tokens of all parts together.
pub fn explain_analysis(
    settings: &Settings,
    mapping: &Mapping,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<AnalysisExplanation, Exception> {
    let whole = |name: &str| -> Result<AnalysisExplanation, Exception> {
        Ok(AnalysisExplanation::Whole(ExplainedTokens {
            name: name.to_owned(),
            tokens: analyze(settings, mapping, request, max_tokens)?,
        }))
    };
    let analyzer = |name: &str| match named_analyzer(settings, name) {
        Some(named) => explain(&named, request, max_tokens),
        None => whole(name),
    };
    let normalizer = |name: &str| match named_normalizer(settings, name) {
        Some(named) => explain(&named, request, max_tokens),
        None => whole(name),
    };
    match &request.with {
        AnalyzeWith::Default => analyzer("default"),
        AnalyzeWith::Analyzer(name) => analyzer(name),
        AnalyzeWith::Normalizer(name) => normalizer(name),
        AnalyzeWith::Field(path) => match mapping.field(path) {
            None => analyzer("default"),
            Some(field) => match (field.field_type(), field.normalizer()) {
                (FieldType::Text, _) => analyzer(super::Analyzers::index_analyzer(field)),
                (FieldType::Keyword, Some(name)) => normalizer(name),
                _ => whole("keyword"),
            },
        },
        AnalyzeWith::Custom {
            tokenizer,
            filters,
            char_filters,
        } => {
            let named = Named {
                chain: custom_chain(settings, tokenizer.as_ref(), filters, char_filters)?,
                char_filters: char_filters.iter().map(link_name).collect(),
                tokenizer: tokenizer.as_ref().map_or_else(|| "keyword".to_owned(), link_name),
                filters: filters.iter().map(link_name).collect(),
            };
            explain(&named, request, max_tokens)
        }
    }
}

/// Source: what has no name is called by its type.
fn link_name(link: &Value) -> String {
    match link.as_str() {
        Some(name) => name.to_owned(),
        None => format!(
            "__anonymous__{}",
            link.get("type").and_then(Value::as_str).unwrap_or_default()
        ),
    }
}

/// The chain of an analyzer that the index puts together itself.
fn named_analyzer(settings: &Settings, name: &str) -> Option<Named> {
    let prefix = format!("index.analysis.analyzer.{name}");
    if settings
        .get_str(&format!("{prefix}.type"))
        .is_some_and(|kind| kind != "custom")
    {
        return None;
    }
    let tokenizer = settings.get_str(&format!("{prefix}.tokenizer"))?.to_owned();
    let definitions = AnalysisDefinitions::from_settings(settings);
    let (_, chain) = definitions.analyzers().find(|(defined, _)| *defined == name)?;
    Some(Named {
        chain: AnalyzerChain::clone(chain.ok()?),
        char_filters: names_in(settings, &format!("{prefix}.char_filter")),
        tokenizer,
        filters: names_in(settings, &format!("{prefix}.filter")),
    })
}

/// The chain of a normalizer of the index, as one of an analyzer that splits nothing.
fn named_normalizer(settings: &Settings, name: &str) -> Option<Named> {
    let prefix = format!("index.analysis.normalizer.{name}");
    let definitions = AnalysisDefinitions::from_settings(settings);
    let (_, chain) = definitions.normalizers().find(|(defined, _)| *defined == name)?;
    let NormalizerChain {
        char_filters,
        filters,
    } = NormalizerChain::clone(chain.ok()?);
    Some(Named {
        chain: AnalyzerChain {
            char_filters,
            tokenizer: TokenizerDefinition::Keyword,
            filters,
        },
        char_filters: names_in(settings, &format!("{prefix}.char_filter")),
        tokenizer: "keyword".to_owned(),
        filters: names_in(settings, &format!("{prefix}.filter")),
    })
}

fn names_in(settings: &Settings, key: &str) -> Vec<String> {
    match settings.get(key) {
        Some(SettingValue::List(names)) => names.clone(),
        Some(SettingValue::String(text)) => text
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        Some(SettingValue::Null) | None => Vec::new(),
    }
}

fn explain(
    named: &Named,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<AnalysisExplanation, Exception> {
    let chain = &named.chain;
    let mut left = max_tokens;
    let mut after = |count: usize| -> Result<Vec<AnalyzedToken>, Exception> {
        let beginning = AnalyzerChain {
            filters: chain.filters[..count].to_vec(),
            ..chain.clone()
        };
        let analyzer = build(&beginning).map_err(Exception::illegal_argument)?;
        let tokens = run(analyzer, is_standard(chain), request, left)?;
        left = left.saturating_sub(tokens.len() as u64);
        Ok(tokens)
    };
    let tokenizer = ExplainedTokens {
        name: named.tokenizer.clone(),
        tokens: after(0)?,
    };
    let filters = named
        .filters
        .iter()
        .enumerate()
        .map(|(number, name)| {
            Ok(ExplainedTokens {
                name: name.clone(),
                tokens: after(number + 1)?,
            })
        })
        .collect::<Result<_, Exception>>()?;
    Ok(AnalysisExplanation::Chain {
        char_filters: filtered(&named.char_filters, &chain.char_filters, &request.texts)?,
        tokenizer,
        filters,
    })
}

/// The texts after each of the filters, one after the other.
fn filtered(
    names: &[String],
    filters: &[CharFilterDefinition],
    texts: &[String],
) -> Result<Vec<ExplainedTexts>, Exception> {
    let mut texts = texts.to_vec();
    let mut explained = Vec::new();
    for (name, filter) in names.iter().zip(filters) {
        let filter = CharFilter::new(filter).map_err(Exception::illegal_argument)?;
        texts = texts
            .iter()
            .map(|text| filter.apply(text.into()).into_owned())
            .collect();
        explained.push(ExplainedTexts {
            name: name.clone(),
            texts: texts.clone(),
        });
    }
    Ok(explained)
}
