//! Everything that a line can do, one after the other, while the leader is written to: the line is cut, swallows everything, resets its
//! connections, becomes long, becomes narrow. The leader does not notice, a follower without a line says so and stands still, one with a slow line
//! goes on slowly, and after each fault the follower catches up without being told.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::link::Fault;
use crate::load::{Load, LoadConfig};
use crate::pair::{Connection, Pair, set_remote};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// Between two resets of all connections: less than it takes to have them all again.
const RESET_EVERY: Duration = Duration::from_millis(20);

/// Every fault, and the name of the index that suffers from it.
const FAULTS: &[(&str, Fault)] = &[
    ("cut", Fault::Cut),
    ("black-hole", Fault::BlackHole),
    ("reset", Fault::Reset),
    ("delay", Fault::Delay(Duration::from_millis(150))),
    ("throttle", Fault::Throttle(64 << 10)),
];

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::ThroughLink).await?;
    // Nothing tells of a black hole but a probe without answer.
    set_remote(&pair.follower, json!({ "transport": { "ping_schedule": "1s" } })).await?;
    for (name, fault) in FAULTS {
        println!("  {fault:?}");
        under_load(context, &pair, name, *fault)
            .await
            .with_context(|| format!("{fault:?}"))?;
    }
    pair.check_logs()
}

/// A new index and its follower live through a fault; then both must be equal.
async fn under_load(context: &Context<'_>, pair: &Pair, index: &str, fault: Fault) -> Result<()> {
    let copy = format!("{index}-copy");
    let settings = json!({ "settings": { "number_of_shards": 2, "number_of_replicas": 0 } });
    pair.leader.rest().put(&format!("/{index}"), &settings).await?;
    let parameters = json!({ "read_poll_timeout": "1s", "max_retry_delay": "200ms" });
    pair.follow(index, &copy, parameters).await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 3,
        documents: 800,
        batch: 20,
        pause: Duration::from_millis(10),
    };
    let load = Load::start(pair.leader.rest(), index, &config);
    pair.on_follower(&copy).await_operations(500).await?;
    match fault {
        Fault::Cut | Fault::BlackHole => hold_without_a_line(pair, index, &copy, fault).await?,
        Fault::Reset => hold_with_resets(pair, &copy).await?,
        Fault::Delay(_) | Fault::Throttle(_) => hold_with_a_slow_line(pair, &copy, fault).await?,
    }
    pair.link()?.heal();
    let history = load.finish().await?;
    ensure!(
        history.unknown == 0,
        "the leader suffered from the follower's line: {} operations got no answer",
        history.unknown
    );
    let contents = check_equal(pair, index, &copy, Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)
}

/// Nothing may pass, and the follower says what it lacks.
async fn hold_without_a_line(pair: &Pair, index: &str, copy: &str, fault: Fault) -> Result<()> {
    let link = pair.link()?;
    link.strike(fault);
    pair.on_leader(index).await_operations(300).await?;
    // What was under way has arrived by now; from here on nothing may pass.
    let carried = link.carried();
    await_read_exception(pair, copy).await?;
    // And it is applied.
    let standing = pair.on_follower(copy).operations().await?;
    pair.on_leader(index).await_operations(1_200).await?;
    ensure!(link.carried() == carried, "the line carried bytes");
    let applied = pair.on_follower(copy).operations().await?;
    ensure!(
        applied == standing,
        "the follower went on without a line: {standing} operations, then {applied}"
    );
    Ok(())
}

/// However often connections break, there are new ones.
async fn hold_with_resets(pair: &Pair, copy: &str) -> Result<()> {
    let link = pair.link()?;
    let resets = async {
        let mut ticks = tokio::time::interval(RESET_EVERY);
        loop {
            ticks.tick().await;
            link.strike(Fault::Reset);
        }
    };
    tokio::select! {
        seen = await_read_exception(pair, copy) => seen,
        () = resets => Ok(()),
    }
}

/// The follower goes on, late, and nothing fails.
async fn hold_with_a_slow_line(pair: &Pair, copy: &str, fault: Fault) -> Result<()> {
    pair.link()?.strike(fault);
    for _ in 0..5 {
        pair.on_follower(copy).await_operations(100).await?;
        let failing = read_exceptions(pair, copy).await?;
        ensure!(failing.is_empty(), "reads fail on a slow line: {failing:?}");
    }
    Ok(())
}

/// A follower without a line says so: a read that fails is named, with its retries and its cause.
async fn await_read_exception(pair: &Pair, copy: &str) -> Result<()> {
    wait_until(
        "a read exception in follow stats",
        Duration::from_secs(30),
        || async {
            let exceptions = read_exceptions(pair, copy).await?;
            let named = exceptions
                .iter()
                .any(|entry| entry["retries"].as_u64() >= Some(1) && entry["exception"]["type"].is_string());
            Ok(if named {
                Ok(())
            } else {
                Err(format!("{exceptions:?}"))
            })
        },
    )
    .await
}

/// The reads that fail at present, of all shards.
async fn read_exceptions(pair: &Pair, copy: &str) -> Result<Vec<Value>> {
    let stats = pair.follower.rest().get(&format!("/{copy}/_ccr/stats")).await?;
    let shards = stats["indices"][0]["shards"]
        .as_array()
        .with_context(|| format!("no shards in {stats}"))?;
    let exceptions = shards
        .iter()
        .filter_map(|shard| shard["read_exceptions"].as_array());
    Ok(exceptions.flatten().cloned().collect())
}
