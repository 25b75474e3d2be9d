//! A chain of three clusters, each following the one before it. Both lines suffer from random faults, also at the same time and one on top of the
//! other, while the first cluster is written to. Then the lines are healed, and all three must be equal.

use crate::checker::{On, check_copy, check_equal, fail_on};
use crate::clock::now;
use crate::context::Context;
use crate::link::{Fault, Link};
use crate::load::{Load, LoadConfig};
use crate::node::Node;
use crate::pair::{Connection, follow, introduce, set_remote};
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::time::Duration;

/// For so long the lines suffer.
const FAULTY_FOR: Duration = Duration::from_secs(30);
/// A fault lasts no longer than this.
const LONGEST_FAULT_MILLIS: u64 = 3_000;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.following_orders(Connection::ThroughLink).await?;
    let last = Node::start(context.node_spec("last-cluster")).await?;
    let second = introduce(&pair.follower, &last, Connection::ThroughLink).await?;
    let second = second.context("no line to the last cluster")?;
    let parameters = json!({ "read_poll_timeout": "1s" });
    follow(&last, "orders-copy", "orders-copy-copy", parameters).await?;
    for node in [&pair.follower, &last] {
        set_remote(node, json!({ "transport": { "ping_schedule": "1s" } })).await?;
    }
    let config = LoadConfig {
        seed: context.seed,
        writers: 3,
        documents: 3_000,
        batch: 20,
        pause: Duration::from_millis(10),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    tokio::join!(
        suffer("first", pair.link()?, context.seed),
        suffer("second", &second, context.seed ^ 1),
    );
    let history = load.finish().await?;
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    let end = On {
        rest: last.rest(),
        index: "orders-copy-copy",
    };
    check_copy(pair.on_follower("orders-copy"), end, Duration::from_secs(90)).await?;
    last.check_log()?;
    pair.check_logs()
}

/// Faults come and go, and sometimes one comes before the last one went.
async fn suffer(name: &str, link: &Link, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let end = now() + FAULTY_FOR;
    while now() < end {
        let fault = Fault::random(&mut random);
        let lasting = Duration::from_millis(random.random_range(10..LONGEST_FAULT_MILLIS));
        println!("  {name} line: {fault:?} for {lasting:?}");
        link.strike(fault);
        tokio::time::sleep(lasting).await;
        if random.random_bool(0.7) {
            link.heal();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1_000))).await;
        }
    }
    link.heal();
}
