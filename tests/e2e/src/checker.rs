//! Whether a follower holds exactly what its leader holds: every document with `_seq_no`, `_version` and source, every shard's
//! digest of its live operations, and a lag of nothing.

use crate::clock::{wait_for, wait_until};
use crate::contents::{self, Contents};
use crate::pair::Pair;
use crate::rest::Rest;
use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Differences named in a report; the rest is counted.
const SHOWN: usize = 10;

/// The shards of a node that was started, or killed and started again, are open within this time.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// What a shard tells of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardState {
    /// The newest operation, -1 when there is none.
    pub(crate) max_seq_no: i64,
    /// The operations that are durable, -1 when there are none.
    pub(crate) global_checkpoint: i64,
    /// Live operations.
    pub(crate) live_count: u64,
    /// Digest of the live operations.
    pub(crate) digest: String,
}

/// Compares two indices completely; the answer names each difference.
pub(crate) fn compare(leader: &Contents, follower: &Contents) -> Vec<String> {
    let ids: BTreeSet<&String> = leader.keys().chain(follower.keys()).collect();
    ids.into_iter()
        .filter_map(|id| difference(id, leader, follower))
        .collect()
}

fn difference(id: &str, leader: &Contents, follower: &Contents) -> Option<String> {
    match (leader.get(id), follower.get(id)) {
        (Some(here), Some(there)) if here == there => None,
        (Some(here), Some(there)) => Some(format!("[{id}] leader {here:?}, follower {there:?}")),
        (Some(here), None) => Some(format!("[{id}] is missing on the follower: {here:?}")),
        (None, there) => Some(format!("[{id}] is on the follower only: {there:?}")),
    }
}

/// Fails when there are differences, naming the first ones.
pub(crate) fn fail_on(differences: &[String]) -> Result<()> {
    if !differences.is_empty() {
        bail!(
            "{} differences, the first ones:\n{}",
            differences.len(),
            differences[..differences.len().min(SHOWN)].join("\n")
        );
    }
    Ok(())
}

/// What every shard of an index tells of its log, by shard number. A node answers before its shards are open, so this waits
/// for them.
pub(crate) async fn shard_states(rest: &Rest, index: &str) -> Result<BTreeMap<u32, ShardState>> {
    wait_for(
        &format!("the shards of {index} to be open"),
        OPEN_WITHIN,
        || async {
            let stats = rest.get(&format!("/{index}/_stats?level=shards")).await?;
            if is_open(&stats, index) {
                parse_shard_states(&stats, index).map(Some)
            } else {
                Ok(None)
            }
        },
    )
    .await
}

/// Whether every shard that is told of has started.
fn is_open(stats: &Value, index: &str) -> bool {
    let shards = stats["indices"][index]["shards"]
        .as_object()
        .into_iter()
        .flatten();
    shards
        .into_iter()
        .all(|(_, copies)| copies[0]["routing"]["state"] != "INITIALIZING")
}

fn parse_shard_states(stats: &Value, index: &str) -> Result<BTreeMap<u32, ShardState>> {
    let shards = stats["indices"][index]["shards"]
        .as_object()
        .with_context(|| format!("no shards of {index} in {stats}"))?;
    let mut states = BTreeMap::new();
    for (number, copies) in shards {
        let shard = copies
            .get(0)
            .with_context(|| format!("shard {number} of {index} has no copy"))?;
        let number_of =
            |value: &Value, name: &str| value.as_i64().with_context(|| format!("no {name} in {shard}"));
        let state = ShardState {
            max_seq_no: number_of(&shard["seq_no"]["max_seq_no"], "max_seq_no")?,
            global_checkpoint: number_of(&shard["seq_no"]["global_checkpoint"], "global_checkpoint")?,
            live_count: shard["live_set"]["count"]
                .as_u64()
                .with_context(|| format!("no live_set.count in {shard}"))?,
            digest: shard["live_set"]["digest"]
                .as_str()
                .with_context(|| format!("no live_set.digest in {shard}"))?
                .to_owned(),
        };
        states.insert(number.parse()?, state);
    }
    Ok(states)
}

/// Says why a follower is not yet where its leader is, or nothing when it is. `targets` are the leader's newest operations by
/// shard; `stats` is the answer of follow stats.
fn behind(targets: &BTreeMap<u32, i64>, stats: &Value) -> Result<Option<String>> {
    let shards = stats["indices"][0]["shards"]
        .as_array()
        .with_context(|| format!("no shards in {stats}"))?;
    if shards.len() != targets.len() {
        return Ok(Some(format!(
            "{} of {} shards are followed",
            shards.len(),
            targets.len()
        )));
    }
    for shard in shards {
        if let Some(fatal) = shard.get("fatal_exception") {
            bail!("following ended with {fatal}");
        }
        let number = shard["shard_id"]
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .context("a shard without a number")?;
        let target = targets
            .get(&number)
            .with_context(|| format!("the leader has no shard {number}"))?;
        let reached =
            shard["follower_global_checkpoint"] == *target && shard["leader_global_checkpoint"] == *target;
        let quiet = [
            "follower_to_leader_lag_millis",
            "follower_to_leader_lagging_ops_count",
            "estimated_catch_up_millis",
        ]
        .iter()
        .all(|name| shard[*name] == 0);
        let healthy = shard["read_exceptions"].as_array().is_some_and(Vec::is_empty);
        if !(reached && quiet && healthy) {
            return Ok(Some(format!("shard {number} should be at {target}: {shard}")));
        }
    }
    Ok(None)
}

/// An index on the node that holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct On<'a> {
    /// The node.
    pub(crate) rest: &'a Rest,
    /// The index.
    pub(crate) index: &'a str,
}

impl On<'_> {
    /// The newest operation of each shard, -1 for one without operations.
    async fn newest(self) -> Result<BTreeMap<u32, i64>> {
        let states = shard_states(self.rest, self.index).await?;
        let newest = states
            .into_iter()
            .map(|(number, state)| (number, state.max_seq_no));
        Ok(newest.collect())
    }

    /// Operations that all shards together have seen.
    pub(crate) async fn operations(self) -> Result<i64> {
        Ok(self.newest().await?.values().map(|newest| newest + 1).sum())
    }

    /// Waits until the index has seen that many operations more than now.
    pub(crate) async fn await_operations(self, more: i64) -> Result<()> {
        let start = self.operations().await?;
        wait_until(
            &format!("{more} more operations in {}", self.index),
            Duration::from_secs(60),
            || async {
                let come = self.operations().await? - start;
                Ok(if come >= more {
                    Ok(())
                } else {
                    Err(format!("{come} more"))
                })
            },
        )
        .await
    }
}

/// Waits until the follower has everything that the leader has at this moment, with no lag and no failing reads.
pub(crate) async fn wait_until_in_sync(
    pair: &Pair,
    leader: &str,
    follower: &str,
    within: Duration,
) -> Result<()> {
    await_sync(pair.on_leader(leader), pair.on_follower(follower), within).await
}

async fn await_sync(leader: On<'_>, follower: On<'_>, within: Duration) -> Result<()> {
    let targets = leader.newest().await?;
    wait_until(
        &format!("{} to be in sync with {}", follower.index, leader.index),
        within,
        || async {
            let path = format!("/{}/_ccr/stats", follower.index);
            let stats = follower.rest.send(Method::GET, &path, None).await?;
            // There are no tasks as long as the index is being copied.
            Ok(if stats.is_success() {
                behind(&targets, &stats.body)?.map_or(Ok(()), Err)
            } else {
                Err(stats.body.to_string())
            })
        },
    )
    .await
}

/// Waits until the follower has applied everything that the leader has at this moment, durable or not yet.
pub(crate) async fn wait_until_applied(
    pair: &Pair,
    leader: &str,
    follower: &str,
    within: Duration,
) -> Result<()> {
    let target = pair.on_leader(leader).newest().await?;
    wait_until(
        &format!("{follower} to have applied what {leader} has"),
        within,
        || async {
            let reached = pair.on_follower(follower).newest().await?;
            Ok(if reached == target {
                Ok(())
            } else {
                Err(format!("{reached:?} of {target:?}"))
            })
        },
    )
    .await
}

/// Waits for both sides to be in sync, then compares documents and digests. Returns what both hold.
pub(crate) async fn check_equal(
    pair: &Pair,
    leader: &str,
    follower: &str,
    within: Duration,
) -> Result<Contents> {
    check_copy(pair.on_leader(leader), pair.on_follower(follower), within).await
}

/// As [`check_equal`], wherever the two are.
pub(crate) async fn check_copy(leader: On<'_>, follower: On<'_>, within: Duration) -> Result<Contents> {
    await_sync(leader, follower, within).await?;
    let here = contents::read(leader.rest, leader.index).await?;
    let there = contents::read(follower.rest, follower.index).await?;
    fail_on(&compare(&here, &there))?;
    let (leading, following) = (
        shard_states(leader.rest, leader.index).await?,
        shard_states(follower.rest, follower.index).await?,
    );
    if leading != following {
        bail!("the documents are equal, the logs are not:\nleader {leading:?}\nfollower {following:?}");
    }
    let live: u64 = leading.values().map(|state| state.live_count).sum();
    if live != here.len() as u64 {
        bail!(
            "{} has {} documents and {live} live operations",
            leader.index,
            here.len()
        );
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::Document;
    use serde_json::json;

    fn document(seq_no: u64, version: u64, source: &str) -> Document {
        Document {
            seq_no,
            version,
            source: source.into(),
        }
    }

    fn contents(documents: &[(&str, Document)]) -> Contents {
        documents
            .iter()
            .map(|(id, document)| ((*id).to_owned(), document.clone()))
            .collect()
    }

    #[test]
    fn equal_contents_have_no_differences() {
        let both = contents(&[("a", document(3, 1, "{}")), ("b", document(4, 2, r#"{"n":1}"#))]);
        assert_eq!(compare(&both, &both.clone()), Vec::<String>::new());
        assert!(fail_on(&[]).is_ok());
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let leader = contents(&[("a", document(3, 1, "{}"))]);
        for (follower, expected) in [
            (contents(&[("a", document(2, 1, "{}"))]), "seq_no: 2"),
            (contents(&[("a", document(3, 2, "{}"))]), "version: 2"),
            (contents(&[("a", document(3, 1, "{ }"))]), "source: \"{ }\""),
            (contents(&[]), "missing on the follower"),
            (
                contents(&[("a", document(3, 1, "{}")), ("b", document(4, 1, "{}"))]),
                "on the follower only",
            ),
        ] {
            let found = compare(&leader, &follower);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_report_counts_all_differences_and_shows_some() {
        let many: Vec<String> = (0..25).map(|number| format!("difference {number}")).collect();
        let error = fail_on(&many).unwrap_err().to_string();
        assert!(error.starts_with("25 differences"), "{error}");
        assert!(
            error.contains("difference 9") && !error.contains("difference 10"),
            "{error}"
        );
    }

    fn follow_stats(overrides: &[(&str, Value)]) -> Value {
        let mut shard = json!({
            "shard_id": 0, "leader_global_checkpoint": 7, "follower_global_checkpoint": 7, "read_exceptions": [],
            "follower_to_leader_lag_millis": 0, "follower_to_leader_lagging_ops_count": 0,
            "estimated_catch_up_millis": 0,
        });
        for (name, value) in overrides {
            shard[*name] = value.clone();
        }
        json!({ "indices": [{ "index": "copy", "shards": [shard] }] })
    }

    #[test]
    fn a_follower_is_in_sync_only_when_nothing_is_missing() {
        let targets = BTreeMap::from([(0, 7)]);
        assert_eq!(behind(&targets, &follow_stats(&[])).unwrap(), None);
        for late in [
            ("follower_global_checkpoint", json!(6)),
            ("leader_global_checkpoint", json!(8)),
            ("follower_to_leader_lag_millis", json!(3)),
            ("follower_to_leader_lagging_ops_count", json!(1)),
            ("estimated_catch_up_millis", json!(-1)),
            ("read_exceptions", json!([{ "from_seq_no": 1 }])),
        ] {
            assert!(
                behind(&targets, &follow_stats(std::slice::from_ref(&late)))
                    .unwrap()
                    .is_some(),
                "{late:?} was taken for in sync"
            );
        }
        assert!(
            behind(&BTreeMap::from([(0, 7), (1, 7)]), &follow_stats(&[]))
                .unwrap()
                .is_some()
        );
        assert!(
            behind(
                &targets,
                &follow_stats(&[("fatal_exception", json!({ "type": "exception" }))])
            )
            .is_err()
        );
    }

    #[test]
    fn shard_states_are_read_from_stats() {
        let shard = json!({ "seq_no": { "max_seq_no": 9, "local_checkpoint": 9, "global_checkpoint": 9 }, "live_set": { "count": 4, "digest": "ab" } });
        let stats = json!({ "indices": { "orders": { "shards": { "0": [shard] } } } });
        let states = parse_shard_states(&stats, "orders").unwrap();
        let expected = ShardState {
            max_seq_no: 9,
            global_checkpoint: 9,
            live_count: 4,
            digest: "ab".into(),
        };
        assert_eq!(states, BTreeMap::from([(0, expected)]));
        assert!(parse_shard_states(&stats, "other").is_err());
        assert!(is_open(&stats, "orders"));
        let opening = json!({ "indices": { "orders": { "shards": { "0": [{ "routing": { "state": "INITIALIZING" } }] } } } });
        assert!(!is_open(&opening, "orders"));
    }
}
