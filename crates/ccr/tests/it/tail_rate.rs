//! How a follower keeps the rate of what it reads.

use std::time::Duration;

use index_meta::SettingValue;

use crate::support::{Pair, checkpoints, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_keep_the_rate_as_it_is_at_the_time() {
    let pair = Pair::following(1).await;
    let key = "ccr.tail.max_bytes_per_sec";
    assert_eq!(pair.follower.ccr.tail_throttle_time(), Duration::ZERO);
    // At this rate one document takes a minute.
    let slow = SettingValue::String("1b".to_owned());
    pair.follower.set(key, slow).await;
    let before = checkpoints(&pair.follower.shards("copy"));
    pair.leader.write("orders", 100..120).await;
    until("a read is held back", || {
        pair.follower.ccr.tail_throttle_time() > Duration::ZERO
    })
    .await;
    assert_eq!(checkpoints(&pair.follower.shards("copy")), before);
    let no_limit = SettingValue::String("0b".to_owned());
    pair.follower.set(key, no_limit).await;
    pair.caught_up().await;
}
