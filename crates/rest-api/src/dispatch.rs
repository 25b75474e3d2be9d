//! From an HTTP request to its handler and back: the checks that every request passes, in this order.
//!
//! Accept, method, parameters, content type and size of the body, then the handler. Nothing is changed before all of them passed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use cluster::Patience;
use es_exception::{Exception, ExceptionKind};
use http::header::{ALLOW, CONTENT_ENCODING, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::layers::with_layers;
use crate::media_type::{self, Accepted, BodyType};
use crate::params::Params;
use crate::render::{OPAQUE_ID, Rendering};
use crate::reply::Reply;
use crate::route::{BodyRule, Route, Verb};
use crate::routes;
use crate::state::RestState;
use crate::tasks::Cancellation;
use crate::units::Timeout;

/// Parameters that are times wherever they are taken: a malformed one is refused even where there is nothing to wait for.
const TIMES: [&str; 4] = ["timeout", MASTER_TIMEOUT, "search_timeout", "wait_for_timeout"];
const MASTER_TIMEOUT: &str = "master_timeout";

/// The router over the whole route table.
pub(crate) fn router(state: RestState) -> Router {
    let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in routes::all() {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, candidates) in by_path {
        let candidates: &'static [Route] = Vec::leak(candidates);
        let state = state.clone();
        let endpoint =
            move |segments: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
                  request| {
                let segments = segments.map(|segments| {
                    segments
                        .iter()
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect::<BTreeMap<_, _>>()
                });
                dispatch(state.clone(), candidates, segments.ok(), request)
            };
        router = router.route(path, any(endpoint));
    }
    with_layers(router.fallback(no_handler), state.config())
}

async fn no_handler(request: Request) -> Response {
    let text = format!(
        "no handler found for uri [{}] and method [{}]",
        request.uri(),
        request.method()
    );
    let rendering = lenient_rendering(&request);
    drain(request.into_body()).await;
    rendering.refusal(StatusCode::BAD_REQUEST, &json!({"error": text, "status": 400}))
}

/// Of a body that nobody wants, so much is read: a connection on which some of a request is left must be closed, and the client's next request with it.
const DRAINED: usize = 1 << 20;

/// Reads a body that is not looked at. What is larger, or ends early, costs the client its connection.
async fn drain(body: Body) {
    let _ = Limited::new(body, DRAINED).collect().await;
}

/// The rendering for refusals that come before parameters are checked.
fn lenient_rendering(request: &Request) -> Rendering {
    let accepted = media_type::accepted(request.headers()).unwrap_or(Accepted::Any);
    let params = Params::parse(request.uri().query().unwrap_or_default()).unwrap_or_default();
    Rendering::new(request.headers(), accepted, &params)
        .unwrap_or_else(|_| Rendering::plain(request.headers()))
}

async fn dispatch(
    state: RestState,
    candidates: &'static [Route],
    segments: Option<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let route = Verb::of(request.method()).and_then(|verb| {
        let route = candidates.iter().find(|route| route.verbs.contains(&verb))?;
        Some((verb, route))
    });
    let Some((verb, route)) = route else {
        let response = wrong_method(candidates, &request);
        drain(request.into_body()).await;
        return response;
    };
    let rendering = lenient_rendering(&request);
    let Some(segments) = segments else {
        drain(request.into_body()).await;
        let reason = "a part of the path is not UTF-8 once decoded";
        return rendering.response(Err(Exception::illegal_argument(reason)));
    };
    let outcome = match admit(&state, verb, route, segments, request).await {
        Ok(call) => perform(&state, route, call).await,
        Err(refusal) => Err(refusal),
    };
    rendering.response(outcome)
}

/// Answers a method that the path has no route for; `OPTIONS` is told the methods that it has.
fn wrong_method(candidates: &[Route], request: &Request) -> Response {
    let mut verbs: Vec<Verb> = candidates.iter().flat_map(|route| route.verbs).copied().collect();
    verbs.sort_unstable();
    verbs.dedup();
    let allowed = verbs.iter().map(|verb| verb.name()).collect::<Vec<_>>().join(",");
    let rendering = lenient_rendering(request);
    let mut response = if request.method() == Method::OPTIONS {
        rendering.response(Ok(Reply::exists(true)))
    } else {
        let (uri, method) = (request.uri(), request.method());
        let text =
            format!("incorrect HTTP method for uri [{uri}] and method [{method}], allowed: [{allowed}]");
        rendering.refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({"error": text, "status": 405}),
        )
    };
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Checks everything that the route says about its requests, and reads the body.
async fn admit(
    state: &RestState,
    verb: Verb,
    route: &Route,
    segments: BTreeMap<String, String>,
    request: Request,
) -> Result<Call, Exception> {
    let (parts, body) = request.into_parts();
    let (accepted, params, segments) = match check_head(state, route, segments, &parts) {
        Ok(head) => head,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let body = read_body(state, body).await?;
    // Some clients name a type for the body that they do not send.
    let body_type = if body.is_empty() {
        None
    } else {
        media_type::body_type(&parts.headers)?
    };
    check_body(route.body, body_type, &body, &parts.method, &parts.uri)?;
    let opaque_id = parts.headers.get(OPAQUE_ID).and_then(|id| id.to_str().ok());
    let mut call = Call::new(state.clone(), verb, segments, params, body, accepted);
    call.opaque_id = opaque_id.map(str::to_owned);
    if route.takes(MASTER_TIMEOUT) {
        let ack_timeout = call
            .params
            .text("timeout")
            .map(|_| call.params.timeout("timeout"));
        let ack_timeout = ack_timeout.transpose()?.map(Timeout::duration);
        let master_timeout = call.params.timeout(MASTER_TIMEOUT)?.duration();
        call.patience = Patience::new(Some(master_timeout), ack_timeout);
    }
    Ok(call)
}

/// What can be said before the body is there: the accepted type, the parameters, the parts of the path.
fn check_head(
    state: &RestState,
    route: &Route,
    segments: BTreeMap<String, String>,
    parts: &Parts,
) -> Result<(Accepted, Params, BTreeMap<String, String>), Exception> {
    let accepted = media_type::accepted(&parts.headers)?;
    let params = Params::parse(parts.uri.query().unwrap_or_default())?;
    Rendering::new(&parts.headers, accepted, &params)?;
    params.check(parts.uri.path(), route.params)?;
    params.flag("human", false)?;
    for name in TIMES {
        params.timeout(name)?;
    }
    refuse_encoding(&parts.headers)?;
    Ok((accepted, params, resolve_segments(state, segments)?))
}

/// The segments of the path, those that name indices with their dates put in.
fn resolve_segments(
    state: &RestState,
    mut segments: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Exception> {
    for name in ["index", "new_index"] {
        if let Some(expression) = segments.get_mut(name) {
            *expression = resolve_names(state, std::mem::take(expression))?;
        }
    }
    Ok(segments)
}

async fn perform(state: &RestState, route: &Route, mut call: Call) -> Result<Reply, Exception> {
    let task = state.tasks().register(route, &call);
    call.task.clone_from(&task);
    let patience = Arc::clone(&call.patience);
    let work = patience.scope((route.handler)(call));
    let work = async move {
        match &task {
            Some(handle) if handle.task.cancellation == Cancellation::AtOnce => tokio::select! {
                biased;
                cancelled = handle.task.cancelled() => Err(cancelled),
                outcome = work => outcome,
            },
            _ => work.await,
        }
    };
    if !route.carried_on {
        return work.await;
    }
    // The request future dies with its connection; the task does not, and the server awaits it when it stops.
    state.work().spawn(work).await.unwrap_or_else(|error| {
        Err(Exception::new(
            ExceptionKind::Exception,
            format!("the request was given up half way: {error}"),
        ))
    })
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Exception> {
    match headers
        .get(CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase())
    {
        Some(encoding) if !encoding.is_empty() && encoding != "identity" => {
            let reason = format!(
                "bodies with Content-Encoding [{encoding}] are not read here: send the body uncompressed, or with [gzip]"
            );
            Err(Exception::new(ExceptionKind::MediaType, reason).with_status(415))
        }
        _ => Ok(()),
    }
}

async fn read_body(state: &RestState, body: Body) -> Result<Bytes, Exception> {
    let limit = usize::try_from(state.config().max_content_length.get()).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let limit = state.config().max_content_length;
            let reason = format!("the body is larger than [http.max_content_length], which is [{limit}]");
            Err(Exception::new(ExceptionKind::ContentTooLarge, reason))
        }
        Err(error) => Err(Exception::illegal_argument(format!(
            "the body could not be read: {error}"
        ))),
    }
}

fn check_body(
    rule: BodyRule,
    given: Option<BodyType>,
    body: &Bytes,
    method: &Method,
    uri: &Uri,
) -> Result<(), Exception> {
    if body.is_empty() {
        return Ok(());
    }
    match (rule, given) {
        (BodyRule::Refused, _) => Err(Exception::illegal_argument(format!(
            "request [{method} {}] does not take a body",
            uri.path()
        ))),
        (_, None) => Err(Exception::new(
            ExceptionKind::MediaType,
            "a body needs the header [Content-Type]",
        )),
        (BodyRule::Json, Some(BodyType::NdJson)) => {
            let reason = format!(
                "request [{method} {}] takes one JSON value, not lines of JSON",
                uri.path()
            );
            Err(Exception::new(ExceptionKind::MediaType, reason))
        }
        _ => Ok(()),
    }
}
