//! The constant schema of the search view.
//!
//! Mappings grow, a tantivy schema cannot. So every shard has the same fields, and the mapping decides which of them a value goes to:
//! `exact` takes keywords, numbers, booleans, dates (as epoch milliseconds) and ip addresses (as 32 hexadecimal digits of their IPv6 form, whose
//! order is that of the addresses); a text *slot* takes analysed text, one analyzer per slot. Within each, the field's full path is the JSON path.
//! `_field_names` lists the text fields that a document has, for `exists`.

use std::sync::{Arc, LazyLock};

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, STRING, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};

use super::tokenizer::StandardTokenizer;

/// Text slots. Slot 0 is bound to `standard`; the others are kept for further analyzers.
const TEXT_SLOTS: usize = 4;
/// Tokenizer names that slots are bound to, by slot.
const SLOT_TOKENIZERS: [&str; TEXT_SLOTS] = ["standard", "slot_1", "slot_2", "slot_3"];
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
    text_slots: [Field; TEXT_SLOTS],
}

static SCHEMA: LazyLock<Arc<ViewSchema>> = LazyLock::new(|| Arc::new(ViewSchema::build()));
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
        let text_slots = std::array::from_fn(|slot| {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(SLOT_TOKENIZERS[slot])
                .set_index_option(IndexRecordOption::WithFreqsAndPositions);
            let options = JsonObjectOptions::default()
                .set_indexing_options(indexing)
                .set_expand_dots_enabled();
            builder.add_json_field(&format!("text_{slot}"), options)
        });
        Self {
            schema: builder.build(),
            id,
            seq_no,
            version,
            routing,
            field_names,
            exact,
            text_slots,
        }
    }

    /// The slot for text of this analyzer. Only `standard` has one yet; the rest share it.
    pub(crate) fn text_slot(&self, _analyzer: Option<&str>) -> Field {
        self.text_slots[0]
    }

    /// The tokenizers that the schema names, shared by all views.
    pub(crate) fn tokenizers() -> TokenizerManager {
        TOKENIZERS.clone()
    }

    fn build_tokenizers() -> TokenizerManager {
        // Tantivy asks for its own names too, even for fields that are not text.
        let manager = TokenizerManager::default();
        for name in SLOT_TOKENIZERS {
            manager.register(name, TextAnalyzer::from(StandardTokenizer::default()));
        }
        manager
    }

    /// Name of the column that holds `path` of the exact field.
    pub(crate) fn exact_column(path: &str) -> String {
        format!("{EXACT}.{path}")
    }
}
