//! `_block`: puts a block on indices, and takes it off.

use cluster::Origin;
use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::{Value, json};

use super::index_admin::refuse_wildcards;
use super::targets;
use crate::call::Call;
use crate::reply::Reply;

/// The blocks that a request may name, by their settings `index.blocks.*`.
const BLOCKS: [&str; 4] = ["metadata", "read", "read_only", "write"];

/// `PUT /{index}/_block/{block}`.
///
/// Source: elasticsearch-specification, `indices/add_block`.
pub(crate) async fn add(call: Call) -> Result<Reply, Exception> {
    refuse_wildcards(&call)?;
    let names = set(&call, Value::Bool(true)).await?;
    let acknowledged = call.is_acknowledged();
    // Source: a block is acknowledged by the shards when no write goes on that began before it.
    let settled = call.state.indices().writes_settled();
    let timeout = call.params.timeout("timeout")?.duration();
    let settled = tokio::time::timeout(timeout, settled).await.is_ok();
    Reply::ok(&json!({
        "acknowledged": acknowledged,
        "shards_acknowledged": acknowledged && settled,
        "indices": of_each(names, "blocked"),
    }))
}

/// `DELETE /{index}/_block/{block}`.
///
/// Source: elasticsearch-specification, `indices/remove_block`.
pub(crate) async fn remove(call: Call) -> Result<Reply, Exception> {
    refuse_wildcards(&call)?;
    let names = set(&call, Value::Null).await?;
    Reply::ok(&json!({"acknowledged": call.is_acknowledged(), "indices": of_each(names, "unblocked")}))
}

fn of_each(names: Vec<String>, done: &str) -> Vec<Value> {
    names
        .into_iter()
        .map(|name| json!({"name": name, done: true}))
        .collect()
}

/// Sets the block's setting on the indices of the path, and answers their names.
async fn set(call: &Call, value: Value) -> Result<Vec<String>, Exception> {
    let setting = setting(call.segment("block").unwrap_or_default())?;
    let options = ResolveOptions {
        expand_closed: false,
        ..ResolveOptions::METADATA
    };
    let options = targets::options(call, options)?;
    let indices = call.state.indices().resolve(call.index(), &options)?;
    let names: Vec<String> = indices.iter().map(|index| index.name.clone()).collect();
    if !names.is_empty() {
        call.state
            .indices()
            .update_settings(&names.join(","), json!({setting: value}), false, Origin::User)
            .await?;
    }
    Ok(names)
}

fn setting(block: &str) -> Result<String, Exception> {
    if BLOCKS.contains(&block) {
        return Ok(format!("index.blocks.{block}"));
    }
    Err(Exception::illegal_argument(match block {
        "read_only_allow_delete" => {
            "[read_only_allow_delete] is for internal use only: change [index.blocks.read_only_allow_delete] by the settings of the index".to_owned()
        }
        block => format!("No block found with name {block}: use one of {BLOCKS:?}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_setting() {
        assert_eq!(
            setting("read_only").ok().as_deref(),
            Some("index.blocks.read_only")
        );
        for (refused, part) in [
            ("read_only_allow_delete", "internal"),
            ("writes", "No block found with name writes"),
        ] {
            let error = setting(refused).expect_err(refused);
            assert!(error.reason().contains(part), "{error}");
            assert_eq!(error.status(), 400);
        }
    }
}
