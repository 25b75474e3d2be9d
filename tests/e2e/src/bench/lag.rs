//! How long after its acknowledgement on the leader a document can be read on the follower, while the leader is written to at
//! a steady rate.

use crate::clock::now;
use crate::dataset::Dataset;
use crate::pair::Pair;
use crate::rest::Rest;
use anyhow::{Result, bail};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Documents in one request of the steady writer, and its requests in a second.
const STEADY: (u64, u64) = (100, 20);

/// Longest pause between the arrival of a document and the next one that is timed. It is random: a fixed one would keep step with the follower's
/// reads over a long line, and meet them always at the same moment.
const LONGEST_PAUSE_MILLIS: u64 = 100;

/// No document takes longer.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// Documents a second that the steady writer sends.
pub(crate) const RATE: u64 = STEADY.0 * STEADY.1;

/// Times documents for that long; the answer holds one time for each, in milliseconds. With a data set a steady writer sends rows of it
/// meanwhile, without one nobody else writes.
pub(crate) async fn sample(
    pair: &Pair,
    leader: &str,
    follower: &str,
    steady: Option<&Dataset>,
    seconds: u64,
) -> Result<Vec<f64>> {
    let stop = CancellationToken::new();
    let mut writer = JoinSet::new();
    if let Some(dataset) = steady {
        let rows = (0..STEADY.1)
            .map(|batch| dataset.bulk_lines(batch * STEADY.0, (batch + 1) * STEADY.0))
            .collect();
        let (rest, index) = (pair.leader.rest().clone(), leader.to_owned());
        writer.spawn(write_steadily(rest, index, rows, stop.clone()));
    }
    let mut random = SmallRng::seed_from_u64(7);
    let mut times = Vec::new();
    let end = now() + Duration::from_secs(seconds);
    while now() < end {
        let id = format!("probe-{}", rand::random::<u64>());
        pair.leader
            .rest()
            .put(&format!("/{leader}/_doc/{id}"), &json!({ "name": "probe" }))
            .await?;
        times.push(arrival(pair, follower, &id).await?.as_secs_f64() * 1_000.0);
        let pause = random.random_range(0..=LONGEST_PAUSE_MILLIS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    stop.cancel();
    while let Some(ended) = writer.join_next().await {
        ended??;
    }
    Ok(times)
}

async fn write_steadily(rest: Rest, index: String, rows: Vec<String>, stop: CancellationToken) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / STEADY.1));
    for lines in rows.iter().cycle() {
        ticks.tick().await;
        if stop.is_cancelled() {
            break;
        }
        crate::cities::bulk_all(&rest, &index, lines.clone()).await?;
    }
    Ok(())
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
