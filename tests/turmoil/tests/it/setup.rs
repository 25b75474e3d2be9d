//! A leader and a follower of it.

use std::ops::Range;
use std::time::Duration;

use follow_task::RawFollowParameters;
use indices::BulkItem;
use real_stack::{Following, World, document};
use serde_json::{Value, json};
use transport::TransportConfig;

pub(crate) const PAIR: Following = Following {
    leader: "lisbon",
    leader_index: "orders",
    follower: "paris",
    follower_index: "copy",
};

/// Simulated time in which a follower catches up on a line without faults, and gives up a connection that is half open before that. It is twelve seconds
/// of real time, which files take.
pub(crate) const SOON: Duration = Duration::from_secs(240);

/// A leader with an index and some documents, and a follower's host beside it.
pub(crate) fn hosts(test: &'static str, config: &TransportConfig, settings: Value) -> World {
    let mut world = World::new(0, test);
    world.add_host("lisbon", config.clone());
    world.add_host("paris", config.clone());
    world.call("lisbon", move |node| async move {
        node.create_index("orders", 1, settings).await;
        node.write(documents(0..20, 100)).await;
    });
    world
}

/// Begins to follow.
pub(crate) fn follow(world: &mut World, parameters: &Value) {
    let parameters: RawFollowParameters = serde_json::from_value(parameters.clone()).unwrap();
    world.call("paris", move |node| async move {
        node.connect("lisbon").await;
        node.follow("lisbon", "orders", "copy", &parameters).await;
    });
}

/// Writes on the leader.
pub(crate) fn write(world: &mut World, items: Vec<BulkItem>) {
    world.call("lisbon", move |node| async move { node.write(items).await });
}

/// Documents with a text of so many bytes each, which does not compress away.
pub(crate) fn documents(ids: Range<u64>, bytes: usize) -> Vec<BulkItem> {
    let text = |id: u64| {
        let letter = |position: usize| {
            let mixed = (position as u64 + id * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
            char::from(b'A' + u8::try_from(mixed).unwrap() % 26)
        };
        (0..bytes).map(letter).collect::<String>()
    };
    ids.map(|id| document("orders", id, &json!({"n": id, "text": text(id)})))
        .collect()
}

pub(crate) fn settled(world: &mut World, limit: Duration) {
    world.until("the follower catches up", limit, |world| {
        PAIR.check_always(world);
        PAIR.settled(world)
    });
}
