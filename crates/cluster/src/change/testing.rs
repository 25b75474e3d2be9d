//! What the tests of the changes share.

use std::collections::BTreeMap;
use std::sync::Arc;

use index_meta::{Mapping, Settings};
use oplog::{IndexUuid, UnixMillis};

use super::{CreateIndexChange, create_index};
use crate::index_metadata::FOLLOWING_INDEX_SETTING;
use crate::state::ClusterState;

pub(crate) fn change(name: &str) -> CreateIndexChange {
    CreateIndexChange {
        name: name.into(),
        uuid: IndexUuid::generate(),
        settings: Settings::default(),
        mapping: Arc::new(Mapping::empty()),
        aliases: BTreeMap::new(),
        creation_date: UnixMillis::new(1_700_000_000_000),
        number_of_routing_shards: None,
        custom: BTreeMap::new(),
        recovering: false,
    }
}

pub(crate) fn state_with(names: &[&str]) -> ClusterState {
    names
        .iter()
        .fold(ClusterState::new("test", "uuid"), |state, name| {
            create_index(&state, &change(name)).unwrap()
        })
}

/// A state with the follower index `name`.
pub(crate) fn state_with_follower(name: &str) -> ClusterState {
    let mut request = change(name);
    request.settings.insert(FOLLOWING_INDEX_SETTING, "true");
    request.custom.insert(
        "ccr".into(),
        BTreeMap::from([("leader_index_name".into(), "leader".into())]),
    );
    create_index(&ClusterState::new("test", "uuid"), &request).unwrap()
}
