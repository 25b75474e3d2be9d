//! How well a document matches: BM25 as Elasticsearch computes it.
//!
//! Tantivy's own scorers take the length of a document from a field's norms, and number of documents and average length from a field as a whole. Here
//! all fields of an index lie in two JSON fields, which have no norms, and whose statistics say nothing of a path. So the terms and phrases that
//! relevance counts for are scored by these, over tantivy's postings.
//!
//! Source: `score = boost * idf * (k1 + 1) * freq / (freq + k1 * (1 - b + b * length / average))` with
//! `idf = ln(1 + (N - n + 0.5) / (n + 0.5))`, where `N` are the documents that have the field, `n` those with the term, deleted ones that no merge
//! has removed yet among them, all of one shard; lengths are those that Lucene's one byte can tell apart.

mod bm25;
mod phrase;
mod statistics;
mod term;

pub(crate) use phrase::ScoredPhrase;
pub(crate) use statistics::{FieldOf, StatisticsCache};
pub(crate) use term::ScoredTerm;
