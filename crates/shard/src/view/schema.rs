//! The constant schema of the search view.
//!
//! Mappings grow, a tantivy schema cannot. So every shard has the same fields, and the mapping decides which of them a value goes to:
//! `exact` takes keywords, numbers, booleans, dates (as epoch milliseconds) and ip addresses (as 32 hexadecimal digits of their IPv6 form, whose
//! order is that of the addresses); `text` takes analysed text of every analyzer; `lengths` says how many tokens a text field has, for relevance.
//! Within each, the field's full path is the JSON path. `_field_names` lists the text and binary fields that a document has, for `exists`.
//!
//! What analyzers there are is different from index to index, and the schema is not: texts are analysed before, and the one tokenizer of `text` reads
//! their tokens.

use std::sync::{Arc, LazyLock};

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, STRING, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};

use crate::analysis::AnalyzedTokenizer;

/// Name of the tokenizer of texts.
const TEXT_TOKENIZER: &str = "analyzed";
/// Name of the field of lengths, as in paths of columns.
const LENGTHS: &str = "lengths";
/// Name of the exact field, as in paths of columns.
pub(crate) const EXACT: &str = "exact";
/// Name of the seq_no field, as in paths of columns.
pub(crate) const SEQ_NO: &str = "_seq_no";
/// Name of the version field, as in paths of columns.
pub(crate) const VERSION: &str = "_version";

/// The fields of the view.
#[derive(Debug, Clone)]
pub(crate) struct ViewSchema {
    pub(crate) schema: Schema,
    pub(crate) id: Field,
    pub(crate) seq_no: Field,
    pub(crate) version: Field,
    pub(crate) routing: Field,
    pub(crate) field_names: Field,
    pub(crate) exact: Field,
    pub(crate) text: Field,
    pub(crate) lengths: Field,
}

static SCHEMA: LazyLock<Arc<ViewSchema>> = LazyLock::new(|| Arc::new(ViewSchema::build()));
/// A set for each view would take memory in every shard.
static TOKENIZERS: LazyLock<TokenizerManager> = LazyLock::new(ViewSchema::build_tokenizers);

impl ViewSchema {
    /// The schema of all views.
    pub(crate) fn shared() -> Arc<Self> {
        Arc::clone(&SCHEMA)
    }

    /// It never depends on anything.
    fn build() -> Self {
        let mut builder = Schema::builder();
        let identifier = TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(IndexRecordOption::Basic)
                .set_fieldnorms(false),
        );
        let id = builder.add_text_field("_id", identifier.clone());
        let seq_no = builder.add_u64_field(SEQ_NO, INDEXED | FAST);
        let version = builder.add_u64_field(VERSION, FAST);
        let routing = builder.add_text_field("_routing", identifier.clone());
        let field_names = builder.add_text_field("_field_names", identifier);
        let exact = builder.add_json_field(
            EXACT,
            JsonObjectOptions::from(STRING)
                .set_fast("raw")
                .set_expand_dots_enabled(),
        );
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TEXT_TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = builder.add_json_field(
            "text",
            JsonObjectOptions::default()
                .set_indexing_options(indexing)
                .set_expand_dots_enabled(),
        );
        let lengths = builder.add_json_field(
            LENGTHS,
            JsonObjectOptions::default()
                .set_fast("raw")
                .set_expand_dots_enabled(),
        );
        Self {
            schema: builder.build(),
            id,
            seq_no,
            version,
            routing,
            field_names,
            exact,
            text,
            lengths,
        }
    }

    /// The tokenizers that the schema names.
    pub(crate) fn tokenizers() -> TokenizerManager {
        TOKENIZERS.clone()
    }

    fn build_tokenizers() -> TokenizerManager {
        // Tantivy asks for its own names too, even for fields that are not text.
        let manager = TokenizerManager::default();
        manager.register(TEXT_TOKENIZER, TextAnalyzer::from(AnalyzedTokenizer));
        manager
    }

    /// Name of the column that holds the lengths of a text field.
    pub(crate) fn length_column(path: &str) -> String {
        format!("{LENGTHS}.{path}")
    }

    /// Name of the column that holds `path` of the exact field.
    pub(crate) fn exact_column(path: &str) -> String {
        format!("{EXACT}.{path}")
    }
}
