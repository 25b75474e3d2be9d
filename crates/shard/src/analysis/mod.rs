//! Text into tokens: the analyzers and normalizers of an index at work.
//!
//! What they are is defined in `index-meta`; here each chain becomes tantivy's tokenizer and filters, and own ones where tantivy has none. The table
//! of an index ([`Analyzers`]) is made when a shard is opened and stays as it is: `index.analysis` changes on a closed index only.
//!
//! Tantivy's tokens have no type. Those that a synonym filter added are told by their position length ([`SYNONYM`]), which nothing else uses and
//! no index gets to see.

mod analyze;
mod analyzed_text;
mod chain;
mod char_class;
mod char_filter;
mod explain;
mod grams;
mod html_entities;
mod html_strip;
mod java_pattern;
mod normalizer;
mod pattern;
mod per_token;
mod shingle;
mod stage;
mod standard;
mod synonym;
mod table;
mod unique;

#[cfg(test)]
mod tests;

pub use analyze::{AnalyzeRequest, AnalyzeWith, AnalyzedToken, analyze};
pub(crate) use analyzed_text::{AnalyzedTokenizer, IndexAnalyzers};
pub use explain::{AnalysisExplanation, ExplainedTexts, ExplainedTokens, explain_analysis};
pub(crate) use table::Analyzers;
pub use table::check_analysis;

/// Position length of a token that a synonym filter added.
const SYNONYM: usize = 1 << 16;
