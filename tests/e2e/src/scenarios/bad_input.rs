//! Wrong requests: each gets the status and the type that Elasticsearch's clients expect, and none changes anything.

use crate::checker::check_equal;
use crate::cities;
use crate::contents;
use crate::context::Context;
use crate::pair::{Connection, Pair};
use crate::rest::{Answer, Rest};
use anyhow::{Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Which cluster is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Leader,
    Follower,
}

/// A request that must be refused.
struct Case {
    at: At,
    method: Method,
    path: &'static str,
    body: &'static str,
    status: u16,
    /// Allowed types; none means that any will do, where the product's own answer depends on its version.
    types: &'static [&'static str],
}

const fn case(
    at: At,
    method: Method,
    path: &'static str,
    body: &'static str,
    status: u16,
    types: &'static [&'static str],
) -> Case {
    Case {
        at,
        method,
        path,
        body,
        status,
        types,
    }
}

const ARGUMENT: &[&str] = &["illegal_argument_exception"];
const VALIDATION: &[&str] = &["action_request_validation_exception"];
const PARSING: &[&str] = &[
    "x_content_parse_exception",
    "parsing_exception",
    "parse_exception",
    "json_parse_exception",
    "x_content_e_o_f_exception",
];
const NO_INDEX: &[&str] = &["index_not_found_exception"];
const BY_HAND: &[&str] = &["status_exception"];

/// Follow requests; `plain` is an index of the follower's own, `cities-copy` follows `cities`.
const FOLLOW: &[Case] = &[
    case(At::Follower, Method::PUT, "/new/_ccr/follow", "", 400, PARSING),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"["remote_cluster"]"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","bogus":1}"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":["cities"]}"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","max_outstanding_read_requests":"many"}"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","max_read_request_size":1024}"#,
        400,
        &[],
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader"}"#,
        400,
        VALIDATION,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"leader_index":"cities"}"#,
        400,
        VALIDATION,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","max_write_buffer_count":0,"max_retry_delay":"10m"}"#,
        400,
        VALIDATION,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow?wait_for_active_shards=some",
        r#"{"remote_cluster":"leader","leader_index":"cities"}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow?bogus=1",
        r#"{"remote_cluster":"leader","leader_index":"cities"}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"nowhere","leader_index":"cities"}"#,
        404,
        &["no_such_remote_cluster_exception"],
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"missing"}"#,
        404,
        NO_INDEX,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"towns"}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","settings":{"index.number_of_shards":4}}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/new/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities","settings":{"index.no_such_setting":1}}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/plain/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities"}"#,
        500,
        &["snapshot_restore_exception"],
    ),
    case(
        At::Follower,
        Method::PUT,
        "/cities-copy/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities"}"#,
        500,
        &["snapshot_restore_exception"],
    ),
    case(
        At::Follower,
        Method::PUT,
        "/NEW/_ccr/follow",
        r#"{"remote_cluster":"leader","leader_index":"cities"}"#,
        400,
        &["invalid_index_name_exception"],
    ),
];

/// The other replication calls.
const REPLICATION: &[Case] = &[
    case(
        At::Follower,
        Method::POST,
        "/missing/_ccr/pause_follow",
        "",
        404,
        NO_INDEX,
    ),
    case(
        At::Follower,
        Method::POST,
        "/plain/_ccr/pause_follow",
        "",
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::POST,
        "/missing/_ccr/resume_follow",
        "",
        404,
        NO_INDEX,
    ),
    case(
        At::Follower,
        Method::POST,
        "/plain/_ccr/resume_follow",
        "",
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::POST,
        "/cities-copy/_ccr/resume_follow",
        "",
        400,
        &["resource_already_exists_exception"],
    ),
    case(
        At::Follower,
        Method::POST,
        "/cities-copy/_ccr/resume_follow",
        r#"{"leader_index":"cities"}"#,
        400,
        PARSING,
    ),
    case(
        At::Follower,
        Method::POST,
        "/missing/_ccr/unfollow",
        "",
        404,
        NO_INDEX,
    ),
    case(
        At::Follower,
        Method::POST,
        "/plain/_ccr/unfollow",
        "",
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::POST,
        "/cities-copy/_ccr/unfollow",
        "",
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::GET,
        "/missing/_ccr/stats",
        "",
        404,
        &["resource_not_found_exception"],
    ),
    case(At::Follower, Method::GET, "/missing/_ccr/info", "", 404, NO_INDEX),
    case(
        At::Leader,
        Method::POST,
        "/cities/_ccr/forget_follower",
        r#"{"follower_cluster":"x"}"#,
        400,
        &[],
    ),
    case(
        At::Leader,
        Method::POST,
        "/missing/_ccr/forget_follower",
        r#"{"follower_cluster":"x","follower_index":"y","follower_index_uuid":"z","leader_remote_cluster":"leader"}"#,
        404,
        NO_INDEX,
    ),
];

/// A user's hand on a follower.
const BY_USERS: &[Case] = &[
    case(
        At::Follower,
        Method::PUT,
        "/cities-copy/_doc/1",
        r#"{"name":"mine"}"#,
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::POST,
        "/cities-copy/_doc",
        r#"{"name":"mine"}"#,
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::POST,
        "/cities-copy/_update/1",
        r#"{"doc":{"name":"mine"}}"#,
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::DELETE,
        "/cities-copy/_doc/1",
        "",
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/cities-copy/_mapping",
        r#"{"properties":{"mine":{"type":"keyword"}}}"#,
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::POST,
        "/_aliases",
        r#"{"actions":[{"add":{"index":"cities-copy","alias":"mine"}}]}"#,
        403,
        BY_HAND,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/cities-copy/_settings",
        r#"{"index.xpack.ccr.following_index":false}"#,
        400,
        ARGUMENT,
    ),
];

/// Documents, searches, settings.
const GENERAL: &[Case] = &[
    case(At::Leader, Method::PUT, "/cities/_doc/1", r#"{"name":"#, 400, &[]),
    case(
        At::Leader,
        Method::PUT,
        "/cities/_doc/1",
        r#"{"lat":"north"}"#,
        400,
        &["document_parsing_exception", "mapper_parsing_exception"],
    ),
    case(
        At::Leader,
        Method::PUT,
        "/cities/_create/1",
        r#"{"name":"again"}"#,
        409,
        &["version_conflict_engine_exception"],
    ),
    case(
        At::Leader,
        Method::PUT,
        "/cities/_doc/1?if_seq_no=1000000&if_primary_term=1",
        r#"{"name":"x"}"#,
        409,
        &["version_conflict_engine_exception"],
    ),
    case(
        At::Leader,
        Method::POST,
        "/cities/_update/missing",
        r#"{"doc":{"name":"x"}}"#,
        404,
        &["document_missing_exception"],
    ),
    case(
        At::Leader,
        Method::POST,
        "/cities/_search",
        r#"{"query":{"no_such_query":{}}}"#,
        400,
        &["parsing_exception"],
    ),
    case(
        At::Leader,
        Method::POST,
        "/cities/_search",
        r#"{"size":-1}"#,
        400,
        &[],
    ),
    case(
        At::Leader,
        Method::POST,
        "/cities/_search",
        r#"{"size":10001}"#,
        400,
        ARGUMENT,
    ),
    case(At::Leader, Method::POST, "/cities/_search", "{", 400, &[]),
    case(At::Leader, Method::POST, "/missing/_search", "{}", 404, NO_INDEX),
    case(
        At::Leader,
        Method::POST,
        "/cities/_bulk",
        "{\"nonsense\":{}}\n{}\n",
        400,
        ARGUMENT,
    ),
    case(
        At::Leader,
        Method::PUT,
        "/cities",
        "{}",
        400,
        &["resource_already_exists_exception"],
    ),
    case(
        At::Leader,
        Method::PUT,
        "/new",
        r#"{"settings":{"number_of_shards":0}}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Leader,
        Method::PUT,
        "/new",
        r#"{"mappings":{"properties":{"a":{"type":"no_such_type"}}}}"#,
        400,
        &["mapper_parsing_exception"],
    ),
    case(
        At::Leader,
        Method::PUT,
        "/cities/_mapping",
        r#"{"properties":{"country":{"type":"long"}}}"#,
        400,
        ARGUMENT,
    ),
    case(At::Leader, Method::DELETE, "/missing", "", 404, NO_INDEX),
    case(
        At::Follower,
        Method::PUT,
        "/_cluster/settings",
        r#"{"persistent":{"no.such.setting":1}}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/_cluster/settings",
        r#"{"persistent":{"cluster.remote.other.skip_unavailable":true}}"#,
        400,
        ARGUMENT,
    ),
    case(
        At::Follower,
        Method::PUT,
        "/_cluster/settings",
        r#"{"persistent":{"cluster.remote.other.seeds":["no port"]}}"#,
        400,
        ARGUMENT,
    ),
];

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::Direct).await?;
    cities::create(pair.leader.rest(), "cities", 1).await?;
    cities::index(pair.leader.rest(), "cities", context.dataset, 0, 100).await?;
    let alias = json!({ "actions": [{ "add": { "index": "cities", "alias": "towns" } }] });
    pair.leader.rest().post("/_aliases", &alias).await?;
    pair.follower
        .rest()
        .put("/plain", &json!({ "settings": { "number_of_replicas": 0 } }))
        .await?;
    pair.follow("cities", "cities-copy", json!({})).await?;
    check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;

    let before = everything(&pair).await?;
    let mut wrong = Vec::new();
    for case in [FOLLOW, REPLICATION, BY_USERS, GENERAL].into_iter().flatten() {
        let rest = if case.at == At::Leader {
            pair.leader.rest()
        } else {
            pair.follower.rest()
        };
        if let Err(problem) = refused(rest, case).await {
            wrong.push(format!(
                "{:?} {} {} {}: {problem:#}",
                case.at, case.method, case.path, case.body
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} requests were not refused as documented:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    bulk_items_are_refused_one_by_one(pair.follower.rest()).await?;
    ensure!(
        everything(&pair).await? == before,
        "refused requests changed something"
    );
    check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;
    pair.check_logs()
}

async fn refused(rest: &Rest, case: &Case) -> Result<()> {
    let content_type = if case.path.ends_with("_bulk") {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    let body = (!case.body.is_empty()).then(|| (content_type, case.body.as_bytes().to_vec()));
    let answer = rest.send(case.method.clone(), case.path, body).await?;
    if answer.status != case.status || !(case.types.is_empty() || case.types.contains(&answer.error_type())) {
        bail!(
            "expected {} {:?}, got {} {}",
            case.status,
            case.types,
            answer.status,
            answer.body
        );
    }
    well_formed(&answer)
}

/// The fields by which the official clients make an exception.
fn well_formed(answer: &Answer) -> Result<()> {
    let error = &answer.body["error"];
    let cause = &error["root_cause"][0];
    let texts = [&error["type"], &error["reason"], &cause["type"], &cause["reason"]];
    let complete = texts
        .iter()
        .all(|text| text.as_str().is_some_and(|text| !text.is_empty()));
    ensure!(
        complete && answer.body["status"] == answer.status,
        "an incomplete error body: {}",
        answer.body
    );
    Ok(())
}

async fn bulk_items_are_refused_one_by_one(follower: &Rest) -> Result<()> {
    let answer = follower
        .bulk(
            "cities-copy",
            "{\"index\":{\"_id\":\"1\"}}\n{\"name\":\"mine\"}\n".into(),
        )
        .await?
        .success()?;
    let item = &answer["items"][0]["index"];
    ensure!(
        answer["errors"] == true && item["status"] == 403 && item["error"]["type"] == BY_HAND[0],
        "{answer}"
    );
    Ok(())
}

/// All that a request could have changed, on both sides.
async fn everything(pair: &Pair) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for rest in [pair.leader.rest(), pair.follower.rest()] {
        for path in ["/_settings", "/_mapping", "/_alias", "/_cluster/settings"] {
            all.push(rest.get(path).await?);
        }
    }
    all.push(pair.follower.rest().get("/_all/_ccr/info").await?);
    for (rest, index) in [
        (pair.leader.rest(), "cities"),
        (pair.follower.rest(), "plain"),
        (pair.follower.rest(), "cities-copy"),
    ] {
        let documents = contents::read(rest, index).await?;
        all.push(
            documents
                .into_iter()
                .map(|(id, document)| (id, json!([document.seq_no, document.version, document.source])))
                .collect(),
        );
    }
    Ok(all)
}
