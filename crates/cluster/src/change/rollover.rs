//! Moves the writes of an alias or a data stream to a new index.

use es_exception::{Exception, ExceptionKind};
use index_meta::{AliasMetadata, NewIndex};
use oplog::UnixMillis;

use super::aliases::{AliasChange, update_aliases};
use super::create_index::check_name;
use super::data_streams::{NewBackingIndex, roll_over_stream};
use super::new_index::{NewIndexChange, create_index_by_templates};
use crate::block::{BlockLevel, check_block};
use crate::index_metadata::IndexMetadata;
use crate::origin::{Origin, check_not_replicated};
use crate::state::ClusterState;

/// Digits of the counter at the end of a name. Source: Elasticsearch pads it to six.
const COUNTER_DIGITS: usize = 6;

/// The indices of a rollover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloverNames {
    /// The index that takes the writes so far.
    pub old_index: String,
    /// The index that will.
    pub new_index: String,
}

/// Which index `alias` would be rolled over to: `new_index`, or the one whose name counts on. Checks everything but the body of the request.
///
/// # Errors
/// `illegal_argument_exception` for what is no alias with a write index, for a name that does not end in a number, or when a template gives the
/// alias to the new index too; 403 when the write index is a follower; `cluster_block_exception`; what is wrong with the new name.
fn rollover_names(
    state: &ClusterState,
    alias: &str,
    new_index: Option<&str>,
) -> Result<RolloverNames, Exception> {
    let old = write_index(state, alias)?;
    let new_index = match new_index {
        Some(name) => name.to_owned(),
        None => next_name(&old.name)?,
    };
    check_name(state, &new_index)?;
    Ok(RolloverNames {
        old_index: old.name.clone(),
        new_index,
    })
}

/// Creates the index, for which templates apply, and gives it the writes of an alias or a data stream. `new` says what the index is, whatever name it
/// has; the template alone says what a backing index is.
///
/// An alias with a write index keeps the old index too, which takes no more writes; any other alias leaves it.
///
/// # Errors
/// As [`create_index_by_templates`]; `illegal_argument_exception` for what is no alias with a write index, for a name that does not end in a number, when a
/// template gives the alias to the new index too, and for a data stream that is replicated, has no template, or is given a name or anything else for the new
/// index; 403 when the write index of an alias is a follower; `cluster_block_exception`; what is wrong with the new name.
pub fn rollover(
    state: &ClusterState,
    alias: &str,
    new_index: Option<&str>,
    new: &NewIndexChange,
    now: UnixMillis,
) -> Result<(ClusterState, RolloverNames), Exception> {
    if state.data_streams.contains_key(alias) {
        return rollover_stream(state, alias, new_index, new);
    }
    let names = rollover_names(state, alias, new_index)?;
    let old = state.require_index(&names.old_index)?;
    let held = old.aliases.get(alias).cloned().unwrap_or_default();
    let change = NewIndexChange {
        name: names.new_index.clone(),
        ..new.clone()
    };
    check_alias_of_templates(state, alias, &change)?;
    let next = create_index_by_templates(state, &change)?;
    let is_explicit = held.is_write_index == Some(true);
    let to_new = AliasChange::Add {
        index: names.new_index.clone(),
        alias: alias.to_owned(),
        metadata: AliasMetadata {
            is_write_index: is_explicit.then_some(true),
            is_hidden: held.is_hidden,
            ..AliasMetadata::default()
        },
    };
    let of_old = if is_explicit {
        AliasChange::Add {
            index: names.old_index.clone(),
            alias: alias.to_owned(),
            metadata: AliasMetadata {
                is_write_index: Some(false),
                ..held
            },
        }
    } else {
        AliasChange::Remove {
            index: names.old_index.clone(),
            alias: alias.to_owned(),
            must_exist: true,
        }
    };
    let next = update_aliases(&next, &[to_new, of_old], Origin::User, now)?;
    Ok((next, names))
}

/// Source: what Elasticsearch refuses of the rollover of a data stream.
fn rollover_stream(
    state: &ClusterState,
    stream: &str,
    new_index: Option<&str>,
    new: &NewIndexChange,
) -> Result<(ClusterState, RolloverNames), Exception> {
    if new_index.is_some() {
        return Err(Exception::illegal_argument(
            "new index name may not be specified when rolling over a data stream",
        ));
    }
    if !new.settings.is_empty() || new.mappings.is_some() || !new.aliases.is_empty() {
        return Err(Exception::illegal_argument(
            "aliases, mappings, and index settings may not be specified when rolling over a data stream",
        ));
    }
    let backing = NewBackingIndex {
        uuid: new.uuid.clone(),
        created_at: new.creation_date,
    };
    let (next, new_index, old_index) = roll_over_stream(state, stream, &backing)?;
    Ok((next, RolloverNames { old_index, new_index }))
}

fn write_index<'a>(state: &'a ClusterState, alias: &'a str) -> Result<&'a IndexMetadata, Exception> {
    if state.index(alias).is_some() {
        return Err(Exception::illegal_argument(
            "rollover target is a [concrete index] but one of [alias,data_stream] was expected",
        ));
    }
    let members: Vec<_> = state.indices_with_alias(alias).collect();
    if members.is_empty() {
        return Err(Exception::illegal_argument(format!(
            "rollover target [{alias}] does not exist"
        )));
    }
    let flag = |index: &IndexMetadata| index.aliases.get(alias).and_then(|held| held.is_write_index);
    let explicit = members.iter().find(|index| flag(index) == Some(true));
    let only = match members.as_slice() {
        [only] if flag(only).is_none() => Some(only),
        _ => None,
    };
    let Some(index) = explicit.or(only) else {
        // The aliases of a follower never have a write index: that one is at its leader.
        if let Some(follower) = members.iter().find(|index| index.is_follower()) {
            let reason = format!(
                "rollover target [{alias}] does not point to a write index: [{}] is a follower index, replicated from its leader index; \
                 roll the alias over there",
                follower.name
            );
            return Err(Exception::new(ExceptionKind::Status, reason)
                .with_status(403)
                .with_index(&follower.name));
        }
        return Err(Exception::illegal_argument(format!(
            "rollover target [{alias}] does not point to a write index"
        )));
    };
    check_not_replicated(index, Origin::User, "roll over an alias")?;
    check_block(index, BlockLevel::MetadataWrite)?;
    Ok(index)
}

/// Source: the name up to its last dash, and the number after that plus one.
fn next_name(name: &str) -> Result<String, Exception> {
    let counted = name
        .rsplit_once('-')
        .filter(|(_, digits)| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let Some((stem, digits)) = counted else {
        return Err(Exception::illegal_argument(format!(
            "index name [{name}] does not match pattern '^.*-\\d+$'"
        )));
    };
    let next = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_add(1));
    let next = next.ok_or_else(|| {
        Exception::illegal_argument(format!(
            "the number at the end of index name [{name}] is too large to count on; give the new name"
        ))
    })?;
    Ok(format!("{stem}-{next:0COUNTER_DIGITS$}"))
}

/// A template that gives the alias to the new index would give it a second index to write to.
fn check_alias_of_templates(
    state: &ClusterState,
    alias: &str,
    change: &NewIndexChange,
) -> Result<(), Exception> {
    let without_aliases = NewIndex {
        name: &change.name,
        settings: &change.settings,
        mappings: None,
        aliases: &std::collections::BTreeMap::new(),
    };
    let composed = state
        .templates
        .compose_for(&without_aliases)
        .map_err(|error| error.to_exception())?;
    match composed {
        Some((template, composition)) if composition.aliases.contains_key(alias) => {
            Err(Exception::illegal_argument(format!(
                "Rollover alias [{alias}] can point to multiple indices, found duplicated alias [[{alias}]] in index template [{template}]"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use index_meta::{IndexTemplate, Mapping, Settings};
    use oplog::IndexUuid;
    use serde_json::json;

    use super::*;
    use crate::change::put_index_template;
    use crate::change::testing::{state_with, state_with_follower};

    const NOW: UnixMillis = UnixMillis::new(9);

    fn new_index() -> NewIndexChange {
        NewIndexChange {
            name: String::new(),
            uuid: IndexUuid::generate(),
            settings: Settings::default(),
            mappings: None,
            mapping: Arc::new(Mapping::empty()),
            aliases: BTreeMap::new(),
            creation_date: NOW,
        }
    }

    fn add(index: &str, alias: &str, is_write_index: Option<bool>) -> AliasChange {
        let metadata = AliasMetadata {
            is_write_index,
            index_routing: Some("r".into()),
            ..AliasMetadata::default()
        };
        AliasChange::Add {
            index: index.into(),
            alias: alias.into(),
            metadata,
        }
    }

    fn with_aliases(state: &ClusterState, changes: &[AliasChange]) -> ClusterState {
        update_aliases(state, changes, Origin::Ccr, NOW).unwrap()
    }

    fn writes_of(state: &ClusterState, alias: &str) -> Vec<(String, Option<bool>)> {
        state
            .indices_with_alias(alias)
            .map(|index| (index.name.clone(), index.aliases[alias].is_write_index))
            .collect()
    }

    #[test]
    fn names_count_on() {
        for (name, expected) in [
            ("logs-000001", Some("logs-000002")),
            ("logs-1", Some("logs-000002")),
            ("logs-2026-09", Some("logs-2026-000010")),
            ("logs-999999", Some("logs-1000000")),
            ("logs-", None),
            ("logs-1a", None),
            ("logs1", None),
            ("logs-99999999999999999999", None),
        ] {
            assert_eq!(next_name(name).ok().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_write_index_hands_over_and_keeps_the_alias() {
        let state = with_aliases(
            &state_with(&["logs-000001", "old"]),
            &[add("logs-000001", "logs", Some(true)), add("old", "logs", None)],
        );
        let (next, names) = rollover(&state, "logs", None, &new_index(), NOW).unwrap();
        assert_eq!(
            (names.old_index.as_str(), names.new_index.as_str()),
            ("logs-000001", "logs-000002")
        );
        assert_eq!(
            writes_of(&next, "logs"),
            [
                ("logs-000001".into(), Some(false)),
                ("logs-000002".into(), Some(true)),
                ("old".into(), None)
            ]
        );
        let kept = &next.index("logs-000001").unwrap().aliases["logs"];
        assert_eq!(kept.index_routing.as_deref(), Some("r"));
    }

    #[test]
    fn a_single_index_hands_over_and_leaves_the_alias() {
        let state = with_aliases(&state_with(&["logs-1"]), &[add("logs-1", "logs", None)]);
        let (next, _) = rollover(&state, "logs", Some("fresh"), &new_index(), NOW).unwrap();
        assert_eq!(writes_of(&next, "logs"), [("fresh".into(), None)]);
    }

    #[test]
    fn what_cannot_be_rolled_over_is_refused() {
        let state = with_aliases(
            &state_with(&["logs-000001", "logs-000002", "plain"]),
            &[
                add("logs-000001", "taken", Some(true)),
                add("logs-000001", "two", None),
                add("logs-000002", "two", None),
                add("plain", "closed", Some(false)),
                add("plain", "one", None),
            ],
        );
        for (alias, new_index, expected) in [
            ("none", None, "rollover target [none] does not exist"),
            ("plain", None, "rollover target is a [concrete index]"),
            (
                "two",
                None,
                "rollover target [two] does not point to a write index",
            ),
            ("closed", None, "does not point to a write index"),
            (
                "one",
                None,
                "index name [plain] does not match pattern '^.*-\\d+$'",
            ),
            ("taken", None, "already exists"),
            ("one", Some("Bad"), "must be lowercase"),
        ] {
            let refused = rollover_names(&state, alias, new_index).unwrap_err();
            assert_eq!(refused.status(), 400, "{alias}");
            assert!(refused.reason().contains(expected), "{alias}: {refused}");
        }
    }

    #[test]
    fn an_alias_of_a_follower_is_not_rolled_over() {
        for flag in [Some(true), Some(false), None] {
            let state = with_aliases(&state_with_follower("logs-1"), &[add("logs-1", "logs", flag)]);
            let refused = rollover_names(&state, "logs", None).unwrap_err();
            assert_eq!(refused.status(), 403, "{flag:?}: {refused}");
        }
    }

    #[test]
    fn templates_apply_but_must_not_give_the_alias_again() {
        let state = with_aliases(&state_with(&["logs-1"]), &[add("logs-1", "logs", Some(true))]);
        let template = |aliases: serde_json::Value| {
            IndexTemplate::from_json(&json!({
                "index_patterns": ["logs-*"],
                "template": {"settings": {"number_of_shards": 3}, "aliases": aliases}
            }))
            .unwrap()
        };
        let good = put_index_template(&state, "t", &template(json!({"other": {}})), false).unwrap();
        let (next, _) = rollover(&good, "logs", None, &new_index(), NOW).unwrap();
        let index = next.index("logs-000002").unwrap();
        assert_eq!((index.number_of_shards, index.aliases.len()), (3, 2));
        let bad = put_index_template(&state, "t", &template(json!({"logs": {}})), false).unwrap();
        let refused = rollover(&bad, "logs", None, &new_index(), NOW).unwrap_err();
        assert!(
            refused
                .reason()
                .contains("found duplicated alias [[logs]] in index template [t]"),
            "{refused}"
        );
    }
}
