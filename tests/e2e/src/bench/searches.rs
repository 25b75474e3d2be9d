//! How fast searches are on a follower, by themselves and while another of its indices catches up as fast as it can.

use super::figures::{Figures, percentile};
use super::ingest;
use crate::checker::wait_until_applied;
use crate::cities;
use crate::clock::now;
use crate::dataset::Dataset;
use crate::pair::{Connection, Pair};
use crate::rest::Rest;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

/// Rows of the index that is searched: the whole data set.
const DOCUMENTS: u64 = 171_075;
/// Operations that the other index is behind when its follower is resumed.
const BACKLOG: u64 = 300_000;
/// For how long each query is asked when nothing else goes on.
const ALONE_FOR: Duration = Duration::from_millis(1_500);
const WITHIN: Duration = Duration::from_secs(120);

/// What is asked: names of the figures alone and beside replication, of queries a second and of the slowest hundredth, and the body.
struct Kind {
    per_second: [&'static str; 2],
    p99: [&'static str; 2],
    body: Value,
}

macro_rules! kind {
    ($name:literal, $body:tt) => {
        Kind {
            per_second: [
                concat!($name, ", queries/s, alone"),
                concat!($name, ", queries/s, beside replication"),
            ],
            p99: [
                concat!($name, ", p99, alone"),
                concat!($name, ", p99, beside replication"),
            ],
            body: json!($body),
        }
    };
}

/// Ten kinds of queries.
fn kinds() -> [Kind; 10] {
    [
        kind!("match_all", {"query": {"match_all": {}}}),
        kind!("term", {"query": {"term": {"country": "PT"}}}),
        kind!("match", {"query": {"match": {"name": "san maria"}}}),
        kind!("phrase", {"query": {"match_phrase": {"name": "santa maria"}}}),
        kind!("bool", {"query": {"bool": {
            "must": {"match": {"name": "saint"}}, "filter": {"term": {"country": "FR"}}, "must_not": {"term": {"admin1": "11"}}
        }}}),
        kind!("range", {"query": {"range": {"lat": {"gte": 40, "lt": 45}}}}),
        kind!("prefix", {"query": {"prefix": {"name": "sao"}}}),
        kind!("query_string", {"query": {"query_string": {"query": "name:(new OR york) AND country:US"}}}),
        kind!("sort", {"query": {"term": {"country": "DE"}}, "sort": [{"lat": "desc"}]}),
        kind!("terms aggregation", {"size": 0, "aggs": {"by": {"terms": {"field": "country"}}}}),
    ]
}

/// Measures every figure once.
pub(super) async fn measure(
    binary: &Path,
    dataset: &Dataset,
    home: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let mut pair = Pair::start(binary, &home.join("searches"), Connection::Direct).await?;
    let leader = pair.leader.rest();
    cities::create(leader, "cities", 1).await?;
    cities::create(leader, "stream", 2).await?;
    ingest::write(leader, "cities", dataset, 0, DOCUMENTS).await?;
    pair.follow("cities", "copy", json!({})).await?;
    pair.follow("stream", "stream-copy", json!({})).await?;
    wait_until_applied(&pair, "cities", "copy", WITHIN).await?;
    let follower = pair.follower.rest();
    follower.post_empty("/copy/_refresh").await?;
    let mut written = 0;
    for kind in kinds() {
        let alone = ask(follower, &kind.body, |elapsed| elapsed >= ALONE_FOR).await?;
        follower.post_empty("/stream-copy/_ccr/pause_follow").await?;
        ingest::write(leader, "stream", dataset, written, written + BACKLOG).await?;
        written += BACKLOG;
        leader.post_empty("/stream/_refresh").await?;
        follower.post_empty("/stream-copy/_ccr/resume_follow").await?;
        let caught_up = Cell::new(false);
        let catching_up = async {
            wait_until_applied(&pair, "stream", "stream-copy", WITHIN).await?;
            // Making searchable what was applied is a part of replication.
            follower.post_empty("/stream-copy/_refresh").await?;
            caught_up.set(true);
            Ok(())
        };
        let asking = ask(follower, &kind.body, |_| caught_up.get());
        let (beside, ()) = tokio::try_join!(asking, catching_up)?;
        let [per_second, per_second_beside] = kind.per_second;
        figures.add(per_second, "queries/s", alone.per_second());
        figures.add_beside(
            per_second_beside,
            "queries/s",
            beside.per_second(),
            Some(per_second),
        );
        let [p99, p99_beside] = kind.p99;
        figures.add(p99, "ms", percentile(&alone.millis, 99));
        figures.add_beside(p99_beside, "ms", percentile(&beside.millis, 99), Some(p99));
    }
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

/// What one client saw that asks again as soon as it is answered.
struct Asked {
    millis: Vec<f64>,
    took: Duration,
}

impl Asked {
    fn per_second(&self) -> f64 {
        self.millis.len() as f64 / self.took.as_secs_f64()
    }
}

/// Asks until `stop` says so.
async fn ask(rest: &Rest, body: &Value, stop: impl Fn(Duration) -> bool) -> Result<Asked> {
    let mut millis = Vec::new();
    let start = now();
    while !stop(start.elapsed()) {
        let asked = now();
        let answer = rest.post("/copy/_search", body).await?;
        millis.push(asked.elapsed().as_secs_f64() * 1_000.0);
        ensure!(answer["hits"]["total"]["value"] != 0, "{body} finds nothing");
    }
    Ok(Asked {
        millis,
        took: start.elapsed(),
    })
}
