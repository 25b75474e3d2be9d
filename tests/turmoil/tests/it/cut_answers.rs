//! A large answer that breaks off in the middle.

use std::time::Duration;

use follow_task::FollowTaskPhase;
use real_stack::{Cut, World};
use serde_json::json;
use transport::TransportConfig;

use crate::setup::{PAIR, SOON, documents, follow, hosts, settled, write};

const MIB: u64 = 1 << 20;

/// A follower that is to read about 6 MiB, of which a poll brings one at most and one answer the rest, which trickles in once the line is whole: with
/// the times of the product.
fn with_a_large_answer_ahead(test: &'static str) -> World {
    let mut world = hosts(test, &TransportConfig::DEFAULTS, json!({}));
    follow(&mut world, &json!({"read_poll_timeout": "5s"}));
    settled(&mut world, SOON);
    world.network().hold("lisbon", "paris");
    // This answers the read that waits on the leader.
    write(&mut world, documents(200..201, 10));
    world.pass(Duration::from_millis(200));
    for round in 0..4 {
        write(&mut world, documents(round * 30..round * 30 + 30, 50_000));
    }
    world
        .network()
        .set_link_max_message_latency("lisbon", "paris", Duration::from_millis(400));
    world
}

/// The follower took nothing of the answer that broke off, gave it up within `limit`, took all of the one that it asked for again, and each operation
/// once.
fn recovers(world: &mut World, before: &[(u64, u64)], limit: Duration) {
    let applied = PAIR.written(world)[0].1 - before[0].1;
    let whole = PAIR
        .tasks(world)
        .iter()
        .map(|task| task.operations_read)
        .sum::<u64>()
        - before[0].0;
    assert!(
        applied <= whole && whole < 121,
        "{applied} operations are applied, {whole} of 121 came in whole answers"
    );
    world.until("the read fails", limit, |world| {
        match PAIR
            .tasks(world)
            .iter()
            .map(|task| task.failed_read_requests)
            .sum::<u64>()
        {
            0 => Err("no read failed".to_owned()),
            _ => Ok(()),
        }
    });
    // What is left depends on real files, and so on real time.
    world.until("the rest arrives", SOON, |world| {
        PAIR.check_always(world);
        let tasks = PAIR.tasks(world);
        let received = tasks.iter().map(|task| task.operations_read).sum::<u64>();
        if received == before[0].0 + 121 {
            Ok(())
        } else {
            Err(format!("{tasks:#?}"))
        }
    });
    settled(world, SOON);
    let task = PAIR.tasks(world).remove(0);
    assert_eq!(
        (task.phase, task.successful_heals),
        (FollowTaskPhase::Following, 0)
    );
    assert!(task.failed_read_requests > 0, "{task:#?}");
    let (written, next) = PAIR.written(world)[0];
    assert_eq!((written - before[0].0, next - before[0].1), (121, 121));
    PAIR.compare(world);
}

fn cut_in_the_middle(test: &'static str, how: Cut, limit: Duration) {
    let mut world = with_a_large_answer_ahead(test);
    let before = PAIR.written(&world);
    world.line("paris").cut_after(3 * MIB, how);
    world.network().release("lisbon", "paris");
    world.until("the cut", SOON, |world| match world.line("paris").cuts() {
        0 => Err(format!("{} bytes arrived", world.line("paris").received())),
        _ => Ok(()),
    });
    recovers(&mut world, &before, limit);
}

#[test]
fn an_answer_cut_by_a_reset_is_asked_for_again() {
    cut_in_the_middle(
        "an_answer_cut_by_a_reset_is_asked_for_again",
        Cut::Reset,
        Duration::from_secs(15),
    );
}

#[test]
fn an_answer_that_falls_silent_is_given_up_and_asked_for_again() {
    // A probe every 10 s, which waits for 10 s.
    let limit = Duration::from_secs(35);
    cut_in_the_middle(
        "an_answer_that_falls_silent_is_given_up_and_asked_for_again",
        Cut::Silent,
        limit,
    );
}

#[test]
fn an_answer_of_a_leader_that_dies_is_asked_for_again_when_it_is_back() {
    let mut world =
        with_a_large_answer_ahead("an_answer_of_a_leader_that_dies_is_asked_for_again_when_it_is_back");
    let before = PAIR.written(&world);
    world.line("paris").cut_after(3 * MIB, Cut::Silent);
    world.network().release("lisbon", "paris");
    world.until("half of the answer arrives", SOON, |world| {
        match world.line("paris").cuts() {
            0 => Err(format!("{} bytes arrived", world.line("paris").received())),
            _ => Ok(()),
        }
    });
    world.crash("lisbon");
    world.pass(Duration::from_secs(1));
    world.bounce("lisbon");
    recovers(&mut world, &before, Duration::from_secs(35));
}
