//! Writing documents as fast as a node takes them.

use crate::cities::bulk_all;
use crate::clock::now;
use crate::dataset::Dataset;
use crate::rest::Rest;
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::task::JoinSet;

/// Documents in one bulk request.
const BATCH: u64 = 1_000;

/// Concurrent bulk requests.
const CONNECTIONS: usize = 2;

/// Writes rows `from..to` over concurrent connections and returns the time from the first request to the last answer.
pub(crate) async fn write(
    rest: &Rest,
    index: &str,
    dataset: &Dataset,
    from: u64,
    to: u64,
) -> Result<Duration> {
    let mut requests = JoinSet::new();
    let start = now();
    let mut next = from;
    while next < to {
        let end = to.min(next + BATCH);
        let (rest, index, lines) = (rest.clone(), index.to_owned(), dataset.bulk_lines(next, end));
        if requests.len() >= CONNECTIONS {
            requests.join_next().await.context("no request")???;
        }
        requests.spawn(async move { bulk_all(&rest, &index, lines).await });
        next = end;
    }
    while let Some(ended) = requests.join_next().await {
        ended??;
    }
    Ok(start.elapsed())
}
