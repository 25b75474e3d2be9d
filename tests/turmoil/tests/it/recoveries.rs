//! A new follower that is copied over a line that breaks again and again.

use std::time::Duration;

use index_meta::SettingValue;
use real_stack::{Cut, World, impatient};
use serde_json::json;

use crate::setup::{PAIR, SOON, documents, follow, hosts, settled, write};

const KB: u64 = 1000;

/// Whether the copy is incomplete.
fn is_recovering(world: &World) -> bool {
    let state = world.node("paris").unwrap().cluster.state();
    state.require_index("copy").unwrap().recovering
}

/// Lets some of the copy arrive, which is incomplete after that.
fn arrive(world: &mut World, bytes: u64) {
    let received = |world: &World| world.line("paris").received();
    let before = received(world);
    world.until("some of the copy arrives", SOON, |world| {
        let arrived = received(world) - before;
        if arrived >= bytes {
            Ok(())
        } else {
            Err(format!("{arrived} bytes"))
        }
    });
    assert!(is_recovering(world));
}

#[test]
fn a_follower_is_copied_over_a_line_that_keeps_breaking() {
    let mut world = hosts(
        "a_follower_is_copied_over_a_line_that_keeps_breaking",
        &impatient(),
        json!({}),
    );
    // About 4 MB of files.
    for round in 0..4 {
        write(&mut world, documents(round * 50..round * 50 + 50, 30_000));
    }
    world.call("lisbon", |node| async move { node.merge("orders").await });
    world.call("paris", |node| async move {
        let chunk = SettingValue::String("64kb".to_owned());
        node.set("ccr.indices.recovery.chunk_size", chunk).await;
    });
    let slow = Duration::from_millis(100);
    world
        .network()
        .set_link_max_message_latency("lisbon", "paris", slow);
    follow(&mut world, &json!({"read_poll_timeout": "1s"}));
    for how in [Cut::Reset, Cut::Silent, Cut::Reset, Cut::Silent] {
        let cuts = world.line("paris").cuts();
        world.line("paris").cut_after(300 * KB, how);
        world.until("the next break", SOON, |world| {
            match world.line("paris").cuts() - cuts {
                0 => Err(format!("{} bytes arrived", world.line("paris").received())),
                _ => Ok(()),
            }
        });
        assert!(is_recovering(&world), "each break hits the copy");
        // The leader is written to meanwhile.
        write(&mut world, documents(0..5, 500));
    }
    arrive(&mut world, 100 * KB);
    world.crash("paris");
    world.pass(Duration::from_secs(2));
    world.bounce("paris");
    arrive(&mut world, 100 * KB);
    world.crash("lisbon");
    world.pass(Duration::from_secs(2));
    world.bounce("lisbon");
    settled(&mut world, 2 * SOON);
    PAIR.compare(&world);
}
