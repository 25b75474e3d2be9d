//! `_analyze`: what analyzers make of a text.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};
use shard::{
    AnalysisExplanation, AnalyzeRequest, AnalyzeWith, AnalyzedToken, ExplainedTexts, ExplainedTokens,
};

use crate::call::Call;
use crate::json_body::{kind_of, refuse_rest, take_bool, take_string, wrong};
use crate::reply::Reply;

/// `GET|POST /_analyze` and `/{index}/_analyze`.
pub(crate) async fn analyze(call: Call) -> Result<Reply, Exception> {
    let mut body = call.required_object()?;
    let explain = take_bool(&mut body, "explain")?.unwrap_or(false);
    let attributes: Vec<String> = take_names(&mut body, "attributes")?;
    let request = read(body)?;
    let index = Some(call.index()).filter(|index| !index.is_empty());
    if explain {
        let explanation = call.state.indices().explain_analysis(index, request).await?;
        return Reply::ok(&json!({"detail": print_detail(&explanation, &attributes)}));
    }
    let tokens = call.state.indices().analyze(index, request).await?;
    Reply::ok(&json!({"tokens": tokens.iter().map(print).collect::<Vec<_>>()}))
}

fn print_detail(explanation: &AnalysisExplanation, attributes: &[String]) -> Value {
    let part = |part: &ExplainedTokens| {
        let tokens = part.tokens.iter().map(|token| print_explained(token, attributes));
        json!({"name": part.name, "tokens": tokens.collect::<Vec<_>>()})
    };
    match explanation {
        AnalysisExplanation::Whole(whole) => json!({"custom_analyzer": false, "analyzer": part(whole)}),
        AnalysisExplanation::Chain {
            char_filters,
            tokenizer,
            filters,
        } => {
            let mut detail = json!({"custom_analyzer": true});
            // Source: what a chain has none of is left out.
            if !char_filters.is_empty() {
                let texts =
                    |filter: &ExplainedTexts| json!({"name": filter.name, "filtered_text": filter.texts});
                detail["charfilters"] = char_filters.iter().map(texts).collect();
            }
            detail["tokenizer"] = part(tokenizer);
            if !filters.is_empty() {
                detail["tokenfilters"] = filters.iter().map(part).collect();
            }
            detail
        }
    }
}

/// A token with the attributes that Lucene's tokens have beside, or those of them that were asked for.
fn print_explained(token: &AnalyzedToken, attributes: &[String]) -> Value {
    let mut printed = print(token);
    let bytes: Vec<String> = token.token.bytes().map(|byte| format!("{byte:x}")).collect();
    for (name, value) in [
        ("bytes", json!(format!("[{}]", bytes.join(" ")))),
        ("positionLength", json!(1)),
        ("termFrequency", json!(1)),
    ] {
        let is_wanted = attributes.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        if attributes.is_empty() || is_wanted {
            printed[name] = value;
        }
    }
    printed
}

fn take_names(body: &mut Map<String, Value>, field: &str) -> Result<Vec<String>, Exception> {
    match body.remove(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(names) => texts(field, names),
    }
}

fn print(token: &AnalyzedToken) -> Value {
    json!({
        "token": token.token, "start_offset": token.start_offset, "end_offset": token.end_offset,
        "type": token.kind, "position": token.position,
    })
}

fn read(mut body: Map<String, Value>) -> Result<AnalyzeRequest, Exception> {
    let texts = match body.remove("text") {
        None | Some(Value::Null) => Vec::new(),
        Some(text) => texts("text", text)?,
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

fn texts(field: &str, text: Value) -> Result<Vec<String>, Exception> {
    let one = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(wrong(format!(
            "field [{field}] must be a string or an array of strings, but has {}",
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
