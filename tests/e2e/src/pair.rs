//! Two clusters of one node each: a leader, a follower, and the follower's knowledge of the leader.

use crate::checker::On;
use crate::clock::wait_until;
use crate::link::Link;
use crate::node::{Node, NodeSpec};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The alias under which the follower knows the leader.
pub(crate) const REMOTE: &str = "leader";

/// How the follower reaches the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// By the leader's own addresses (`sniff`).
    Direct,
    /// Through a [`Link`] (`proxy`), which can be cut.
    ThroughLink,
}

/// A leader and a follower that knows it.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The cluster that takes writes.
    pub(crate) leader: Node,
    /// The cluster that follows.
    pub(crate) follower: Node,
    /// The line between them, if there is one.
    pub(crate) link: Option<Link>,
}

/// What a node of a scenario named `cluster_name` is started with; all its files lie below `home`.
pub(crate) fn node_spec(binary: &Path, home: &Path, cluster_name: &str) -> NodeSpec {
    NodeSpec {
        binary: binary.to_path_buf(),
        cluster_name: cluster_name.to_owned(),
        data_dir: home.join(cluster_name),
        log: home.join(format!("{cluster_name}.log")),
        log_level: "info",
    }
}

impl Pair {
    /// Starts both and introduces them.
    pub(crate) async fn start(binary: &Path, home: &Path, connection: Connection) -> Result<Pair> {
        Pair::start_with(
            node_spec(binary, home, "leader-cluster"),
            node_spec(binary, home, "follower-cluster"),
            connection,
        )
        .await
    }

    /// As [`Pair::start`], with nodes of one's own.
    pub(crate) async fn start_with(
        leader: NodeSpec,
        follower: NodeSpec,
        connection: Connection,
    ) -> Result<Pair> {
        let leader = Node::start(leader).await.context("the leader")?;
        let follower = Node::start(follower).await.context("the follower")?;
        let link = introduce(&leader, &follower, connection).await?;
        Ok(Pair {
            leader,
            follower,
            link,
        })
    }

    /// An index on the leader.
    pub(crate) fn on_leader<'a>(&'a self, index: &'a str) -> On<'a> {
        let rest = self.leader.rest();
        On { rest, index }
    }

    /// An index on the follower.
    pub(crate) fn on_follower<'a>(&'a self, index: &'a str) -> On<'a> {
        let rest = self.follower.rest();
        On { rest, index }
    }

    /// The line between them; only pairs that were started [`Connection::ThroughLink`] have one.
    pub(crate) fn link(&self) -> Result<&Link> {
        self.link
            .as_ref()
            .context("this pair has no line that could be cut")
    }

    /// Makes `follower` follow `leader` and waits until following began.
    pub(crate) async fn follow(&self, leader: &str, follower: &str, parameters: Value) -> Result<()> {
        follow(&self.follower, leader, follower, parameters).await
    }

    /// Fails when either log tells of a panic.
    pub(crate) fn check_logs(&self) -> Result<()> {
        self.leader.check_log()?;
        self.follower.check_log()
    }
}

/// Tells `follower` of `leader`, as [`REMOTE`], and waits until they are connected. Returns the line between them, if there is one.
pub(crate) async fn introduce(
    leader: &Node,
    follower: &Node,
    connection: Connection,
) -> Result<Option<Link>> {
    let transport = &leader.addresses().transport;
    let (link, settings) = match connection {
        Connection::Direct => (None, json!({ "seeds": [transport] })),
        Connection::ThroughLink => {
            let link = Link::open(transport).await?;
            let settings = json!({ "mode": "proxy", "proxy_address": link.address() });
            (Some(link), settings)
        }
    };
    set_remote(follower, settings).await?;
    Ok(link)
}

/// Changes how `follower` reaches the cluster that it knows as [`REMOTE`], and waits until they are connected.
pub(crate) async fn set_remote(follower: &Node, settings: Value) -> Result<()> {
    let body = json!({ "persistent": { "cluster": { "remote": { REMOTE: settings } } } });
    follower.rest().put("/_cluster/settings", &body).await?;
    wait_until(
        "the follower to be connected to the leader",
        Duration::from_secs(20),
        || async {
            let info = follower.rest().get("/_remote/info").await?;
            Ok(if info[REMOTE]["connected"] == true {
                Ok(())
            } else {
                Err(info.to_string())
            })
        },
    )
    .await
}

/// Makes the index `follower` on `node` follow `leader` on its [`REMOTE`] and waits until following began.
pub(crate) async fn follow(node: &Node, leader: &str, follower: &str, parameters: Value) -> Result<()> {
    let mut body = json!({ "remote_cluster": REMOTE, "leader_index": leader });
    if let (Some(body), Value::Object(parameters)) = (body.as_object_mut(), parameters) {
        body.extend(parameters);
    }
    let path = format!("/{follower}/_ccr/follow?wait_for_active_shards=1");
    let answer = node.rest().put(&path, &body).await?;
    let expected = json!({ "follow_index_created": true, "follow_index_shards_acked": true, "index_following_started": true });
    if answer != expected {
        bail!("follow answered {answer}");
    }
    Ok(())
}

/// The last lines of every log below `home`, for the report of a failure.
pub(crate) fn log_tails(home: &Path, lines: usize) -> String {
    let mut report = String::new();
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    let mut logs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    logs.sort();
    for path in logs {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        let tail = &all[all.len().saturating_sub(lines)..];
        report.push_str(&format!(
            "--- {} (last {} of {} lines)\n{}\n",
            path.display(),
            tail.len(),
            all.len(),
            tail.join("\n")
        ));
    }
    report
}
