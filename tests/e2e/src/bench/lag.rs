//! How long after its acknowledgement on the leader a document can be read on the follower, while the leader is written to at
//! a steady rate.

use crate::clock::now;
use crate::dataset::Dataset;
use crate::pair::Pair;
use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Documents in one request of the steady writer, and its requests in a second.
const STEADY: (u64, u64) = (100, 20);

/// Between two documents whose arrival is timed.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// No document takes longer.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// Documents a second that the steady writer sends.
pub(crate) const RATE: u64 = STEADY.0 * STEADY.1;

/// Times documents for that long; the answer holds one time for each, in milliseconds.
pub(crate) async fn sample(
    pair: &Pair,
    leader: &str,
    follower: &str,
    dataset: &Dataset,
    seconds: u64,
) -> Result<Vec<f64>> {
    let stop = CancellationToken::new();
    let mut writer = JoinSet::new();
    let rows: Vec<String> = (0..STEADY.1)
        .map(|batch| dataset.bulk_lines(batch * STEADY.0, (batch + 1) * STEADY.0))
        .collect();
    let (rest, index, stopped) = (pair.leader.rest().clone(), leader.to_owned(), stop.clone());
    writer.spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / STEADY.1));
        for lines in rows.iter().cycle() {
            ticks.tick().await;
            if stopped.is_cancelled() {
                break;
            }
            crate::cities::bulk_all(&rest, &index, lines.clone()).await?;
        }
        anyhow::Ok(())
    });
    let mut times = Vec::new();
    let end = now() + Duration::from_secs(seconds);
    while now() < end {
        let id = format!("probe-{}", times.len());
        pair.leader
            .rest()
            .put(&format!("/{leader}/_doc/{id}"), &json!({ "name": "probe" }))
            .await?;
        times.push(arrival(pair, follower, &id).await?.as_secs_f64() * 1_000.0);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    stop.cancel();
    while let Some(ended) = writer.join_next().await {
        ended??;
    }
    Ok(times)
}

/// Asks the follower for the document, request after request, until it is there.
async fn arrival(pair: &Pair, follower: &str, id: &str) -> Result<Duration> {
    let start = now();
    let path = format!("/{follower}/_doc/{id}");
    while start.elapsed() < ARRIVES_WITHIN {
        if pair.follower.rest().send(Method::GET, &path, None).await?.status == 200 {
            return Ok(start.elapsed());
        }
    }
    bail!("{id} did not arrive within {ARRIVES_WITHIN:?}")
}
