//! `GET /_cluster/health`: how much of the cluster serves, and waiting until it is enough.

use std::collections::BTreeMap;
use std::time::Duration;

use es_exception::Exception;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::recovery::millis;
use super::shard_table::{IndexShards, ShardState, shard_table};
use super::targets;
use crate::call::Call;
use crate::reply::Reply;

/// How often a waiting request looks again. Shards become active without a change of cluster state, so there is nothing to subscribe to.
const POLL: Duration = Duration::from_millis(25);

/// Elasticsearch's priorities of changes of cluster state.
const PRIORITIES: [&str; 6] = ["immediate", "urgent", "high", "normal", "low", "languid"];

/// Health of an index or a cluster, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Red,
    Yellow,
    Green,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Yellow => "yellow",
            Self::Green => "green",
        }
    }

    fn parse(text: &str) -> Result<Self, Exception> {
        match text.to_ascii_lowercase().as_str() {
            "red" => Ok(Self::Red),
            "yellow" => Ok(Self::Yellow),
            "green" => Ok(Self::Green),
            _ => Err(Exception::illegal_argument(format!(
                "unknown cluster health status [{text}]: use green, yellow or red"
            ))),
        }
    }
}

/// Shards counted by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) active_primaries: usize,
    pub(crate) active: usize,
    pub(crate) initializing: usize,
    pub(crate) unassigned: usize,
    pub(crate) unassigned_primaries: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.active_primaries += other.active_primaries;
        self.active += other.active;
        self.initializing += other.initializing;
        self.unassigned += other.unassigned;
        self.unassigned_primaries += other.unassigned_primaries;
    }

    pub(crate) fn active_percent(&self) -> f64 {
        match self.active + self.initializing + self.unassigned {
            0 => 100.0,
            all => 100.0 * self.active as f64 / all as f64,
        }
    }
}

/// Counts the copies of an index. A replica has no node to be on as long as there is only one.
pub(crate) fn counts(index: &IndexShards) -> Counts {
    let mut counts = Counts::default();
    for shard in &index.shards {
        match shard {
            ShardState::Started => {
                counts.active_primaries += 1;
                counts.active += 1;
            }
            ShardState::Initializing | ShardState::Restoring => counts.initializing += 1,
            ShardState::Unassigned => {
                counts.unassigned += 1;
                counts.unassigned_primaries += 1;
            }
        }
    }
    counts.unassigned += index.shards.len() * index.replicas;
    counts
}

/// The health of an index. Source: a primary that is being restored for the first time makes an index yellow, not red.
pub(crate) fn status(index: &IndexShards) -> Status {
    let waits = |shard: &ShardState| matches!(shard, ShardState::Initializing | ShardState::Unassigned);
    if index.shards.iter().any(waits) {
        Status::Red
    } else if index.replicas > 0 || index.shards.contains(&ShardState::Restoring) {
        Status::Yellow
    } else {
        Status::Green
    }
}

/// What a request waits for.
struct Wanted {
    status: Option<Status>,
    active_shards: Option<WantedShards>,
    nodes: Option<WantedNodes>,
    no_initializing: bool,
}

enum WantedShards {
    Count(usize),
    All,
}

struct WantedNodes {
    minimum: usize,
    maximum: usize,
}

impl Wanted {
    fn parse(call: &Call) -> Result<Self, Exception> {
        let active_shards = match call.params.text("wait_for_active_shards") {
            None => None,
            Some("all") => Some(WantedShards::All),
            Some(_) => call
                .params
                .number("wait_for_active_shards")?
                .map(WantedShards::Count),
        };
        call.params.flag("wait_for_no_relocating_shards", false)?;
        // Changes have their turn in the order in which they were asked for: there is nothing behind which to queue.
        if let Some(priority) = call.params.text("wait_for_events")
            && !PRIORITIES.contains(&priority.to_ascii_lowercase().as_str())
        {
            return Err(Exception::illegal_argument(format!(
                "[wait_for_events] must be one of {PRIORITIES:?}, but was [{priority}]"
            )));
        }
        Ok(Self {
            status: call
                .params
                .text("wait_for_status")
                .map(Status::parse)
                .transpose()?,
            active_shards,
            nodes: call.params.text("wait_for_nodes").map(parse_nodes).transpose()?,
            no_initializing: call.params.flag("wait_for_no_initializing_shards", false)?,
        })
    }

    fn is_reached(&self, health: &Health) -> bool {
        let totals = &health.totals;
        let all = totals.initializing == 0 && totals.unassigned == 0;
        !health.missing
            && self.status.is_none_or(|wanted| health.status >= wanted)
            && self
                .nodes
                .as_ref()
                .is_none_or(|wanted| (wanted.minimum..=wanted.maximum).contains(&health.nodes))
            && (!self.no_initializing || totals.initializing == 0)
            && match self.active_shards {
                None => true,
                Some(WantedShards::Count(count)) => totals.active >= count,
                Some(WantedShards::All) => all,
            }
    }
}

/// Reads `3`, `>=3`, `<5`, `ge(3)` and their like.
fn parse_nodes(text: &str) -> Result<WantedNodes, Exception> {
    let refused =
        || Exception::illegal_argument(format!("cannot parse [wait_for_nodes] with value [{text}]"));
    let forms = [(">=", "ge("), ("<=", "le("), (">", "gt("), ("<", "lt(")];
    let found = forms.iter().find_map(|(sign, word)| {
        let number = text
            .strip_prefix(sign)
            .or_else(|| text.strip_prefix(word)?.strip_suffix(')'))?;
        Some((*sign, number))
    });
    let (sign, number) = found.unwrap_or(("=", text));
    let number: usize = number.trim().parse().map_err(|_| refused())?;
    Ok(match sign {
        ">=" => WantedNodes {
            minimum: number,
            maximum: usize::MAX,
        },
        ">" => WantedNodes {
            minimum: number.saturating_add(1),
            maximum: usize::MAX,
        },
        "<=" => WantedNodes {
            minimum: 0,
            maximum: number,
        },
        "<" => WantedNodes {
            minimum: 0,
            maximum: number.checked_sub(1).ok_or_else(refused)?,
        },
        _ => WantedNodes {
            minimum: number,
            maximum: number,
        },
    })
}

/// One look at the cluster.
pub(crate) struct Health {
    pub(crate) status: Status,
    pub(crate) totals: Counts,
    pub(crate) nodes: usize,
    indices: BTreeMap<String, IndexShards>,
    /// An index that was named does not exist.
    missing: bool,
}

/// Looks at the indices that the request names.
///
/// # Errors
/// A refusal of the index expression other than that an index is missing.
pub(crate) fn look(call: &Call) -> Result<Health, Exception> {
    let (indices, missing) = match targets::any_state(call) {
        Ok(indices) => (indices, false),
        Err(error) if error.status() == 404 => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    let indices: BTreeMap<_, _> = indices
        .iter()
        .map(|index| (index.name.clone(), shard_table(&call.state, index)))
        .collect();
    let mut totals = Counts::default();
    indices.values().for_each(|index| totals.add(counts(index)));
    let worst = indices.values().map(status).min().unwrap_or(Status::Green);
    let nodes = call.state.cluster().state().nodes.len();
    Ok(Health {
        status: if missing { Status::Red } else { worst },
        totals,
        nodes,
        indices,
        missing,
    })
}

/// Answers at once, or as soon as what is waited for is reached, or with status 408 when it is not in time.
pub(crate) async fn health(call: Call) -> Result<Reply, Exception> {
    let wanted = Wanted::parse(&call)?;
    let timeout = call.params.timeout("timeout")?;
    let level = match call.params.text("level") {
        None => "cluster",
        Some(level @ ("cluster" | "indices" | "shards")) => level,
        Some(other) => {
            return Err(Exception::illegal_argument(format!(
                "[level] must be one of cluster, indices, shards, but was [{other}]"
            )));
        }
    };
    let reached = async {
        loop {
            let health = look(&call)?;
            if wanted.is_reached(&health) {
                return Ok::<_, Exception>(health);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let (health, timed_out) = match tokio::time::timeout(timeout.duration(), reached).await {
        Ok(health) => (health?, false),
        Err(_) => (look(&call)?, true),
    };
    let http_status = if timed_out {
        StatusCode::REQUEST_TIMEOUT
    } else {
        StatusCode::OK
    };
    Reply::json(http_status, &printed(&call, &health, timed_out, level))
}

fn printed(call: &Call, health: &Health, timed_out: bool, level: &str) -> Value {
    let totals = &health.totals;
    let pending = call.state.cluster().pending_tasks();
    let longest = pending.iter().map(|task| millis(task.time_in_queue)).max();
    let mut object = json!({
        "cluster_name": call.state.cluster().state().cluster_name,
        "status": health.status.name(),
        "timed_out": timed_out,
        "number_of_nodes": health.nodes,
        "number_of_data_nodes": health.nodes,
        "active_primary_shards": totals.active_primaries,
        "active_shards": totals.active,
        "relocating_shards": 0,
        "initializing_shards": totals.initializing,
        "unassigned_shards": totals.unassigned,
        "unassigned_primary_shards": totals.unassigned_primaries,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": pending.len(),
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": longest.unwrap_or(0),
        "active_shards_percent_as_number": totals.active_percent(),
    });
    if level != "cluster" {
        let indices: Map<String, Value> = health
            .indices
            .iter()
            .map(|(name, index)| (name.clone(), printed_index(index, level == "shards")))
            .collect();
        object["indices"] = Value::Object(indices);
    }
    object
}

fn printed_index(index: &IndexShards, with_shards: bool) -> Value {
    let counts = counts(index);
    let mut object = json!({
        "status": status(index).name(),
        "number_of_shards": index.shards.len(),
        "number_of_replicas": index.replicas,
        "active_primary_shards": counts.active_primaries,
        "active_shards": counts.active,
        "relocating_shards": 0,
        "initializing_shards": counts.initializing,
        "unassigned_shards": counts.unassigned,
        "unassigned_primary_shards": counts.unassigned_primaries,
    });
    if with_shards {
        let shards = index.shards.iter().enumerate().map(|(number, state)| {
            let one = IndexShards {
                shards: vec![*state],
                replicas: index.replicas,
            };
            let counts = self::counts(&one);
            let shard = json!({
                "status": status(&one).name(),
                "primary_active": *state == ShardState::Started,
                "active_shards": counts.active,
                "relocating_shards": 0,
                "initializing_shards": counts.initializing,
                "unassigned_shards": counts.unassigned,
                "unassigned_primary_shards": counts.unassigned_primaries,
            });
            (number.to_string(), shard)
        });
        object["shards"] = Value::Object(shards.collect());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_follows_from_primaries_and_replicas() {
        use ShardState::{Initializing, Restoring, Started, Unassigned};
        let cases = [
            (vec![Started, Started], 0, Status::Green, 100.0),
            (vec![Started], 1, Status::Yellow, 50.0),
            (vec![Started, Restoring], 0, Status::Yellow, 50.0),
            (vec![Started, Initializing], 0, Status::Red, 50.0),
            (vec![Unassigned], 0, Status::Red, 0.0),
        ];
        for (shards, replicas, expected, percent) in cases {
            let index = IndexShards { shards, replicas };
            assert_eq!(status(&index), expected, "{index:?}");
            assert!(
                (counts(&index).active_percent() - percent).abs() < 0.01,
                "{index:?}"
            );
        }
    }

    #[test]
    fn node_counts_are_read_in_both_notations() {
        let cases = [
            ("3", 3, 3),
            (">=1", 1, usize::MAX),
            ("gt(2)", 3, usize::MAX),
            ("<5", 0, 4),
            ("le(2)", 0, 2),
        ];
        for (text, minimum, maximum) in cases {
            let wanted = parse_nodes(text).expect("valid");
            assert_eq!((wanted.minimum, wanted.maximum), (minimum, maximum), "{text}");
        }
        for text in ["", "x", ">=", "<0", "ge(1"] {
            assert!(parse_nodes(text).is_err(), "{text}");
        }
    }
}
