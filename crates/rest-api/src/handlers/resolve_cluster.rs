//! `GET /_resolve/cluster`: which clusters an expression reaches, and whether they answer.

use std::time::Duration;

use es_exception::Exception;
use futures::future::join_all;
use index_meta::matches_wildcard;
use indices::ResolveOptions;
use serde_json::{Map, Value, json};
use transport::{ClusterAlias, IndexSummary, RemoteClusterInfo};

use super::{root, targets};
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;

/// How the cluster that is asked calls itself. Source: Elasticsearch's key.
const LOCAL: &str = "(local)";
/// What separates the alias of a remote cluster from the rest of an expression.
const SEPARATOR: char = ':';

/// Without an expression: all remote clusters. With one: those that it names, this one among them, and whether an index matches.
pub(crate) async fn resolve_cluster(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let timeout = call.params.timeout("timeout")?.duration();
    let remotes = call.state.ccr().remote_info();
    let Some(expression) = call.segment("name") else {
        let asked = remotes
            .iter()
            .map(|remote| describe(&call, remote, None, timeout, &options));
        return Reply::ok(&join_all(asked).await.into_iter().collect::<Map<_, _>>());
    };
    let mut local = Vec::new();
    let mut patterns_of: Vec<(&RemoteClusterInfo, Vec<&str>)> = Vec::new();
    for part in split_list(expression) {
        let Some((alias, pattern)) = part.split_once(SEPARATOR) else {
            local.push(part);
            continue;
        };
        let named = remotes
            .iter()
            .filter(|remote| matches_wildcard(alias, remote.alias.as_str()));
        let before = patterns_of.len();
        for remote in named {
            match patterns_of
                .iter_mut()
                .find(|(known, _)| known.alias == remote.alias)
            {
                Some((_, patterns)) => patterns.push(pattern),
                None => patterns_of.push((remote, vec![pattern])),
            }
        }
        let is_named = before < patterns_of.len() || alias.contains('*');
        if !is_named && !patterns_of.iter().any(|(known, _)| known.alias.as_str() == alias) {
            return Err(no_such_remote(alias));
        }
    }
    let asked = patterns_of
        .iter()
        .map(|(remote, patterns)| describe(&call, remote, Some(patterns), timeout, &options));
    let mut answer: Map<String, Value> = join_all(asked).await.into_iter().collect();
    if !local.is_empty() {
        answer.insert(
            LOCAL.to_owned(),
            describe_local(&call, &local.join(","), &options),
        );
    }
    Reply::ok(&answer)
}

fn no_such_remote(alias: &str) -> Exception {
    Exception::new(
        es_exception::ExceptionKind::NoSuchRemoteCluster,
        format!("no such remote cluster: [{alias}]"),
    )
}

/// Source: a failure of a name is told beside the cluster, and is none of the request.
fn describe_local(call: &Call, expression: &str, options: &ResolveOptions) -> Value {
    let mut object = json!({ "connected": true, "skip_unavailable": false });
    match call.state.indices().resolve_names(expression, options) {
        Ok(names) => {
            let matching = !names.indices.is_empty() || !names.aliases.is_empty();
            object["matching_indices"] = matching.into();
            object["version"] = root::version(call.state.config());
        }
        Err(exception) => object["error"] = exception.reason().into(),
    }
    object
}

async fn describe(
    call: &Call,
    remote: &RemoteClusterInfo,
    patterns: Option<&Vec<&str>>,
    timeout: Duration,
    options: &ResolveOptions,
) -> (String, Value) {
    let indices = indices_of(call, &remote.alias, timeout).await;
    let mut object = json!({
        "connected": indices.is_ok(),
        "skip_unavailable": remote.skip_unavailable,
    });
    match (indices, patterns) {
        (Ok(_), None) => {}
        (Ok(indices), Some(patterns)) => match matching(&indices, patterns, options) {
            Ok(matching) => object["matching_indices"] = matching.into(),
            Err(missing) => object["error"] = format!("no such index [{missing}]").into(),
        },
        (Err(reason), _) => object["error"] = reason.into(),
    }
    (remote.alias.to_string(), object)
}

async fn indices_of(
    call: &Call,
    alias: &ClusterAlias,
    timeout: Duration,
) -> Result<Vec<IndexSummary>, String> {
    let asked = call.state.ccr().remote_indices(alias);
    match tokio::time::timeout(timeout, asked).await {
        Ok(indices) => indices.map_err(|exception| exception.reason().to_owned()),
        Err(_elapsed) => {
            Err("Request timed out before receiving a response from the remote cluster".to_owned())
        }
    }
}

/// Whether one of the patterns matches an index; or the name that there is not.
fn matching<'a>(
    indices: &[IndexSummary],
    patterns: &[&'a str],
    options: &ResolveOptions,
) -> Result<bool, &'a str> {
    let mut any = false;
    for pattern in patterns {
        let pattern_or_all = if *pattern == "_all" { "*" } else { pattern };
        let is_wildcard = pattern_or_all.contains('*');
        let is_candidate = |index: &&IndexSummary| {
            let is_state = if index.open {
                options.expand_open
            } else {
                options.expand_closed
            };
            let is_shown = !index.hidden || options.expand_hidden || pattern_or_all.starts_with('.');
            !is_wildcard || (is_state && is_shown)
        };
        let matches = |index: &IndexSummary| {
            let names = std::iter::once(&index.name).chain(&index.data_stream);
            names
                .into_iter()
                .any(|name| matches_wildcard(pattern_or_all, name))
        };
        let found = indices.iter().filter(is_candidate).any(matches);
        if !found && !is_wildcard && !options.ignore_unavailable {
            return Err(pattern);
        }
        any |= found;
    }
    Ok(any)
}
