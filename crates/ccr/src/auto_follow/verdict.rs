//! What a pattern does with an index of the remote cluster. Pure: the worker acts by it, and the preview shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cluster::{ClusterState, IndexState};
use es_exception::Exception;
use oplog::IndexUuid;
use transport::IndexSummary;

use super::metadata::StoredPattern;
use super::pattern::AutoFollowPattern;
use crate::actions::follow::name_is_taken;
use crate::follower::origin::FollowerOrigin;

/// What is to be done with an index that a pattern matches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is to be followed by an index of this name.
    Follow(String),
    /// The index of this name follows it: that is to be noted.
    IsFollowed(String),
    /// There is nothing to do.
    Skip(SkipReason),
    /// It should be followed and cannot be.
    Fail(Exception),
}

/// Why an index that a pattern matches is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// The pattern has dealt with it, or it was there before the pattern.
    Noted,
    /// It was there before the pattern, which is not to follow such.
    Existing,
    /// It matches this exclusion.
    Excluded(String),
    /// It belongs to the system of the remote cluster.
    System,
    /// It is closed.
    Closed,
    /// Not all of its primaries are active; they will be.
    PrimariesNotActive,
    /// It follows this index of the cluster that would follow it: its operations come from here, and would come again without end where each of two
    /// clusters follows what the other has.
    FollowsThisCluster(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noted => formatter.write_str("it is followed already, was followed before, existed before the pattern, or was a follower of an index of this cluster"),
            Self::Existing => formatter
                .write_str("it exists already, and the pattern follows only indices that are created later; set [follow_existing_indices] to follow it"),
            Self::Excluded(pattern) => write!(formatter, "it is excluded by [{pattern}]"),
            Self::System => formatter.write_str("it is a system index"),
            Self::Closed => formatter.write_str("it is closed"),
            Self::PrimariesNotActive => formatter.write_str("not all of its primary shards are active yet"),
            Self::FollowsThisCluster(leader) => {
                write!(formatter, "it is itself a follower, of [{leader}] of this cluster")
            }
        }
    }
}

/// The indices of this cluster, and who follows whom.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    leader_of: BTreeMap<String, IndexUuid>,
    /// Names of open indices, which cannot be followed into.
    open: BTreeSet<String>,
    name_of: BTreeMap<IndexUuid, String>,
}

impl Followers {
    /// The followers in `state`.
    pub(crate) fn of(state: &ClusterState) -> Self {
        let mut followers = Self::default();
        for (name, index) in &state.indices {
            // An origin that does not read belongs to no leader that could be asked for.
            if let Ok(Some(origin)) = FollowerOrigin::read(index) {
                followers.leader_of.insert(name.clone(), origin.leader_index_uuid);
            }
            followers.name_of.insert(index.uuid.clone(), name.clone());
            if index.state == IndexState::Open {
                followers.open.insert(name.clone());
            }
        }
        followers
    }

    /// Whether `index` follows `leader`.
    fn follows(&self, index: &str, leader: &IndexUuid) -> bool {
        self.leader_of.get(index) == Some(leader)
    }

    /// Whether any index follows `leader`.
    pub(crate) fn is_followed(&self, leader: &IndexUuid) -> bool {
        self.leader_of.values().any(|followed| followed == leader)
    }
}

/// What the pattern `name`, which is one of `all`, does with `index`; `None` when it does not match. Source: Elasticsearch's order of tests.
pub(crate) fn judge(
    (name, stored): (&str, &StoredPattern),
    all: &BTreeMap<String, StoredPattern>,
    index: &IndexSummary,
    followers: &Followers,
) -> Option<Verdict> {
    let pattern = &stored.pattern;
    if pattern.matching(index).is_none() {
        return not_matching(pattern, index).map(Verdict::Skip);
    }
    let leader = index.leader_index_uuid.as_ref();
    if let Some(leader) = leader.and_then(|leader| followers.name_of.get(leader)) {
        return Some(Verdict::Skip(SkipReason::FollowsThisCluster(leader.clone())));
    }
    if stored.followed.contains(&index.uuid) {
        return Some(Verdict::Skip(SkipReason::Noted));
    }
    if !index.open {
        return Some(Verdict::Skip(SkipReason::Closed));
    }
    if !index.all_primaries_active {
        return Some(Verdict::Skip(SkipReason::PrimariesNotActive));
    }
    let others: Vec<&str> = all
        .iter()
        .filter(|(other, _)| *other != name)
        .filter(|(_, other)| other.pattern.remote_cluster == pattern.remote_cluster)
        .filter(|(_, other)| other.pattern.matching(index).is_some())
        .map(|(other, _)| other.as_str())
        .collect();
    if !others.is_empty() {
        return Some(Verdict::Fail(Exception::illegal_argument(format!(
            "index to follow [{}] for pattern [{name}] matches with other patterns [{}]: change them so that one alone matches",
            index.name,
            others.join(", ")
        ))));
    }
    Some(match pattern.follower_name(&index.name) {
        Err(exception) => Verdict::Fail(exception),
        Ok(follower) if followers.follows(&follower, &index.uuid) => Verdict::IsFollowed(follower),
        Ok(follower) if followers.open.contains(&follower) => Verdict::Fail(name_is_taken(&follower)),
        Ok(follower) => Verdict::Follow(follower),
    })
}

/// Why an index that one of the pattern strings names is passed over all the same.
fn not_matching(pattern: &AutoFollowPattern, index: &IndexSummary) -> Option<SkipReason> {
    let mut names = std::iter::once(&index.name).chain(&index.data_stream);
    let included = names.find(|name| pattern.including(name).is_some())?;
    if index.system {
        return Some(SkipReason::System);
    }
    let excluding = pattern.excluding(included)?;
    Some(SkipReason::Excluded(excluding.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_exception::ExceptionKind;

    fn stored(remote: &str, including: &str, excluding: &[&str]) -> StoredPattern {
        StoredPattern {
            pattern: AutoFollowPattern {
                active: true,
                remote_cluster: remote.parse().unwrap(),
                leader_index_patterns: vec![including.to_owned()],
                leader_index_exclusion_patterns: excluding.iter().map(|name| (*name).to_owned()).collect(),
                follow_index_pattern: Some("{{leader_index}}-copy".to_owned()),
                settings: index_meta::Settings::new(),
                parameters: follow_task::RawFollowParameters::default(),
                follow_existing_indices: false,
            },
            followed: BTreeSet::new(),
        }
    }

    fn index(name: &str) -> IndexSummary {
        IndexSummary {
            name: name.to_owned(),
            uuid: name.replace('.', "_").parse().unwrap(),
            open: true,
            all_primaries_active: true,
            hidden: false,
            system: false,
            data_stream: None,
            leader_index_uuid: None,
        }
    }

    #[test]
    fn each_index_gets_its_verdict() {
        let mut logs = stored("lisbon", "logs-*", &["logs-debug*"]);
        logs.followed.insert(index("logs-old").uuid);
        let others = [
            ("oslo-logs", stored("oslo", "logs-*", &[])),
            ("apps", stored("lisbon", "*-app", &[])),
        ];
        let mut all: BTreeMap<String, StoredPattern> = others
            .into_iter()
            .map(|(name, pattern)| (name.to_owned(), pattern))
            .collect();
        all.insert("logs".to_owned(), logs.clone());
        let mut followers = Followers::default();
        for (follower, leader) in [("logs-a-copy", "logs-a"), ("logs-b-copy", "another")] {
            followers
                .leader_of
                .insert(follower.to_owned(), index(leader).uuid);
            followers.open.insert(follower.to_owned());
        }
        followers.name_of.insert(index("own").uuid, "own-logs".to_owned());
        let skipped = |reason| Some(Verdict::Skip(reason));
        let changed = |name: &str, change: fn(&mut IndexSummary)| {
            let mut index = index(name);
            change(&mut index);
            index
        };
        let cases = [
            (index("metrics"), None),
            (index("logs-1"), Some(Verdict::Follow("logs-1-copy".to_owned()))),
            (
                index("logs-a"),
                Some(Verdict::IsFollowed("logs-a-copy".to_owned())),
            ),
            (index("logs-old"), skipped(SkipReason::Noted)),
            (
                index("logs-debug-1"),
                skipped(SkipReason::Excluded("logs-debug*".to_owned())),
            ),
            (
                changed("logs-1", |index| index.open = false),
                skipped(SkipReason::Closed),
            ),
            (
                changed("logs-1", |index| index.all_primaries_active = false),
                skipped(SkipReason::PrimariesNotActive),
            ),
            (
                changed("logs-1", |index| index.system = true),
                skipped(SkipReason::System),
            ),
            (
                changed("logs-1", |copy| copy.leader_index_uuid = Some(index("own").uuid)),
                skipped(SkipReason::FollowsThisCluster("own-logs".to_owned())),
            ),
            (
                changed("logs-1", |copy| {
                    copy.leader_index_uuid = Some(index("foreign").uuid)
                }),
                Some(Verdict::Follow("logs-1-copy".to_owned())),
            ),
        ];
        for (index, expected) in cases {
            assert_eq!(
                judge(("logs", &logs), &all, &index, &followers),
                expected,
                "{index:?}"
            );
        }
        // A pattern for another remote cluster is no competitor, one for the same is, even if it is paused.
        all.get_mut("apps").unwrap().pattern.active = false;
        for (name, kind, text) in [
            ("logs-app", ExceptionKind::IllegalArgument, "[apps]"),
            ("logs-b", ExceptionKind::SnapshotRestore, "[logs-b-copy]"),
            ("logs-.ds-x", ExceptionKind::IllegalArgument, "backing index"),
        ] {
            let verdict = judge(("logs", &logs), &all, &index(name), &followers);
            let Some(Verdict::Fail(exception)) = verdict else {
                panic!("{name}: {verdict:?}");
            };
            assert_eq!(exception.kind(), kind);
            assert!(exception.reason().contains(text), "{exception}");
        }
    }
}
