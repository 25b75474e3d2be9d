//! A follower that fell behind what its leader has, on a line that breaks again and again.

use real_stack::{Cut, deletion, impatient};
use serde_json::json;

use crate::setup::{PAIR, SOON, documents, follow, hosts, settled, write};

#[test]
fn a_delta_heal_gets_over_a_line_that_keeps_breaking() {
    let test = "a_delta_heal_gets_over_a_line_that_keeps_breaking";
    let settings = json!({"soft_deletes.retention_lease.period": "20s"});
    let mut world = hosts(test, &impatient(), settings);
    write(&mut world, documents(0..300, 2_000));
    follow(
        &mut world,
        &json!({"read_poll_timeout": "1s", "max_read_request_size": "32kb"}),
    );
    settled(&mut world, SOON);

    // An absence in which everything is changed, the lease expires and the leader removes what it replaced.
    world.network().partition("lisbon", "paris");
    let leases = |world: &real_stack::World| {
        let shard = world.node("lisbon").unwrap().shards("orders").remove(0);
        shard.log().retention_leases().leases.len()
    };
    // The writes take real time, of which the lease has one second.
    assert_eq!(leases(&world), 1);
    for _ in 0..2 {
        write(&mut world, documents(0..300, 3_000));
    }
    write(&mut world, (0..50).map(|id| deletion("orders", id)).collect());
    world.until("the lease expires", SOON, |world| match leases(world) {
        0 => Ok(()),
        left => Err(format!("{left} leases")),
    });
    world.call("lisbon", |node| async move { node.merge("orders").await });
    let behind = world.node("paris").unwrap().shards("copy")[0].log().max_seq_no();
    let kept_from = world.node("lisbon").unwrap().shards("orders")[0]
        .log()
        .min_retained_seq_no();
    assert!(Some(kept_from) > behind, "{kept_from} {behind:?}");

    // The way back breaks every 150 KB, by turns with and without a word.
    world.network().repair("lisbon", "paris");
    let (mut failures, mut healing) = (0, false);
    for how in [Cut::Reset, Cut::Silent].into_iter().cycle().take(6) {
        let cuts = world.line("paris").cuts();
        world.line("paris").cut_after(150_000, how);
        world.until("the next break", SOON, |world| {
            PAIR.check_always(world);
            if let Some(heal) = PAIR.tasks(world).into_iter().find_map(|task| task.heal) {
                failures = failures.max(heal.failures);
                healing = true;
            }
            let is_over = healing && PAIR.settled(world).is_ok();
            if is_over || world.line("paris").cuts() > cuts {
                Ok(())
            } else {
                Err("it did not break".to_owned())
            }
        });
    }
    world.line("paris").leave_whole();
    settled(&mut world, SOON);
    assert!(failures > 0, "no piece of the heal was cut off");
    let task = PAIR.tasks(&world).remove(0);
    assert_eq!((task.successful_heals, task.fatal_exception), (1, None));
    PAIR.compare(&world);
    write(&mut world, documents(1000..1010, 100));
    settled(&mut world, SOON);
    world.until(
        "the healed follower has a lease again",
        SOON,
        |world| match leases(world) {
            1 => Ok(()),
            there => Err(format!("{there} leases")),
        },
    );
}
