//! `_mget`: several documents at once.

use es_exception::{Exception, ExceptionKind};
use indices::{GetOptions, MultiGetItem};
use oplog::DocumentVersion;
use serde_json::{Map, Value, json};

use super::get::Found;
use super::returned::Returned;
use super::write_params::invalid;
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::error_body::error_body;
use crate::json_body::{kind_of, refuse_rest, take_string, take_text, wrong};
use crate::reply::Reply;

/// `GET|POST /_mget` and `/{index}/_mget`, with `docs` or `ids`.
pub(crate) async fn mget(call: Call) -> Result<Reply, Exception> {
    let by_request = Returned::by_parameters(&call.params);
    let mut body = call.required_object()?;
    let mut items = Vec::new();
    if let Some(docs) = take_array(&mut body, "docs")? {
        for doc in docs {
            items.push(doc_item(&call, doc, &by_request)?);
        }
    }
    if let Some(ids) = take_array(&mut body, "ids")? {
        for id in ids {
            let id = scalar(&id).ok_or_else(|| {
                wrong(format!(
                    "field [ids] must hold strings, but holds {}",
                    kind_of(&id)
                ))
            })?;
            items.push((item(&call, None, id, None, &by_request)?, by_request.clone()));
        }
    }
    refuse_rest(&body, "mget")?;
    if items.is_empty() {
        return Err(invalid("no documents to get"));
    }
    let (requests, returned): (Vec<MultiGetItem>, Vec<Returned>) = items.into_iter().unzip();
    let responses = call.state.indices().mget(requests.clone()).await;
    let mut docs = Vec::with_capacity(responses.len());
    for ((response, returned), request) in responses.iter().zip(&returned).zip(&requests) {
        let found = response.as_ref().map_err(Clone::clone).and_then(|response| {
            let found = Found::new(response, &returned.source())?;
            serde_json::value::to_raw_value(&found)
                .map_err(|error| Exception::new(ExceptionKind::Exception, error.to_string()))
        });
        docs.push(found.or_else(|failure| {
            let error = &error_body(&failure, false)["error"];
            serde_json::value::to_raw_value(
                &json!({"_index": request.index, "_id": request.id, "error": error}),
            )
            .map_err(|error| Exception::new(ExceptionKind::Exception, error.to_string()))
        })?);
    }
    Reply::ok(&std::collections::BTreeMap::from([("docs", docs)]))
}

fn take_array(body: &mut Map<String, Value>, field: &str) -> Result<Option<Vec<Value>>, Exception> {
    match body.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values)),
        Some(other) => Err(wrong(format!(
            "field [{field}] must be an array, but is {}",
            kind_of(&other)
        ))),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn doc_item(call: &Call, doc: Value, by_request: &Returned) -> Result<(MultiGetItem, Returned), Exception> {
    let Value::Object(mut doc) = doc else {
        return Err(wrong(format!(
            "field [docs] must hold objects, but holds {}",
            kind_of(&doc)
        )));
    };
    let index = take_string(&mut doc, "_index")?
        .map(|index| resolve_names(&call.state, index))
        .transpose()?;
    let id = doc
        .remove("_id")
        .as_ref()
        .and_then(scalar)
        .ok_or_else(|| invalid("id is missing"))?;
    let routing = take_text(&mut doc, "routing")?;
    let returned = by_request.by_doc(&mut doc)?;
    let version = doc.remove("version").and_then(|version| version.as_u64());
    doc.remove("version_type");
    doc.remove("_type");
    refuse_rest(&doc, "mget doc")?;
    let mut item = item(call, index, id, routing, &returned)?;
    item.options.version = version.map(DocumentVersion::new);
    Ok((item, returned))
}

fn item(
    call: &Call,
    index: Option<String>,
    id: String,
    routing: Option<String>,
    returned: &Returned,
) -> Result<MultiGetItem, Exception> {
    let index = index
        .or_else(|| call.segment("index").map(str::to_owned))
        .ok_or_else(|| invalid("index is missing"))?;
    let routing = routing.or_else(|| call.params.text("routing").map(str::to_owned));
    let options = GetOptions {
        routing,
        realtime: call.params.flag("realtime", true)?,
        refresh: call.params.flag("refresh", false)?,
        version: None,
        stored_fields: returned.stored_fields(),
    };
    Ok(MultiGetItem { index, id, options })
}
