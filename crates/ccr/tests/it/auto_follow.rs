//! Auto-follow: which indices of a leader cluster get a follower by themselves, and what stands in the way.

use ccr::{AutoFollowStats, PreviewedIndex, PutAutoFollowPatternRequest};
use es_exception::{Exception, ExceptionKind};
use index_meta::SettingValue;
use indices::ResolveOptions;
use serde_json::{Value, json};

use crate::support::{ALIAS, Disk, Node, Pair, caught_up, in_time, until};

fn definition(patterns: &[&str], template: Option<&str>) -> PutAutoFollowPatternRequest {
    PutAutoFollowPatternRequest {
        remote_cluster: Some(ALIAS.to_owned()),
        leader_index_patterns: Some(patterns.iter().map(|name| (*name).to_owned()).collect()),
        follow_index_pattern: template.map(str::to_owned),
        ..PutAutoFollowPatternRequest::default()
    }
}

async fn put(node: &Node, name: &str, request: PutAutoFollowPatternRequest) {
    in_time("a pattern", node.ccr.put_auto_follow_pattern(name, request))
        .await
        .unwrap();
}

async fn delete(node: &Node, index: &str) {
    let options = ResolveOptions::open();
    node.indices.delete_index(index, &options).await.unwrap();
}

fn exists(node: &Node, index: &str) -> bool {
    node.cluster.state().index(index).is_some()
}

async fn until_exists(node: &Node, index: &str) {
    until(&format!("[{index}] to be followed"), || exists(node, index)).await;
}

fn stats(node: &Node) -> AutoFollowStats {
    node.ccr.auto_follow_stats()
}

fn error_of(node: &Node, key: &str) -> Option<Exception> {
    stats(node)
        .recent_errors
        .get(key)
        .map(|error| error.exception.clone())
}

/// The leader indices that a pattern has dealt with, as the cluster state has them.
fn noted(node: &Node, pattern: &str) -> Vec<Value> {
    let state = node.cluster.state();
    let stored = &state.customs[&format!("auto_follow_pattern/{pattern}")];
    stored["followed_leader_index_uuids"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indices_that_match_are_followed_as_they_appear_and_those_before_the_pattern_are_not() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    let request = PutAutoFollowPatternRequest {
        leader_index_exclusion_patterns: vec!["*-debug".to_owned()],
        parameters: serde_json::from_value(json!({"max_read_request_operation_count": 77})).unwrap(),
        settings: index_meta::Settings::from_json(&json!({"index.priority": 7})).unwrap(),
        ..definition(&["orders*", "logs-*"], Some("{{leader_index}}-copy"))
    };
    put(follower, "all", request).await;
    leader.create_index("logs-debug", 1).await;
    leader.create_index("other", 1).await;
    leader.create_index("logs-1", 2).await;
    leader.write("logs-1", 0..30).await;
    leader.create_index("orders-2", 1).await;
    for copy in ["logs-1-copy", "orders-2-copy"] {
        until_exists(follower, copy).await;
    }
    caught_up(leader, follower, "logs-1", "logs-1-copy").await;
    until("both to be counted", || {
        stats(follower).successful_follow_indices == 2
    })
    .await;
    for never in ["orders-copy", "logs-debug-copy", "other-copy"] {
        assert!(!exists(follower, never), "{never}");
    }
    let stats = stats(follower);
    assert_eq!((stats.failed_follow_indices, stats.recent_errors.len()), (0, 0));
    let watched = stats.clusters[ALIAS];
    assert!(watched.since_last_check.is_some() && watched.last_seen_metadata_version.is_some());
    let info = follower.ccr.follow_info("logs-1-copy").unwrap();
    let parameters = info[0].active_parameters.clone().unwrap();
    assert_eq!(parameters.max_read_request_operation_count, Some(77));
    assert_eq!(
        follower.setting("logs-1-copy", "index.priority").as_deref(),
        Some("7")
    );

    // What the leader has no more is forgotten.
    until("three to be noted", || noted(follower, "all").len() == 3).await;
    delete(leader, "logs-1").await;
    until("the deleted one to be forgotten", || {
        noted(follower, "all").len() == 2
    })
    .await;
    assert!(exists(follower, "logs-1-copy"), "its follower stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_indices_are_followed_on_demand_and_shown_before() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    leader.create_index("orders-closed", 1).await;
    leader.indices.close_index("orders-closed").await.unwrap();
    follower.create_index("orders", 1).await;
    let existing = |template| PutAutoFollowPatternRequest {
        follow_existing_indices: true,
        ..definition(&["orders*"], template)
    };
    let preview = async |request| {
        let indices = follower.ccr.preview_auto_follow(request).await.unwrap();
        let shown = |index: PreviewedIndex| {
            let reason = index.reason.unwrap_or_default();
            (index.leader_index, index.follower_index, reason)
        };
        indices.into_iter().map(shown).collect::<Vec<_>>()
    };
    let [(orders, None, taken), (closed, None, is_closed)] = &preview(existing(None)).await[..] else {
        panic!("both match, and neither would be followed");
    };
    assert_eq!((orders.as_str(), closed.as_str()), ("orders", "orders-closed"));
    assert!(taken.contains("open index with the same name"), "{taken}");
    assert_eq!(is_closed, "it is closed");
    let copies = Some("copy-of-{{leader_index}}");
    assert!(
        preview(definition(&["orders"], copies)).await[0]
            .2
            .contains("[follow_existing_indices]")
    );
    assert_eq!(
        preview(existing(copies)).await[0],
        (
            "orders".to_owned(),
            Some("copy-of-orders".to_owned()),
            String::new()
        )
    );
    assert!(!exists(follower, "copy-of-orders"), "a preview changes nothing");

    put(follower, "all", existing(copies)).await;
    until_exists(follower, "copy-of-orders").await;
    caught_up(leader, follower, "orders", "copy-of-orders").await;
    leader.indices.open_index("orders-closed").await.unwrap();
    until_exists(follower, "copy-of-orders-closed").await;
    let of_stored = follower.ccr.preview_auto_follow_pattern("all").await.unwrap();
    assert!(
        of_stored.iter().all(|index| index.follower_index.is_none()),
        "{of_stored:?}"
    );
}

/// Without that the copies of each would be copied by the other, and those again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_clusters_that_follow_each_other_none_follows_the_copies_of_its_own_indices() {
    let pair = Pair::start(1).await;
    let (lisbon, oslo) = (&pair.leader, &pair.follower);
    lisbon.connect(oslo).await;
    let everything = PutAutoFollowPatternRequest {
        follow_existing_indices: true,
        ..definition(&["*"], Some("{{leader_index}}-copy"))
    };
    put(oslo, "all", everything.clone()).await;
    until_exists(oslo, "orders-copy").await;
    oslo.create_index("fjords", 1).await;
    put(lisbon, "all", everything).await;
    until_exists(lisbon, "fjords-copy").await;
    caught_up(lisbon, oslo, "orders", "orders-copy").await;
    caught_up(oslo, lisbon, "fjords", "fjords-copy").await;

    let shown = lisbon.ccr.preview_auto_follow_pattern("all").await.unwrap();
    let copy = shown.iter().find(|index| index.leader_index == "orders-copy");
    let reason = copy.and_then(|index| index.reason.as_deref());
    assert_eq!(
        reason,
        Some("it is itself a follower, of [orders] of this cluster")
    );
    // A later index goes both ways, and once only: what came before it has been judged by then.
    lisbon.create_index("later", 1).await;
    until_exists(oslo, "later-copy").await;
    oslo.create_index("latest", 1).await;
    until_exists(lisbon, "latest-copy").await;
    let names = |node: &Node| node.cluster.state().indices.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(lisbon), ["fjords-copy", "later", "latest-copy", "orders"]);
    assert_eq!(names(oslo), ["fjords", "later-copy", "latest", "orders-copy"]);
    assert_eq!(stats(lisbon).failed_follow_indices, 0);

    // Nor does what is deleted come back.
    delete(lisbon, "orders").await;
    // Indices are looked at by name: the copy has had its turn before this one.
    oslo.create_index("zebras", 1).await;
    until_exists(lisbon, "zebras-copy").await;
    assert_eq!(
        names(lisbon),
        ["fjords-copy", "later", "latest-copy", "zebras-copy"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_two_patterns_match_is_an_error_of_both_until_one_lets_go() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    put(follower, "a", definition(&["logs-*"], None)).await;
    put(follower, "b", definition(&["logs-2*"], None)).await;
    leader.create_index("logs-1", 1).await;
    leader.create_index("logs-21", 1).await;
    until_exists(follower, "logs-1").await;
    for (pattern, other) in [("a", "[b]"), ("b", "[a]")] {
        let key = format!("{pattern}:logs-21");
        until(&key, || error_of(follower, &key).is_some()).await;
        let error = error_of(follower, &key).unwrap();
        assert!(error.reason().contains(other), "{error}");
    }
    assert!(!exists(follower, "logs-21"));
    follower.ccr.delete_auto_follow_pattern("b").await.unwrap();
    until_exists(follower, "logs-21").await;
    until("the errors to go", || stats(follower).recent_errors.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_pattern_follows_nothing_and_makes_up_for_it_afterwards() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    put(follower, "logs", definition(&["logs-*"], None)).await;
    let set_active = async |active| follower.ccr.set_auto_follow_pattern_active("logs", active).await;
    for _ in 0..2 {
        set_active(false).await.unwrap();
    }
    until("nothing to be watched", || stats(follower).clusters.is_empty()).await;
    for name in ["logs-deleted", "logs-closed", "logs-open"] {
        leader.create_index(name, 1).await;
    }
    delete(leader, "logs-deleted").await;
    leader.indices.close_index("logs-closed").await.unwrap();
    set_active(true).await.unwrap();
    until_exists(follower, "logs-open").await;
    let patterns = follower.ccr.auto_follow_patterns(Some("logs")).unwrap();
    assert!(patterns[0].1.active);
    assert!(!exists(follower, "logs-closed") && !exists(follower, "logs-deleted"));
    for missing in [
        follower.ccr.set_auto_follow_pattern_active("none", true).await,
        follower.ccr.delete_auto_follow_pattern("none").await,
        follower.ccr.auto_follow_patterns(Some("none")).map(|_| ()),
    ] {
        assert_eq!(missing.unwrap_err().kind(), ExceptionKind::ResourceNotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follow_that_failed_is_tried_again_without_any_change_at_the_leader() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    follower.create_index("logs-1", 1).await;
    put(follower, "logs", definition(&["logs-*"], None)).await;
    leader.create_index("logs-1", 1).await;
    leader.write("logs-1", 0..5).await;
    until("the name to be found taken", || {
        error_of(follower, "logs:logs-1").is_some()
    })
    .await;
    let error = error_of(follower, "logs:logs-1").unwrap();
    assert_eq!(error.kind(), ExceptionKind::SnapshotRestore);
    assert!(stats(follower).failed_follow_indices >= 1);
    delete(follower, "logs-1").await;
    until_exists(follower, "logs-1").await;
    caught_up(leader, follower, "logs-1", "logs-1").await;
    until("the error to go", || stats(follower).recent_errors.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_cannot_be_asked_is_told_of_and_a_removed_one_is_waited_for_in_silence() {
    let pair = Pair::start(1).await;
    let Pair {
        mut leader, follower, ..
    } = pair;
    put(&follower, "logs", definition(&["logs-*"], None)).await;
    let unknown = PutAutoFollowPatternRequest {
        remote_cluster: Some("nowhere".to_owned()),
        ..definition(&["*"], None)
    };
    let refused = follower
        .ccr
        .put_auto_follow_pattern("x", unknown)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ExceptionKind::NoSuchRemoteCluster);

    let seeds = format!("cluster.remote.{ALIAS}.seeds");
    let failed = || stats(&follower).failed_remote_cluster_state_requests;
    follower.set(&seeds, SettingValue::Null).await;
    // One failure at most, of the question that was under way. Time must pass for more: a leader that cannot be asked is asked again after 0.5 s, and 1 s later.
    tokio::time::sleep(std::time::Duration::from_millis(1700)).await;
    assert!(failed() <= 1, "silence while there is no remote cluster");
    follower.connect(&leader).await;
    leader.create_index("logs-0", 1).await;
    until_exists(&follower, "logs-0").await;

    let before = failed();
    leader.stop_serving().await;
    until("the failure to be told", || error_of(&follower, "logs").is_some()).await;
    assert!(failed() > before);
    follower.set(&seeds, SettingValue::Null).await;
    let disk = Disk::new();
    let second = Node::start("second", &disk).await;
    second.create_index("logs-1", 1).await;
    follower.connect(&second).await;
    until_exists(&follower, "logs-1").await;
    until("the error to go", || error_of(&follower, "logs").is_none()).await;
    follower.shutdown().await;
    second.shutdown().await;
    leader.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_outlive_a_restart_and_what_came_meanwhile_is_followed() {
    let pair = Pair::start(1).await;
    let Pair {
        leader,
        follower,
        follower_disk,
        ..
    } = pair;
    put(
        &follower,
        "logs",
        definition(&["logs-*"], Some("{{leader_index}}-copy")),
    )
    .await;
    leader.create_index("logs-1", 1).await;
    until_exists(&follower, "logs-1-copy").await;
    let before = follower.ccr.auto_follow_patterns(None).unwrap();
    follower.shutdown().await;
    leader.create_index("logs-2", 1).await;
    let follower = Node::start("paris", &follower_disk).await;
    assert_eq!(follower.ccr.auto_follow_patterns(None).unwrap(), before);
    until_exists(&follower, "logs-2-copy").await;
    assert!(
        stats(&follower).recent_errors.is_empty(),
        "the first is found to be followed"
    );
    follower.shutdown().await;
    leader.shutdown().await;
}
