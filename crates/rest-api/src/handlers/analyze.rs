//! `_analyze`: what analyzers make of a text.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};
use shard::{AnalyzeRequest, AnalyzeWith, AnalyzedToken};

use crate::call::Call;
use crate::json_body::{kind_of, refuse_rest, take_bool, take_string, wrong};
use crate::reply::Reply;

/// `GET|POST /_analyze` and `/{index}/_analyze`.
pub(crate) async fn analyze(call: Call) -> Result<Reply, Exception> {
    let request = read(call.required_object()?)?;
    let index = Some(call.index()).filter(|index| !index.is_empty());
    let tokens = call.state.indices().analyze(index, request).await?;
    Reply::ok(&json!({"tokens": tokens.iter().map(print).collect::<Vec<_>>()}))
}

fn print(token: &AnalyzedToken) -> Value {
    json!({
        "token": token.token, "start_offset": token.start_offset, "end_offset": token.end_offset,
        "type": token.kind, "position": token.position,
    })
}

fn read(mut body: Map<String, Value>) -> Result<AnalyzeRequest, Exception> {
    if take_bool(&mut body, "explain")?.unwrap_or(false) {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "[explain] is not supported here: analyze by the parts of the chain one after the other",
        ));
    }
    let texts = match body.remove("text") {
        None | Some(Value::Null) => Vec::new(),
        Some(text) => texts(text)?,
    };
    if texts.is_empty() {
        return invalid("text is missing");
    }
    let analyzer = take_string(&mut body, "analyzer")?;
    let field = take_string(&mut body, "field")?;
    let normalizer = take_string(&mut body, "normalizer")?;
    let tokenizer = body.remove("tokenizer").filter(|value| !value.is_null());
    let filters = links(&mut body, "filter")?;
    let char_filters = links(&mut body, "char_filter")?;
    refuse_rest(&body, "analyze")?;
    let is_custom = tokenizer.is_some() || !filters.is_empty() || !char_filters.is_empty();
    if normalizer.is_some() && (analyzer.is_some() || tokenizer.is_some()) {
        return invalid("tokenizer/analyze should be null if normalizer is specified");
    }
    if is_custom && (analyzer.is_some() || normalizer.is_some()) {
        return Err(Exception::illegal_argument(
            "cannot define extra components on a named analyzer",
        ));
    }
    let with = match (analyzer, normalizer, field) {
        (Some(name), _, _) => AnalyzeWith::Analyzer(name),
        (_, Some(name), _) => AnalyzeWith::Normalizer(name),
        _ if is_custom => AnalyzeWith::Custom {
            tokenizer,
            filters,
            char_filters,
        },
        (_, _, Some(path)) => AnalyzeWith::Field(path),
        _ => AnalyzeWith::Default,
    };
    Ok(AnalyzeRequest { texts, with })
}

fn invalid<T>(problem: &str) -> Result<T, Exception> {
    Err(Exception::new(
        ExceptionKind::ActionRequestValidation,
        format!("Validation Failed: 1: {problem};"),
    ))
}

fn texts(text: Value) -> Result<Vec<String>, Exception> {
    let one = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(wrong(format!(
            "field [text] must be a string or an array of strings, but has {}",
            kind_of(&other)
        ))),
    };
    match text {
        Value::Array(texts) => texts.into_iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

/// A list of names and definitions, or one of them.
fn links(body: &mut Map<String, Value>, field: &str) -> Result<Vec<Value>, Exception> {
    let links = match body.remove(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(links)) => links,
        Some(one) => vec![one],
    };
    match links.iter().find(|link| !link.is_string() && !link.is_object()) {
        None => Ok(links),
        Some(other) => Err(wrong(format!(
            "field [{field}] must have names and objects, but has {}",
            kind_of(other)
        ))),
    }
}
