//! A follower that is killed while a change of settings has it closed.

use indices::Origin;
use real_stack::impatient;
use serde_json::json;

use crate::setup::{PAIR, SOON, documents, follow, hosts, settled, write};

/// More changes of the cluster state than it takes to close a follower, change it and open it again.
const MANY_CHANGES: u64 = 12;

#[test]
fn a_follower_killed_amid_a_change_of_settings_is_open_again() {
    let test = "a_follower_killed_amid_a_change_of_settings_is_open_again";
    let mut world = hosts(test, &impatient(), json!({}));
    follow(&mut world, &json!({"read_poll_timeout": "1s"}));
    settled(&mut world, SOON);
    for changes in 0..MANY_CHANGES {
        world.die_after_changes("paris", changes);
        world.call("lisbon", move |node| async move {
            node.indices.close_index("orders").await.unwrap();
            let settings = json!({format!("analysis.analyzer.analyzer_{changes}.type"): "standard"});
            let set = node
                .indices
                .update_settings("orders", settings, false, Origin::User);
            set.await.unwrap();
            node.indices.open_index("orders").await.unwrap();
        });
        write(&mut world, documents(20..30, 100));
        world.until("the follower has the setting or dies", SOON, |world| {
            if world.has_died("paris") {
                Ok(())
            } else {
                PAIR.settled(world)
            }
        });
        if !world.has_died("paris") {
            return;
        }
        world.crash("paris");
        world.bounce("paris");
        settled(&mut world, SOON);
        PAIR.compare(&world);
    }
    panic!("the change never came to its end");
}
