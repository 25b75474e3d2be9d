//! Data streams in the cluster state.

use index_meta::{IndexTemplate, Settings};
use serde_json::json;

use super::*;
use crate::Origin;
use crate::change::testing::{change, state_with, state_with_follower};
use crate::change::{
    AliasChange, NewIndexChange, close_indices, create_index_by_templates, delete_indices,
    put_index_template, remove_index_templates, rollover, update_aliases,
};

const FIRST: &str = ".ds-logs-1970.01.01-000001";
const SECOND: &str = ".ds-logs-1970.01.01-000002";

fn new() -> NewBackingIndex {
    NewBackingIndex {
        uuid: IndexUuid::generate(),
        created_at: UnixMillis::new(0),
    }
}

fn with_template(state: &ClusterState) -> ClusterState {
    let template = json!({
        "index_patterns": ["logs*"], "data_stream": {"hidden": true}, "_meta": {"by": "me"},
        "template": {"settings": {"number_of_shards": 2}}
    });
    let template = IndexTemplate::from_json(&template).unwrap();
    put_index_template(state, "t", &template, true).unwrap()
}

fn with_stream() -> ClusterState {
    create_data_stream(&with_template(&state_with(&["plain"])), "logs", &new())
        .unwrap()
        .0
}

fn roll(state: &ClusterState) -> Result<ClusterState, Exception> {
    roll_with(state, None, &json!({}))
}

fn roll_with(
    state: &ClusterState,
    name: Option<&str>,
    settings: &serde_json::Value,
) -> Result<ClusterState, Exception> {
    let new = NewIndexChange {
        name: String::new(),
        uuid: IndexUuid::generate(),
        settings: Settings::from_json(settings).unwrap(),
        mappings: None,
        mapping: Arc::default(),
        aliases: BTreeMap::new(),
        creation_date: UnixMillis::new(0),
    };
    rollover(state, "logs", name, &new, UnixMillis::new(0)).map(|(next, _)| next)
}

fn indices_of(state: &ClusterState, stream: &str) -> Vec<String> {
    state.data_streams[stream].indices().cloned().collect()
}

fn replicated(name: &str, generation: u64) -> ReplicatedStream {
    ReplicatedStream {
        name: name.into(),
        generation,
        hidden: true,
        allow_custom_routing: false,
        metadata: Some(json!({"of": "leader"})),
    }
}

#[test]
fn a_stream_is_made_of_its_template() {
    let state = with_stream();
    let stream = &state.data_streams["logs"];
    assert_eq!((stream.generation, stream.write_index.as_str()), (1, FIRST));
    assert!(stream.hidden && !stream.replicated);
    assert_eq!(stream.metadata, Some(json!({"by": "me"})));
    let index = state.index(FIRST).unwrap();
    assert!(index.is_hidden() && index.number_of_shards == 2 && index.mapping.is_timestamp_required());
    assert_eq!(state.data_stream_of(FIRST).map(|(name, _)| name), Some("logs"));
    assert_eq!(state.data_streams_by_index(), BTreeMap::from([(FIRST, "logs")]));
}

#[test]
fn names_are_those_of_one_thing_only() {
    let state = with_stream();
    let alias = |index: &str, alias: &str| {
        let add = AliasChange::Add {
            index: index.into(),
            alias: alias.into(),
            metadata: index_meta::AliasMetadata::default(),
        };
        update_aliases(&state, &[add], Origin::User, UnixMillis::new(0))
    };
    let aliased = alias("plain", "logs-alias").unwrap();
    let by_user = NewIndexChange {
        name: "logs-1".into(),
        uuid: IndexUuid::generate(),
        settings: Settings::default(),
        mappings: None,
        mapping: Arc::default(),
        aliases: BTreeMap::new(),
        creation_date: UnixMillis::new(0),
    };
    let refusals = [
        (
            create_data_stream(&state, "logs", &new()).map(|_| ()),
            "already exists",
        ),
        (
            create_data_stream(&aliased, "logs-alias", &new()).map(|_| ()),
            "an alias has this name",
        ),
        (
            create_data_stream(&state, "plain", &new()).map(|_| ()),
            "an index has this name",
        ),
        (
            create_data_stream(&state, ".ds-logs", &new()).map(|_| ()),
            "must not start with '.ds-'",
        ),
        (
            create_data_stream(&state, "other", &new()).map(|_| ()),
            "no matching index template",
        ),
        (
            create_index(&state, &change("logs")).map(|_| ()),
            "already exists as data stream",
        ),
        (
            create_index_by_templates(&state, &by_user).map(|_| ()),
            "creates data streams only",
        ),
        (
            alias("plain", "logs").map(|_| ()),
            "an index or data stream exists with the same name",
        ),
        (
            alias(FIRST, "x").map(|_| ()),
            "backing indices don't support aliases",
        ),
    ];
    for (refused, expected) in refusals {
        let refused = refused.expect_err(expected);
        assert_eq!(refused.status(), 400, "{refused}");
        assert!(refused.reason().contains(expected), "{refused}");
    }
}

#[test]
fn a_rollover_adds_a_backing_index_and_takes_no_words_for_it() {
    let state = roll(&with_stream()).unwrap();
    assert_eq!(indices_of(&state, "logs"), [FIRST, SECOND]);
    assert_eq!(state.data_streams["logs"].generation, 2);
    let named = roll_with(&state, Some("x"), &json!({})).unwrap_err();
    assert!(named.reason().contains("new index name may not be specified"));
    let settings = roll_with(&state, None, &json!({"index.priority": 1})).unwrap_err();
    assert!(
        settings
            .reason()
            .contains("may not be specified when rolling over")
    );
}

#[test]
fn the_write_index_stays_and_the_others_may_go() {
    let state = roll(&with_stream()).unwrap();
    let delete = |name: &str| delete_indices(&state, &[name.to_owned()], UnixMillis::new(0));
    let refused = delete(SECOND).unwrap_err();
    assert_eq!(
        refused.reason(),
        format!("index [{SECOND}] is the write index for data stream [logs] and cannot be deleted")
    );
    let by_alias = [AliasChange::RemoveIndex {
        index: SECOND.to_owned(),
    }];
    assert!(update_aliases(&state, &by_alias, Origin::User, UnixMillis::new(0)).is_err());
    assert_eq!(indices_of(&delete(FIRST).unwrap(), "logs"), [SECOND]);
    let close = |state: &ClusterState, name: &str| close_indices(state, &[name.to_owned()]);
    assert!(close(&state, FIRST).is_ok());
    let refused = close(&state, SECOND).unwrap_err();
    assert!(
        refused
            .reason()
            .contains(&format!("data stream write indices [{SECOND}]"))
    );
    let none = delete_data_streams(&state, &["logs".into()], UnixMillis::new(0)).unwrap();
    assert!(none.data_streams.is_empty() && none.index(FIRST).is_none() && none.index(SECOND).is_none());
    assert_eq!(none.index_graveyard.len(), 2);
}

#[test]
fn a_template_stays_while_a_stream_needs_it() {
    let state = with_stream();
    let refused = remove_index_templates(&state, &["t"]).unwrap_err();
    assert_eq!(
        refused.reason(),
        "unable to remove composable templates [t] as they are in use by a data streams [logs]"
    );
    let put = |json: serde_json::Value| {
        put_index_template(&state, "t", &IndexTemplate::from_json(&json).unwrap(), false)
    };
    let refused = put(json!({"index_patterns": ["other*"], "data_stream": {}})).unwrap_err();
    assert!(
        refused
            .reason()
            .contains("would cause data streams [logs] to no longer match")
    );
    assert!(put(json!({"index_patterns": ["logs*"]})).is_err());
    assert!(put(json!({"index_patterns": ["logs"], "data_stream": {}})).is_ok());
    let gone = delete_data_streams(&state, &["logs".into()], UnixMillis::new(0)).unwrap();
    assert!(remove_index_templates(&gone, &["t"]).is_ok());
}

#[test]
fn a_replicated_index_makes_a_stream_or_joins_one() {
    let state = state_with_follower(SECOND);
    let state = join_replicated_stream(&state, SECOND, &replicated("logs", 2)).unwrap();
    let stream = &state.data_streams["logs"];
    assert!(stream.replicated && stream.hidden && stream.generation == 2);
    assert_eq!(stream.metadata, Some(json!({"of": "leader"})));
    let state = create_index(&state, &change(FIRST)).unwrap();
    let state = join_replicated_stream(&state, FIRST, &replicated("logs", 3)).unwrap();
    assert_eq!(indices_of(&state, "logs"), [FIRST, SECOND]);
    assert_eq!(state.data_streams["logs"].generation, 3);
    // What belongs to one stream does not go to another.
    assert!(join_replicated_stream(&state, FIRST, &replicated("other", 1)).is_err());
    // Its write index may be closed, which is how it is restored anew.
    assert!(close_indices(&state, &[SECOND.to_owned()]).is_ok());

    let refused = roll(&with_template(&state)).unwrap_err();
    assert!(
        refused.reason().contains("it is a replicated data stream"),
        "{refused}"
    );
    let own = promote_data_stream(&with_template(&state), "logs").unwrap();
    let refused = join_replicated_stream(&own, SECOND, &replicated("logs", 4)).unwrap_err();
    assert!(refused.reason().contains("is not a replicated data stream"));
    let rolled = roll(&own).unwrap();
    assert_eq!(rolled.data_streams["logs"].generation, 4);
    assert_eq!(
        indices_of(&rolled, "logs"),
        [FIRST, SECOND, ".ds-logs-1970.01.01-000004"]
    );
    assert!(close_indices(&rolled, &[SECOND.to_owned()]).is_ok());
    let missing = promote_data_stream(&own, "none").unwrap_err();
    assert_eq!(missing.status(), 404);
    let taken = join_replicated_stream(&state_with(&["logs", FIRST]), FIRST, &replicated("logs", 1));
    assert!(taken.unwrap_err().reason().contains("an index has this name"));
}
