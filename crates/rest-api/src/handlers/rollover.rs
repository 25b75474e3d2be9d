//! `POST /{alias}/_rollover` and `/{alias}/_rollover/{new_index}`.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use indices::{RolloverCondition, RolloverRequest};
use oplog::ByteCount;
use serde_json::{Map, Value, json};

use super::index_admin::{check_active_shards, one_copy_is_enough, take_new_index};
use crate::call::Call;
use crate::json_body::{kind_of, take_object, wrong};
use crate::reply::Reply;
use crate::units::{Timeout, human_bytes, human_millis, parse_timeout};

/// Conditions of Elasticsearch that are not supported.
const UNSUPPORTED: [&str; 4] = [
    "min_age",
    "min_size",
    "min_primary_shard_size",
    "min_primary_shard_docs",
];

/// Rolls the alias or the data stream over if the conditions hold, or says whether they do.
pub(crate) async fn rollover(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    let dry_run = call.params.flag("dry_run", false)?;
    if call.params.flag("lazy", false)? {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "[lazy] is not supported here: a data stream is rolled over at once",
        ));
    }
    let mut body = call.object()?.unwrap_or_default();
    let conditions = conditions(take_object(&mut body, "conditions")?.unwrap_or_default())?;
    let new_index = call.segment("new_index").map(str::to_owned);
    // The name is for refusals only.
    let described = new_index.as_deref().unwrap_or(call.index()).to_owned();
    let create = take_new_index(described, body, "rollover")?;
    let outcome = call
        .state
        .indices()
        .rollover(RolloverRequest {
            alias: call.index().to_owned(),
            new_index,
            conditions,
            dry_run,
            create,
        })
        .await?;
    let rolled_over = outcome.created.is_some();
    let one_copy = outcome
        .created
        .as_ref()
        .is_some_and(|index| one_copy_is_enough(&call, index));
    let conditions: Map<String, Value> = outcome
        .conditions
        .iter()
        .map(|(condition, holds)| (describe(*condition), (*holds).into()))
        .collect();
    let acknowledged = rolled_over && call.is_acknowledged();
    Reply::ok(&json!({
        "acknowledged": acknowledged,
        "shards_acknowledged": acknowledged && outcome.shards_acknowledged && one_copy,
        "old_index": outcome.old_index,
        "new_index": outcome.new_index,
        "rolled_over": rolled_over,
        "dry_run": dry_run,
        "lazy": false,
        "conditions": conditions,
    }))
}

fn conditions(fields: Map<String, Value>) -> Result<Vec<RolloverCondition>, Exception> {
    let conditions = fields
        .into_iter()
        .map(|(name, value)| condition(&name, &value))
        .collect::<Result<Vec<_>, _>>()?;
    if !conditions.is_empty() && conditions.iter().all(|condition| condition.is_min()) {
        let reason = "Validation Failed: 1: at least one max_* rollover condition must be set when using min_* conditions;";
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
    }
    Ok(conditions)
}

fn condition(name: &str, value: &Value) -> Result<RolloverCondition, Exception> {
    match name {
        "max_age" => age(name, value).map(RolloverCondition::MaxAge),
        "max_docs" => count(name, value).map(RolloverCondition::MaxDocs),
        "max_size" => size(name, value).map(RolloverCondition::MaxSize),
        "max_primary_shard_size" => size(name, value).map(RolloverCondition::MaxPrimaryShardSize),
        "max_primary_shard_docs" => count(name, value).map(RolloverCondition::MaxPrimaryShardDocs),
        "min_docs" => count(name, value).map(RolloverCondition::MinDocs),
        name if UNSUPPORTED.contains(&name) => Err(Exception::new(
            ExceptionKind::Unsupported,
            format!(
                "the rollover condition [{name}] is not supported: use max_age, max_docs, max_size, max_primary_shard_size, \
                 max_primary_shard_docs or min_docs"
            ),
        )),
        name => Err(wrong(format!("[conditions] has an unknown field [{name}]"))),
    }
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, Exception> {
    value.as_str().ok_or_else(|| {
        wrong(format!(
            "condition [{name}] must be a string, but is {}",
            kind_of(value)
        ))
    })
}

fn age(name: &str, value: &Value) -> Result<Duration, Exception> {
    match parse_timeout(name, text(name, value)?)? {
        Timeout::After(age) => Ok(age),
        Timeout::Never => Err(Exception::illegal_argument(format!(
            "condition [{name}] must not be negative"
        ))),
    }
}

fn size(name: &str, value: &Value) -> Result<ByteCount, Exception> {
    let text = text(name, value)?;
    text.parse().map_err(|problem| {
        Exception::illegal_argument(format!(
            "failed to parse condition [{name}] with value [{text}] as a size in bytes: {problem}"
        ))
    })
}

/// Source: a number, or one in quotes.
fn count(name: &str, value: &Value) -> Result<u64, Exception> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.ok_or_else(|| {
        wrong(format!(
            "condition [{name}] must be a whole number that is not negative, but is [{value}]"
        ))
    })
}

/// Source: `[name: value]`, times and sizes in their largest unit.
fn describe(condition: RolloverCondition) -> String {
    let (name, value) = match condition {
        RolloverCondition::MaxAge(age) => (
            "max_age",
            human_millis(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
        ),
        RolloverCondition::MaxDocs(docs) => ("max_docs", docs.to_string()),
        RolloverCondition::MaxSize(size) => ("max_size", human_bytes(size.get())),
        RolloverCondition::MaxPrimaryShardSize(size) => ("max_primary_shard_size", human_bytes(size.get())),
        RolloverCondition::MaxPrimaryShardDocs(docs) => ("max_primary_shard_docs", docs.to_string()),
        RolloverCondition::MinDocs(docs) => ("min_docs", docs.to_string()),
    };
    format!("[{name}: {value}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Vec<String>, String> {
        let Value::Object(fields) = body else {
            panic!("an object")
        };
        conditions(fields)
            .map(|read| read.into_iter().map(describe).collect())
            .map_err(|refused| refused.reason().to_owned())
    }

    #[test]
    fn conditions_are_read_and_described() {
        let all = json!({
            "max_age": "7d", "max_docs": 1000, "max_size": "5gb", "max_primary_shard_size": "512mb",
            "max_primary_shard_docs": "9", "min_docs": 1
        });
        assert_eq!(
            read(all),
            Ok([
                "[max_age: 7d]",
                "[max_docs: 1000]",
                "[max_size: 5gb]",
                "[max_primary_shard_size: 512mb]",
                "[max_primary_shard_docs: 9]",
                "[min_docs: 1]"
            ]
            .map(str::to_owned)
            .to_vec())
        );
        for (body, expected) in [
            (json!({"min_docs": 1}), "at least one max_*"),
            (
                json!({"max_docs": 1, "min_age": "1d"}),
                "[min_age] is not supported",
            ),
            (json!({"max_dogs": 1}), "unknown field [max_dogs]"),
            (json!({"max_docs": -1}), "not negative"),
            (json!({"max_docs": 1.5}), "whole number"),
            (json!({"max_age": 7}), "must be a string"),
            (json!({"max_age": "-1"}), "must not be negative"),
            (json!({"max_size": "5 parsecs"}), "[max_size]"),
        ] {
            let refused = read(body.clone()).expect_err(expected);
            assert!(refused.contains(expected), "{body}: {refused}");
        }
    }
}
