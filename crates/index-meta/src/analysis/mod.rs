//! How text becomes tokens: the definitions under `index.analysis`, read and checked.
//!
//! Every analyzer, built in or defined, comes down to one [`AnalyzerChain`]: character filters, a tokenizer, token filters. This module says what the
//! links of a chain are and refuses what cannot be; it produces no tokens.
//!
//! Source: Elasticsearch's text analysis. What it has and this version has not is refused by name.

mod analyzer;
mod char_filter;
mod definitions;
mod language;
mod parameters;
mod synonyms;
mod token_filter;
mod tokenizer;

pub use analyzer::{AnalyzerChain, NormalizerChain};
pub use char_filter::CharFilterDefinition;
pub use definitions::AnalysisDefinitions;
pub use language::AnalysisLanguage;
pub use synonyms::{SynonymRule, Synonyms};
pub use token_filter::{GramFilter, ShingleFilter, StopWords, TokenFilterDefinition};
pub use tokenizer::{GramTokenizer, PatternFlags, TokenChars, TokenizerDefinition};

/// Most analyzers, normalizers, tokenizers and filters that an index may define together.
const MAX_DEFINITIONS: usize = 1_000;
/// Most entries of a list of stop words, synonyms or mappings.
const MAX_ENTRIES: usize = 10_000;
/// Most bytes of one entry of such a list.
const MAX_ENTRY_BYTES: usize = 4_096;
/// Most bytes of a pattern.
const MAX_PATTERN_BYTES: usize = 1_000;
/// Most links of one chain.
const MAX_FILTERS: usize = 100;
/// Most synonym filters of one chain: what stands before each is made once more, to analyze its rules.
const MAX_SYNONYM_FILTERS: usize = 3;
