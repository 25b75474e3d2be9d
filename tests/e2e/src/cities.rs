//! Filling an index with rows of the data set.

use crate::dataset::{self, Dataset};
use crate::rest::Rest;
use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Rows in one bulk request.
const BATCH: u64 = 2_000;

/// Creates an index for the rows.
pub(crate) async fn create(rest: &Rest, index: &str, shards: u32) -> Result<()> {
    let settings = json!({ "index": { "number_of_shards": shards, "number_of_replicas": 0 } });
    rest.put(
        &format!("/{index}"),
        &json!({ "settings": settings, "mappings": dataset::mapping() }),
    )
    .await?;
    Ok(())
}

/// Indexes rows `from..to` and fails when one of them was not taken.
pub(crate) async fn index(rest: &Rest, index: &str, dataset: &Dataset, from: u64, to: u64) -> Result<()> {
    let mut next = from;
    while next < to {
        let end = to.min(next + BATCH);
        bulk_all(rest, index, dataset.bulk_lines(next, end)).await?;
        next = end;
    }
    Ok(())
}

/// Sends a bulk request of which every item must succeed.
pub(crate) async fn bulk_all(rest: &Rest, index: &str, lines: String) -> Result<()> {
    let answer = rest.bulk(index, lines).await?.success()?;
    if answer["errors"] != false {
        let items = answer["items"].as_array();
        let failed = items.into_iter().flatten().find(|item| {
            item.as_object()
                .is_some_and(|item| item.values().any(|item| item.get("error").is_some()))
        });
        bail!("a bulk item failed: {}", failed.unwrap_or(&Value::Null));
    }
    Ok(())
}
