//! What the demo shows.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::{FOLLOWER_INDEX, LEADER_INDEX};
use crate::node::Node;

/// A bar that counts things.
pub(super) fn bar(what: &'static str, total: u64) -> ProgressBar {
    styled(
        total,
        what,
        "{msg:30} [{bar:32}] {human_pos}/{human_len} ({per_sec})",
    )
}

/// A bar that counts bytes whose total is not known yet.
pub(super) fn byte_bar(what: &'static str) -> ProgressBar {
    styled(
        0,
        what,
        "{msg:30} [{bar:32}] {bytes}/{total_bytes} ({bytes_per_sec})",
    )
}

fn styled(total: u64, what: &'static str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total)
        .with_style(style.progress_chars("=> "))
        .with_message(what)
}

/// Where the two clusters are.
pub(super) fn clusters(leader: &Node, follower: &Node, directory: &Path) {
    println!(
        "Two clusters run in this process, with their data in {}:",
        directory.display()
    );
    println!(
        "  leader    REST http://{}   transport {}",
        leader.http, leader.transport
    );
    println!(
        "  follower  REST http://{}   transport {}",
        follower.http, follower.transport
    );
    println!();
}

/// What to try in another terminal.
pub(super) fn try_it(leader: &Node, follower: &Node) {
    let (leader, follower) = (leader.http, follower.http);
    println!();
    println!("[{FOLLOWER_INDEX}] follows [{LEADER_INDEX}]. Try in another terminal:");
    println!("  curl 'http://{follower}/{FOLLOWER_INDEX}/_search?pretty&size=1'");
    println!("  curl 'http://{follower}/{FOLLOWER_INDEX}/_ccr/stats?pretty'");
    println!("  curl 'http://{follower}/{FOLLOWER_INDEX}/_ccr/info?pretty'");
    println!("  curl 'http://{follower}/_remote/info?pretty'");
    println!(
        "  curl -X PUT 'http://{leader}/{LEADER_INDEX}/_doc/mine' -H 'Content-Type: application/json' -d '{{\"status\":\"placed\"}}'"
    );
    println!("  curl 'http://{follower}/{FOLLOWER_INDEX}/_doc/mine?pretty'");
    println!(
        "  curl -X DELETE 'http://{follower}/{FOLLOWER_INDEX}/_doc/mine'   # refused: a follower is read-only"
    );
    println!();
    println!("Live traffic; Ctrl-C stops.");
}

/// One line a second: documents on both sides, and how far the follower is behind.
pub(super) fn status_line(leader: u64, follower: u64, node: &Node) {
    let stats = node.ccr.follow_stats(FOLLOWER_INDEX).unwrap_or_default();
    let shards = || stats.iter().flat_map(|index| &index.shards);
    let operations: u64 = shards()
        .map(|shard| shard.follower_to_leader_lagging_ops_count)
        .sum();
    let millis = shards()
        .map(|shard| shard.follower_to_leader_lag_millis)
        .max()
        .unwrap_or(0);
    println!(
        "leader {leader:>9} documents   follower {follower:>9} documents   lag {operations:>6} operations, {millis:>5} ms"
    );
    if let Some(failure) = shards().find_map(|shard| shard.fatal_exception.as_ref()) {
        println!("following has stopped: {failure}");
    }
}

/// The demo ends.
pub(super) fn stopping(kept: Option<&Path>) {
    println!();
    match kept {
        Some(path) => println!("Stopping; the data stays in {}.", path.display()),
        None => println!("Stopping; the data is removed."),
    }
}
