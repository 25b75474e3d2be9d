//! The follower dies and its disk loses bytes, of a log and of each search view: it serves nothing wrong, has the damaged shard copied from
//! the leader again, indexes the views anew, and catches up without being told.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::load::{Load, LoadConfig};
use crate::pair::Connection;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the follower says when it begins to rebuild a shard, and a view.
const REBUILDS: [&str; 2] = [
    "copied from their leader again",
    "search view cannot be opened, rebuilding it",
];

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.following_orders(Connection::Direct).await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 2,
        documents: 500,
        batch: 40,
        pause: Duration::from_millis(2),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    wait_until("a load to be replicated", Duration::from_secs(60), || async {
        let found = pair.follower.rest().get("/orders-copy/_count").await?;
        let count = found["count"].as_u64().unwrap_or(0);
        Ok(if count >= 300 {
            Ok(())
        } else {
            Err(format!("{count} documents"))
        })
    })
    .await?;
    let history = load.finish().await?;
    check_equal(&pair, "orders", "orders-copy", Duration::from_secs(60)).await?;
    // What a search has made a commit of, and what is durable, is there after the kill.
    pair.follower.rest().post_empty("/orders-copy/_flush").await?;

    pair.follower.kill_9()?;
    let shards = shard_dirs(&pair.follower.spec().data_dir)?;
    if shards.len() != 2 {
        bail!("the follower has {} shards", shards.len());
    }
    flip_largest(&shards[0].join("oplog"), "log")?;
    for shard in &shards {
        flip_largest(&shard.join("index"), "term")?;
    }
    pair.follower.start_again().await?;
    wait_until("the rebuild to begin", Duration::from_secs(60), || async {
        let log = fs::read_to_string(&pair.follower.spec().log)?;
        let silent = REBUILDS.into_iter().find(|said| !log.contains(said));
        Ok(silent.map_or(Ok(()), |said| Err(format!("the follower did not say [{said}]"))))
    })
    .await?;
    // There are no tasks as long as the shard is being copied.
    wait_until("following to go on", Duration::from_secs(60), || async {
        let stats = pair.follower.rest().get("/_ccr/stats").await?;
        let shards = &stats["follow_stats"]["indices"][0]["shards"];
        let fatal = |shard: &Value| shard.get("fatal_exception").is_some();
        Ok(match shards.as_array() {
            Some(shards) if shards.len() == 2 && !shards.iter().any(fatal) => Ok(()),
            _ => Err(shards.to_string()),
        })
    })
    .await?;
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}

fn shard_dirs(data: &Path) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for index in fs::read_dir(data.join("indices"))? {
        for shard in fs::read_dir(index?.path())? {
            dirs.push(shard?.path());
        }
    }
    dirs.sort();
    Ok(dirs)
}

/// Flips one bit a third into the largest file of a kind.
fn flip_largest(folder: &Path, kind: &str) -> Result<()> {
    let mut largest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let length = fs::metadata(&path)?.len();
        let is_kind = path.extension().is_some_and(|extension| extension == kind);
        if is_kind && largest.as_ref().is_none_or(|(most, _)| *most < length) {
            largest = Some((length, path));
        }
    }
    let (length, path) = largest.with_context(|| format!("no .{kind} file in {}", folder.display()))?;
    let mut bytes = fs::read(&path)?;
    let place = usize::try_from(length / 3)?;
    let byte = bytes
        .get_mut(place)
        .with_context(|| format!("{} is empty", path.display()))?;
    *byte ^= 0x08;
    Ok(fs::write(&path, bytes)?)
}
