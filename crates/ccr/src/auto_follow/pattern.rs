//! An auto-follow pattern: which indices of a remote cluster are followed by themselves, and how.

use es_exception::Exception;
use follow_task::RawFollowParameters;
use index_meta::{BACKING_INDEX_PREFIX, BackingIndexName, Settings, matches_wildcard};
use transport::{ClusterAlias, IndexSummary};

/// What stands for the name of the leader index in the name of its follower. Source: Elasticsearch's placeholder.
const LEADER_INDEX: &str = "{{leader_index}}";

/// Which indices of a remote cluster are followed by themselves as they appear, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoFollowPattern {
    /// Whether indices are followed now: false while it is paused.
    pub active: bool,
    /// The cluster whose indices are followed.
    pub remote_cluster: ClusterAlias,
    /// Names of leader indices or of their data streams, in which `*` stands for any number of characters. Not empty.
    pub leader_index_patterns: Vec<String>,
    /// Names, in the same form, that are not followed although they match.
    pub leader_index_exclusion_patterns: Vec<String>,
    /// The name of the follower, in which `{{leader_index}}` stands for the name of the leader; without it, the name of the leader.
    pub follow_index_pattern: Option<String>,
    /// Settings laid over those of each leader; only ones that are not replicated.
    pub settings: Settings,
    /// Parameters of each follower as the user wrote them.
    pub parameters: RawFollowParameters,
    /// Whether indices are followed too that were there before the pattern. Elasticsearch follows only those that come later.
    pub follow_existing_indices: bool,
}

impl AutoFollowPattern {
    /// The pattern string that makes this pattern take an index, if one does. Source: an index matches by its own name or by that of its data stream,
    /// and each is tested with the exclusions by itself.
    #[must_use]
    pub fn matching(&self, index: &IndexSummary) -> Option<&str> {
        if index.system {
            return None;
        }
        let names = std::iter::once(&index.name).chain(&index.data_stream);
        names
            .filter(|name| self.excluding(name).is_none())
            .find_map(|name| self.including(name))
    }

    /// The first pattern string that `name` matches.
    #[must_use]
    pub fn including(&self, name: &str) -> Option<&str> {
        first_match(&self.leader_index_patterns, name)
    }

    /// The first exclusion that `name` matches.
    #[must_use]
    pub fn excluding(&self, name: &str) -> Option<&str> {
        first_match(&self.leader_index_exclusion_patterns, name)
    }

    /// The name of the follower of the leader index `leader`. In the name of a backing index of a data stream, the template is applied to the name of the
    /// stream alone.
    ///
    /// # Errors
    /// Illegal argument for a name that has `.ds-` in it and is none of a backing index.
    pub fn follower_name(&self, leader: &str) -> Result<String, Exception> {
        let Some(template) = &self.follow_index_pattern else {
            return Ok(leader.to_owned());
        };
        if !leader.contains(BACKING_INDEX_PREFIX) {
            return Ok(template.replace(LEADER_INDEX, leader));
        }
        let named = BackingIndexName::parse(leader).ok_or_else(|| {
            Exception::illegal_argument(format!(
                "the name [{leader}] contains [{BACKING_INDEX_PREFIX}] and is none of a backing index: \
                 [<prefix>.ds-<data stream>-<yyyy.MM.dd>-<generation>] is expected, so [{template}] cannot be applied to it"
            ))
        })?;
        Ok(named.with_stream(&template.replace(LEADER_INDEX, named.stream)))
    }

    /// The name of the data stream that the followers of the backing indices of the leader's `stream` are in.
    #[must_use]
    pub fn follower_data_stream(&self, stream: &str) -> String {
        match &self.follow_index_pattern {
            Some(template) => template.replace(LEADER_INDEX, stream),
            None => stream.to_owned(),
        }
    }
}

fn first_match<'a>(patterns: &'a [String], name: &str) -> Option<&'a str> {
    let matches = |pattern: &&String| matches_wildcard(pattern, name);
    patterns.iter().find(matches).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(including: &[&str], excluding: &[&str], template: Option<&str>) -> AutoFollowPattern {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        AutoFollowPattern {
            active: true,
            remote_cluster: "lisbon".parse().unwrap(),
            leader_index_patterns: owned(including),
            leader_index_exclusion_patterns: owned(excluding),
            follow_index_pattern: template.map(str::to_owned),
            settings: Settings::new(),
            parameters: RawFollowParameters::default(),
            follow_existing_indices: false,
        }
    }

    fn index(name: &str, data_stream: Option<&str>, system: bool) -> IndexSummary {
        IndexSummary {
            name: name.to_owned(),
            uuid: "u".parse().unwrap(),
            open: true,
            all_primaries_active: true,
            hidden: false,
            system,
            data_stream: data_stream.map(str::to_owned),
            leader_index_uuid: None,
        }
    }

    #[test]
    fn an_index_matches_by_its_own_name_or_by_that_of_its_data_stream() {
        let logs = pattern(&["logs-*", "audit"], &["logs-debug-*", ".ds-*-debug-*"], None);
        let cases = [
            (index("logs-a", None, false), Some("logs-*")),
            (index("audit", None, false), Some("audit")),
            (index("metrics-a", None, false), None),
            (index("logs-debug-a", None, false), None),
            (index("logs-a", None, true), None),
            (
                index(".ds-logs-a-2031.04.09-000001", Some("logs-a"), false),
                Some("logs-*"),
            ),
            // An exclusion of the backing index alone does not exclude what matches by its data stream.
            (index(".ds-logs-x-debug-1", Some("logs-x"), false), Some("logs-*")),
            (index(".ds-logs-debug-a-1", Some("logs-debug-a"), false), None),
        ];
        for (index, expected) in cases {
            assert_eq!(logs.matching(&index), expected, "{index:?}");
        }
        let dots = pattern(&[".*"], &[], None);
        assert!(dots.matching(&index(".hidden", None, false)).is_some());
        assert!(dots.matching(&index(".system", None, true)).is_none());
    }

    #[test]
    fn followers_are_named_by_the_template() {
        // (template, leader, follower)
        let cases = [
            (None, "logs-1", Some("logs-1")),
            (None, ".ds-no-backing-index", Some(".ds-no-backing-index")),
            (Some("{{leader_index}}-copy"), "logs-1", Some("logs-1-copy")),
            (Some("a_{{leader_index}}_{{leader_index}}"), "b", Some("a_b_b")),
            (Some("fixed"), "logs-1", Some("fixed")),
            (
                Some("{{leader_index}}_eu"),
                ".ds-clicks-2031.04.09-000002",
                Some(".ds-clicks_eu-2031.04.09-000002"),
            ),
            (
                Some("{{leader_index}}_eu"),
                ".ds-clicks-2031.04.09",
                Some(".ds-clicks_eu-2031.04.09"),
            ),
            (
                Some("eu-{{leader_index}}"),
                "shrink-xyz-.ds-a-b-2031.04.09-7",
                Some("shrink-xyz-.ds-eu-a-b-2031.04.09-7"),
            ),
            (Some("{{leader_index}}_eu"), ".ds-clicks-000002", None),
            (Some("{{leader_index}}_eu"), ".ds-clicks-2031.4.9-000002", None),
            (Some("{{leader_index}}_eu"), ".ds--2031.04.09-000002", None),
        ];
        for (template, leader, expected) in cases {
            let named = pattern(&["*"], &[], template).follower_name(leader);
            assert_eq!(named.as_deref().ok(), expected, "{leader}: {named:?}");
        }
    }
}
