//! `highlight`: the places in a hit's texts that the query found.
//!
//! Texts are read from the source and analyzed again; no offsets are stored. A text is analyzed up to `index.highlight.max_analyzed_offset`.
//!
//! Reading order: [`HighlightRequest`], `words` (what a query looks for), `matcher` (where a text has it), `passages` and `plain` (which parts of the text
//! are shown), `plan` (all of it for one document).

mod boundaries;
mod clauses;
mod matcher;
mod measured;
mod options;
mod passages;
mod pattern;
mod phrase;
mod plain;
mod plan;
mod snippet;
mod words;

pub use options::HighlightRequest;
pub(super) use plan::HighlightPlan;
