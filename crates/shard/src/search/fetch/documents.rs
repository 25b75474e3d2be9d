//! Reading the documents of hits.

use es_exception::{Exception, ExceptionKind};
use index_meta::{IndexSettings, Mapping};
use serde_json::Map;

use super::{FetchPlan, FieldSelector, StoredFields};
use crate::Shard;
use crate::search::highlight::HighlightPlan;
use crate::search::hits::{FetchedHit, ShardHit};
use crate::search::request::SearchRequest;

/// What is read of each document, resolved by the shard's mapping.
pub(in crate::search) struct DocumentPlan<'a> {
    fields: FetchPlan<'a>,
    highlight: Option<HighlightPlan<'a>>,
}

impl Shard {
    /// The documents of hits, in their order.
    ///
    /// # Errors
    /// When an operation cannot be read from the log, or its source is not JSON although it must be read.
    pub fn fetch(&self, hits: &[ShardHit], request: &SearchRequest) -> Result<Vec<FetchedHit>, Exception> {
        self.check_open()?;
        let (mapping, settings) = (self.metadata.mapping(), self.metadata.settings());
        let plan = self.fetch_plan(&mapping, &settings, request)?;
        hits.iter()
            .map(|hit| self.fetch_one(hit, request, &plan))
            .collect()
    }

    /// What is read of each document.
    pub(in crate::search) fn fetch_plan<'a>(
        &'a self,
        mapping: &'a Mapping,
        settings: &'a IndexSettings,
        request: &'a SearchRequest,
    ) -> Result<DocumentPlan<'a>, Exception> {
        let (limit, count) = (settings.max_docvalue_fields(), request.docvalue_fields.len());
        if count as u64 > limit {
            return Err(Exception::illegal_argument(format!(
                "Trying to retrieve too many docvalue_fields. Must be less than or equal to: [{limit}] but was [{count}]. This limit can be set by changing the [index.max_docvalue_fields_search] index level setting."
            )));
        }
        let analyzers = self.view.analyzers();
        // Source: the value of a group is shown as a doc value.
        let group = request
            .collapse
            .iter()
            .map(|collapse| FieldSelector::of(&collapse.field));
        let docvalue_fields: Vec<FieldSelector> =
            group.chain(request.docvalue_fields.iter().cloned()).collect();
        Ok(DocumentPlan {
            fields: FetchPlan::new(
                mapping,
                settings.document_rules(),
                analyzers,
                &request.fields,
                &docvalue_fields,
            )?,
            highlight: request
                .highlight
                .as_ref()
                .map(|highlight| HighlightPlan::new(mapping, settings, analyzers, highlight))
                .transpose()?,
        })
    }

    fn fetch_one(
        &self,
        hit: &ShardHit,
        request: &SearchRequest,
        plan: &DocumentPlan<'_>,
    ) -> Result<FetchedHit, Exception> {
        let frame = self.note(self.log.get(hit.seq_no))?;
        let frame = frame.ok_or_else(|| {
            let reason = format!(
                "operation [{}] of shard {} is not in the log any more",
                hit.seq_no, self.id
            );
            Exception::new(ExceptionKind::ResourceNotFound, reason).with_index(&*self.index_name)
        })?;
        Ok(FetchedHit {
            id: frame.id().to_owned(),
            routing: frame.routing().map(str::to_owned),
            version: frame.version(),
            seq_no: frame.seq_no(),
            primary_term: frame.primary_term(),
            source: request.source.apply(&frame.source_bytes())?,
            shows_id: request.stored_fields != Some(StoredFields::None),
            fields: plan.fields.read(frame.source())?,
            highlight: match &plan.highlight {
                Some(highlight) => highlight.highlight(frame.id(), frame.source())?,
                None => Map::new(),
            },
        })
    }
}
