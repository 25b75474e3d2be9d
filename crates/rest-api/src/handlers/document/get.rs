//! Reads of one document.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use indices::{GetOptions, GetResponse};
use oplog::DocumentVersion;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use shard::SourceFilter;

use super::answer::Raw;
use super::returned::Returned;
use crate::call::Call;
use crate::params::{Params, split_list};
use crate::reply::Reply;
use crate::route::Verb;

/// Parameters that choose parts of the source.
pub(crate) const SOURCE: &[&str] = &[
    "_source",
    "_source_includes",
    "_source_include",
    "_source_excludes",
    "_source_exclude",
    "stored_fields",
];

/// `GET|HEAD /{index}/_doc/{id}`.
pub(crate) async fn get_document(call: Call) -> Result<Reply, Exception> {
    let returned = Returned::by_parameters(&call.params);
    let mut options = options(&call)?;
    options.stored_fields = returned.stored_fields();
    let response = call.state.indices().get(call.index(), call.id(), options).await?;
    if call.verb == Verb::Head {
        return Ok(Reply::exists(response.document.is_some()));
    }
    let status = if response.document.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    Reply::json(status, &Found::new(&response, &returned.source())?)
}

/// `GET|HEAD /{index}/_source/{id}`: the source alone.
pub(crate) async fn get_source(call: Call) -> Result<Reply, Exception> {
    let filter = source_filter(&call.params)?.unwrap_or_else(SourceFilter::all);
    if filter.is_disabled() {
        return Err(Exception::illegal_argument(
            "[_source] cannot be false here: the source is all there is",
        ));
    }
    let response = call
        .state
        .indices()
        .get(call.index(), call.id(), options(&call)?)
        .await?;
    if call.verb == Verb::Head {
        return Ok(Reply::exists(response.document.is_some()));
    }
    let source = match &response.document {
        Some(document) => filter.apply(&document.source)?,
        None => None,
    };
    match source {
        Some(source) => Ok(Reply::raw_json(source.to_vec())),
        None => {
            let reason = format!("document not found [{}]/[{}]", call.index(), call.id());
            Err(Exception::new(ExceptionKind::ResourceNotFound, reason).with_index(call.index()))
        }
    }
}

fn options(call: &Call) -> Result<GetOptions, Exception> {
    Ok(GetOptions {
        routing: call.params.text("routing").map(str::to_owned),
        realtime: call.params.flag("realtime", true)?,
        refresh: call.params.flag("refresh", false)?,
        version: call.params.number("version")?.map(DocumentVersion::new),
        stored_fields: Arc::default(),
    })
}

/// The source filter of what returns nothing but a source, `None` when the parameters do not say.
pub(crate) fn source_filter(params: &Params) -> Result<Option<SourceFilter>, Exception> {
    if params.text("stored_fields").is_some() {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "[stored_fields] is of reads of documents and searches: use [_source] here",
        ));
    }
    Ok(source_parameters(params))
}

/// The source filter that the parameters ask for, `None` when they do not say.
pub(crate) fn source_parameters(params: &Params) -> Option<SourceFilter> {
    let list = |one: &str, other: &str| -> Vec<String> {
        params
            .text(one)
            .or_else(|| params.text(other))
            .map(split_list)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let mut includes = list("_source_includes", "_source_include");
    let excludes = list("_source_excludes", "_source_exclude");
    match params.get("_source") {
        Some("false") => return Some(SourceFilter::none()),
        None | Some("" | "true") => {}
        Some(fields) => includes.extend(split_list(fields).into_iter().map(str::to_owned)),
    }
    let said = params.get("_source").is_some() || !includes.is_empty() || !excludes.is_empty();
    said.then(|| SourceFilter::new(includes, excludes))
}

/// The answer to a get, found or not.
pub(super) struct Found<'a> {
    response: &'a GetResponse,
    source: Option<bytes::Bytes>,
}

impl<'a> Found<'a> {
    pub(super) fn new(response: &'a GetResponse, filter: &SourceFilter) -> Result<Self, Exception> {
        let source = match &response.document {
            Some(document) => filter.apply(&document.source)?,
            None => None,
        };
        Ok(Self { response, source })
    }
}

impl Serialize for Found<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_index", &self.response.index)?;
        map.serialize_entry("_id", &self.response.id)?;
        let Some(document) = &self.response.document else {
            map.serialize_entry("found", &false)?;
            return map.end();
        };
        map.serialize_entry("_version", &document.version.get())?;
        map.serialize_entry("_seq_no", &document.seq_no.get())?;
        map.serialize_entry("_primary_term", &document.primary_term.get())?;
        if let Some(routing) = &document.routing {
            map.serialize_entry("_routing", routing)?;
        }
        map.serialize_entry("found", &true)?;
        if !document.fields.is_empty() {
            map.serialize_entry("fields", &document.fields)?;
        }
        if let Some(source) = &self.source {
            map.serialize_entry("_source", &Raw(source))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_parameters_choose_fields() {
        let filter = |query: &str| source_filter(&Params::parse(query).expect("valid"));
        assert_eq!(filter("").expect("valid"), None);
        assert_eq!(
            filter("_source=false").expect("valid"),
            Some(SourceFilter::none())
        );
        assert_eq!(
            filter("_source=true").expect("valid"),
            Some(SourceFilter::new(vec![], vec![]))
        );
        let both = filter("_source=a,b&_source_excludes=c").expect("valid");
        assert_eq!(
            both,
            Some(SourceFilter::new(vec!["a".into(), "b".into()], vec!["c".into()]))
        );
        assert!(filter("stored_fields=a").is_err());
    }
}
