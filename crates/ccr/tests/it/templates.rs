//! Templates of the follower's cluster, and followers.

use cluster::change;
use index_meta::IndexTemplate;
use serde_json::json;

use crate::support::{FIRST_DOCS, Pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_matches_a_follower_s_name_does_not_touch_it() {
    let pair = Pair::start(2).await;
    let json = json!({
        "index_patterns": ["co*", "other"],
        "template": {
            "settings": {"number_of_shards": 7, "refresh_interval": "77s"},
            "mappings": {"properties": {"of_template": {"type": "keyword"}}},
            "aliases": {"of-template": {}}
        }
    });
    let template = IndexTemplate::from_json(&json).unwrap();
    let put = |state: &cluster::ClusterState| {
        Ok((
            change::put_index_template(state, "matching", &template, true)?,
            (),
        ))
    };
    pair.follower.cluster.update("put template", put).await.unwrap();

    pair.follower.follow("orders", "copy").await;
    pair.caught_up().await;
    let check = || {
        let (follower, leader) = (pair.follower.cluster.state(), pair.leader.cluster.state());
        let (copy, orders) = (
            follower.require_index("copy").unwrap(),
            leader.require_index("orders").unwrap(),
        );
        assert_eq!(copy.mapping.to_json(), orders.mapping.to_json());
        assert_eq!((copy.number_of_shards, copy.aliases.len()), (2, 0));
        assert_eq!(copy.settings.get("index.refresh_interval"), None);
    };
    check();

    // Nor when it is restored anew.
    pair.follower.pause_and_close("copy").await;
    let end = FIRST_DOCS.end;
    pair.leader.write("orders", end..end + 10).await;
    pair.follower.follow("orders", "copy").await;
    pair.caught_up().await;
    check();

    let own = indices::CreateIndex {
        name: "other".into(),
        ..indices::CreateIndex::default()
    };
    let own = pair.follower.indices.create_index(own).await.unwrap().index;
    assert_eq!(
        own.number_of_shards, 7,
        "the template does apply to an index of its own"
    );
}
