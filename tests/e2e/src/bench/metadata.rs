//! How fast a change of metadata arrives at an idle follower, and for how long a change of static settings takes the follower away.

use super::figures::{Figures, percentile};
use crate::cities::bulk_all;
use crate::clock::{now, wait_for};
use crate::dataset::Dataset;
use crate::pair::{Connection, Pair};
use crate::rest::Rest;
use anyhow::{Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Documents of the shard that is closed and opened.
const DOCUMENTS: u64 = 100_000;
const BATCH: u64 = 2_000;
/// Changes of each kind that are timed.
const CHANGES: u64 = 40;
/// Changes of static settings that are timed.
const CYCLES: u64 = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// Measures every figure once.
pub(super) async fn measure(
    binary: &Path,
    dataset: &Dataset,
    home: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let mut pair = Pair::start(binary, &home.join("metadata"), Connection::Direct).await?;
    let settings = json!({"number_of_shards": 1, "number_of_replicas": 0});
    let leader = pair.leader.rest();
    leader.put("/cities", &json!({ "settings": settings })).await?;
    for start in (0..DOCUMENTS).step_by(BATCH as usize) {
        let lines = dataset.bulk_lines(start, start + BATCH);
        bulk_all(leader, "cities", lines).await?;
    }
    pair.follow("cities", "copy", json!({})).await?;
    let times = arrivals(&pair).await?;
    figures.add(
        "metadata on an idle pair arrives, p50",
        "ms",
        percentile(&times, 50),
    );
    figures.add(
        "metadata on an idle pair arrives, p99",
        "ms",
        percentile(&times, 99),
    );
    let times = absences(&pair).await?;
    figures.add(
        "follower away for static settings, p50",
        "ms",
        percentile(&times, 50),
    );
    figures.add(
        "follower away for static settings, longest",
        "ms",
        percentile(&times, 100),
    );
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

/// From the leader's acknowledgement of a new field, a setting or an alias until the follower shows it.
async fn arrivals(pair: &Pair) -> Result<Vec<f64>> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let (field, alias, limit) = (
            format!("field-{number}"),
            format!("alias-{number}"),
            (2_000 + number).to_string(),
        );
        let mapping = json!({"properties": {&field: {"type": "keyword"}}});
        leader.put("/cities/_mapping", &mapping).await?;
        let is_mapped = |seen: &Value| !seen["copy"]["mappings"]["properties"][&field].is_null();
        times.push(until(follower, "/copy/_mapping", is_mapped).await?);

        let setting = json!({"index.mapping.total_fields.limit": limit});
        leader.put("/cities/_settings", &setting).await?;
        let is_set =
            |seen: &Value| seen["copy"]["settings"]["index"]["mapping"]["total_fields"]["limit"] == limit;
        times.push(until(follower, "/copy/_settings", is_set).await?);

        let add = json!({"actions": [{"add": {"index": "cities", "alias": alias}}]});
        leader.post("/_aliases", &add).await?;
        let is_there = |seen: &Value| !seen["copy"]["aliases"][&alias].is_null();
        times.push(until(follower, "/copy/_alias", is_there).await?);
    }
    Ok(times)
}

/// Asks without a pause; the time in milliseconds.
async fn until(rest: &Rest, path: &str, is_so: impl Fn(&Value) -> bool) -> Result<f64> {
    let start = now();
    while start.elapsed() < WITHIN {
        if is_so(&rest.get(path).await?) {
            return Ok(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    bail!("{path} did not change within {WITHIN:?}")
}

/// From the last search that the follower answers before it closes until the first one that it answers with the new setting.
async fn absences(pair: &Pair) -> Result<Vec<f64>> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    let mut times = Vec::new();
    for number in 0..CYCLES {
        let change = async {
            leader.post_empty("/cities/_close").await?;
            let analyzer =
                json!({"analysis": {"analyzer": {format!("plain-{number}"): {"type": "standard"}}}});
            leader.put("/cities/_settings", &analyzer).await?;
            leader.post_empty("/cities/_open").await
        };
        let (time, _) = tokio::try_join!(absence(follower), change)?;
        times.push(time);
        let name = format!("plain-{number}");
        let path = "/copy/_settings";
        let set = wait_for("the analyzer on the follower", WITHIN, || async {
            let seen = follower.get(path).await?;
            let there = !seen["copy"]["settings"]["index"]["analysis"]["analyzer"][&name].is_null();
            Ok(there.then_some(()))
        });
        set.await?;
    }
    Ok(times)
}

async fn absence(follower: &Rest) -> Result<f64> {
    let query = json!({"query": {"match": {"name": "san"}}, "size": 1});
    let start = now();
    let (mut last_answer, mut was_away) = (start, false);
    while start.elapsed() < WITHIN {
        let asked = now();
        let answer = follower.json(Method::POST, "/copy/_search", &query).await?;
        let is_whole = answer.is_success() && answer.body["_shards"]["failed"] == 0;
        if is_whole && was_away {
            ensure!(answer.body["hits"]["total"]["value"] != 0, "{answer:?}");
            return Ok(last_answer.elapsed().as_secs_f64() * 1_000.0);
        }
        if is_whole {
            last_answer = asked;
        }
        was_away |= !is_whole;
    }
    bail!("the follower was not seen to close and open within {WITHIN:?}")
}
