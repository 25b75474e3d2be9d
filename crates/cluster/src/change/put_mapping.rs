//! Adds fields to the mapping of indices.

use std::sync::Arc;

use es_exception::Exception;
use index_meta::{IndexSettings, IndexSort, Mapping, MappingError, MappingLimits, Settings};
use serde_json::Value;

use crate::block::{BlockLevel, check_block};
use crate::origin::{Origin, check_not_replicated};
use crate::state::ClusterState;

/// Merges `update` into the mapping of each of `names`. An index whose mapping has all of it already is not changed.
///
/// # Errors
/// `index_not_found_exception`; 403 for a follower unless `origin` is replication; `cluster_block_exception`; what the merge refuses.
pub fn put_mapping(
    state: &ClusterState,
    names: &[String],
    update: &Value,
    origin: Origin,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    for name in names {
        let index = state.require_index(name)?;
        check_not_replicated(index, origin, "change the mapping")?;
        if origin == Origin::User {
            check_block(index, BlockLevel::MetadataWrite)?;
        }
        let settings = IndexSettings::from_settings(&index.settings).map_err(|error| error.to_exception())?;
        if origin == Origin::User {
            // What is mapped already loads whatever it names, and must not stand in the way of other fields.
            Mapping::from_json(update)
                .and_then(|update| update.check_analysis(settings.analysis()))
                .map_err(|error| error.to_exception().with_index(name))?;
        }
        // The leader has checked a replicated mapping against the leader's limits, which are replicated too; a limit that arrives later
        // must not stop the follower.
        let merged = match origin {
            Origin::User => index.mapping.merge_within(update, settings.mapping_limits()),
            Origin::Ccr => index.mapping.merge_within(update, &MappingLimits::unlimited()),
        };
        let merged = merged
            .and_then(|merged| match origin {
                Origin::User => check_sort(&index.settings, &merged).map(|()| merged),
                Origin::Ccr => Ok(merged),
            })
            .map_err(|error| error.to_exception().with_index(name))?;
        next = next.modify_index(name, |index| {
            index.mapping = Arc::new(merged);
            Ok(())
        })?;
    }
    Ok(next)
}

/// Whether an index with these settings may have the mapping. Settings that cannot be read are no reason against it.
fn check_sort(settings: &Settings, mapping: &Mapping) -> Result<(), MappingError> {
    IndexSort::from_settings(settings).map_or(Ok(()), |sort| sort.check_mapping(mapping))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::change::testing::{state_with, state_with_follower};

    #[test]
    fn the_mapping_version_counts_real_changes_only() {
        let state = state_with(&["a"]);
        let update = json!({"properties": {"age": {"type": "long"}}});
        let names = ["a".to_owned()];
        let first = put_mapping(&state, &names, &update, Origin::User).unwrap();
        let index = first.index("a").unwrap();
        assert_eq!(
            (index.mapping_version, index.version, index.settings_version),
            (2, 2, 1)
        );
        let again = put_mapping(&first, &names, &update, Origin::User).unwrap();
        assert!(Arc::ptr_eq(again.index("a").unwrap(), index));
        let conflict = json!({"properties": {"age": {"type": "keyword"}}});
        assert_eq!(
            put_mapping(&first, &names, &conflict, Origin::User)
                .unwrap_err()
                .status(),
            400
        );
    }

    #[test]
    fn only_users_are_held_to_the_analyzers_that_there_are() {
        let state = state_with(&["a"]);
        let names = ["a".to_owned()];
        let unknown = json!({"properties": {"t": {"type": "text", "analyzer": "x"}}});
        let refused = put_mapping(&state, &names, &unknown, Origin::User).unwrap_err();
        assert!(
            refused
                .reason()
                .contains("analyzer [x] has not been configured in mappings"),
            "{refused}"
        );
        let mapped = put_mapping(&state, &names, &unknown, Origin::Ccr).unwrap();
        let other = json!({"properties": {"u": {"type": "text", "analyzer": "english"}}});
        put_mapping(&mapped, &names, &other, Origin::User).unwrap();
    }

    #[test]
    fn only_replication_maps_a_follower() {
        let state = state_with_follower("f");
        let update = json!({"properties": {"age": {"type": "long"}}});
        assert_eq!(
            put_mapping(&state, &["f".into()], &update, Origin::User)
                .unwrap_err()
                .status(),
            403
        );
        let mapped = put_mapping(&state, &["f".into()], &update, Origin::Ccr).unwrap();
        assert_eq!(mapped.index("f").unwrap().mapping_version, 2);
    }

    #[test]
    fn the_limits_of_a_leader_are_its_own_business() {
        let fields = (0..1001).map(|number| (format!("field-{number}"), json!({"type": "long"})));
        let update = json!({"properties": fields.collect::<serde_json::Map<_, _>>()});
        let by_hand = put_mapping(&state_with(&["a"]), &["a".into()], &update, Origin::User);
        assert_eq!(by_hand.unwrap_err().status(), 400);
        let state = state_with_follower("f");
        let mapped = put_mapping(&state, &["f".into()], &update, Origin::Ccr).unwrap();
        assert_eq!(mapped.index("f").unwrap().mapping_version, 2);
    }
}
