//! Faults of every kind in a random order under load, each healed before the next; then quiet, and both sides must be equal.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::link;
use crate::load::{Load, LoadConfig};
use crate::pair::{Connection, Pair};
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// What can happen.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillLeader,
    KillFollower,
    KillBoth,
    RestartLeader,
    RestartFollower,
    Line(link::Fault),
    Pause,
}

const FAULTS: &[Fault] = &[
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::KillBoth,
    Fault::RestartLeader,
    Fault::RestartFollower,
    Fault::Line(link::Fault::Cut),
    Fault::Line(link::Fault::BlackHole),
    Fault::Line(link::Fault::Reset),
    Fault::Line(link::Fault::Delay(Duration::from_millis(100))),
    Fault::Line(link::Fault::Throttle(256 << 10)),
    Fault::Pause,
];

/// Faults in one run.
const ROUNDS: u32 = 10;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.following_orders(Connection::ThroughLink).await?;
    let mut random = StdRng::seed_from_u64(context.seed);
    let config = LoadConfig {
        seed: context.seed,
        writers: 3,
        documents: 3_000,
        batch: 20,
        pause: Duration::from_millis(5),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    for round in 1..=ROUNDS {
        let fault = *FAULTS.choose(&mut random).context("no faults")?;
        let operations = random.random_range(50..800);
        println!("  fault {round}: {fault:?}, {operations} operations later");
        pair.on_leader("orders").await_operations(operations).await?;
        strike(&mut pair, fault, random.random_range(50..500))
            .await
            .with_context(|| format!("fault {round}: {fault:?}"))?;
    }
    let history = load.finish().await?;
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}

/// Lets the fault happen and heals it; `operations` pass on the leader in between where it lives.
async fn strike(pair: &mut Pair, fault: Fault, operations: i64) -> Result<()> {
    match fault {
        Fault::KillLeader => {
            pair.leader.kill_9()?;
            pair.leader.start_again().await
        }
        Fault::KillFollower => {
            pair.follower.kill_9()?;
            pair.on_leader("orders").await_operations(operations).await?;
            pair.follower.start_again().await
        }
        Fault::KillBoth => {
            pair.leader.kill_9()?;
            pair.follower.kill_9()?;
            pair.follower.start_again().await?;
            pair.leader.start_again().await
        }
        Fault::RestartLeader => pair.leader.restart().await,
        Fault::RestartFollower => pair.follower.restart().await,
        Fault::Line(fault) => {
            pair.link()?.strike(fault);
            pair.on_leader("orders").await_operations(operations).await?;
            pair.link()?.heal();
            Ok(())
        }
        Fault::Pause => {
            pair.follower
                .rest()
                .post_empty("/orders-copy/_ccr/pause_follow")
                .await?;
            pair.on_leader("orders").await_operations(operations).await?;
            // A resume asks the leader, and fails while the line is still being built again after an earlier fault.
            wait_until("the follower to resume", Duration::from_secs(30), || async {
                let answer = pair
                    .follower
                    .rest()
                    .send(reqwest::Method::POST, "/orders-copy/_ccr/resume_follow", None)
                    .await?;
                Ok(if answer.is_success() {
                    Ok(())
                } else {
                    Err(answer.body.to_string())
                })
            })
            .await
        }
    }
}
