//! What auto-following has done on this node since it started.

use std::collections::BTreeMap;
use std::time::Duration;

use es_exception::Exception;
use oplog::UnixMillis;
use parking_lot::Mutex;

/// Errors that are kept; the oldest goes first. Source: Elasticsearch keeps 256.
const MAX_RECENT_ERRORS: usize = 256;

/// What auto-following has done on this node since it started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AutoFollowStats {
    /// Attempts to follow an index that failed.
    pub failed_follow_indices: u64,
    /// Questions to remote clusters that failed, each counted for every pattern that wanted to know.
    pub failed_remote_cluster_state_requests: u64,
    /// Indices that began to be followed, or were found to be followed already.
    pub successful_follow_indices: u64,
    /// The last errors by `<pattern>:<leader index>`, or `<pattern>` when the remote cluster could not be asked. A success takes its error away.
    pub recent_errors: BTreeMap<String, AutoFollowError>,
    /// The remote clusters that are watched, by alias.
    pub clusters: BTreeMap<String, AutoFollowedCluster>,
}

/// A failure of auto-following.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoFollowError {
    /// When it happened.
    pub timestamp: UnixMillis,
    /// What happened.
    pub exception: Exception,
    /// Rises with every error of this node.
    order: u64,
}

/// A remote cluster for which there are active patterns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AutoFollowedCluster {
    /// Time since its last answer; `None` before the first.
    pub since_last_check: Option<Duration>,
    /// The version of its metadata that was last looked at; `None` before the first time.
    pub last_seen_metadata_version: Option<u64>,
}

/// The statistics as the workers write them. Times are on the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct AutoFollowRecorder {
    recorded: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    stats: AutoFollowStats,
    /// When each remote cluster that is watched answered last.
    answered_at: BTreeMap<String, Duration>,
    errors_so_far: u64,
}

impl AutoFollowRecorder {
    pub(crate) fn stats(&self, now: Duration) -> AutoFollowStats {
        let recorded = self.recorded.lock();
        let mut stats = recorded.stats.clone();
        for (alias, cluster) in &mut stats.clusters {
            let answered_at = recorded.answered_at.get(alias);
            cluster.since_last_check = answered_at.map(|at| now.saturating_sub(*at));
        }
        stats
    }

    /// The remote clusters that are watched from now on.
    pub(crate) fn watches(&self, aliases: impl Iterator<Item = String>) {
        let Recorded {
            stats, answered_at, ..
        } = &mut *self.recorded.lock();
        let mut former = std::mem::take(&mut stats.clusters);
        stats.clusters = aliases
            .map(|alias| {
                let cluster = former.remove(&alias).unwrap_or_default();
                (alias, cluster)
            })
            .collect();
        answered_at.retain(|alias, _| stats.clusters.contains_key(alias));
    }

    /// A remote cluster answered for these patterns.
    pub(crate) fn answered<'a>(&self, alias: &str, patterns: impl Iterator<Item = &'a str>, now: Duration) {
        let Recorded {
            stats, answered_at, ..
        } = &mut *self.recorded.lock();
        if stats.clusters.contains_key(alias) {
            answered_at.insert(alias.to_owned(), now);
        }
        for pattern in patterns {
            stats.recent_errors.remove(pattern);
        }
    }

    /// The metadata of this version was looked at.
    pub(crate) fn saw(&self, alias: &str, metadata_version: u64) {
        if let Some(cluster) = self.recorded.lock().stats.clusters.get_mut(alias) {
            cluster.last_seen_metadata_version = Some(metadata_version);
        }
    }

    /// A remote cluster could not be asked for these patterns.
    pub(crate) fn could_not_ask<'a>(
        &self,
        patterns: impl Iterator<Item = &'a str>,
        now: UnixMillis,
        exception: &Exception,
    ) {
        for pattern in patterns {
            self.recorded.lock().stats.failed_remote_cluster_state_requests += 1;
            self.record(pattern.to_owned(), now, exception.clone());
        }
    }

    pub(crate) fn could_not_follow(&self, pattern: &str, index: &str, now: UnixMillis, exception: Exception) {
        self.recorded.lock().stats.failed_follow_indices += 1;
        self.record(error_key(pattern, index), now, exception);
    }

    pub(crate) fn follows(&self, pattern: &str, index: &str) {
        let stats = &mut self.recorded.lock().stats;
        stats.successful_follow_indices += 1;
        stats.recent_errors.remove(&error_key(pattern, index));
    }

    /// Forgets the errors of patterns that are not `kept`.
    pub(crate) fn retain(&self, kept: impl Fn(&str) -> bool) {
        let errors = &mut self.recorded.lock().stats.recent_errors;
        // Names of indices have no colon; those of patterns may.
        errors.retain(|key, _| kept(key) || key.rsplit_once(':').is_some_and(|(pattern, _)| kept(pattern)));
    }

    fn record(&self, key: String, timestamp: UnixMillis, exception: Exception) {
        let Recorded {
            stats, errors_so_far, ..
        } = &mut *self.recorded.lock();
        *errors_so_far += 1;
        let error = AutoFollowError {
            timestamp,
            exception,
            order: *errors_so_far,
        };
        let errors = &mut stats.recent_errors;
        errors.insert(key, error);
        if errors.len() > MAX_RECENT_ERRORS {
            let oldest = errors.iter().min_by_key(|(_, error)| error.order);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                errors.remove(&oldest);
            }
        }
    }
}

fn error_key(pattern: &str, index: &str) -> String {
    format!("{pattern}:{index}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_exception::ExceptionKind;

    fn failure() -> Exception {
        Exception::new(ExceptionKind::Exception, "no")
    }

    #[test]
    fn errors_stay_until_a_success_the_end_of_their_pattern_or_too_many_newer_ones() {
        let recorder = AutoFollowRecorder::default();
        let keys = || {
            recorder
                .stats(Duration::ZERO)
                .recent_errors
                .into_keys()
                .collect::<Vec<_>>()
        };
        let now = UnixMillis::new(7);
        recorder.could_not_ask(["a", "b:c"].into_iter(), now, &failure());
        for index in ["x", "y"] {
            recorder.could_not_follow("a", index, now, failure());
        }
        recorder.could_not_follow("b:c", "x", now, failure());
        assert_eq!(keys(), ["a", "a:x", "a:y", "b:c", "b:c:x"]);
        recorder.answered("lisbon", ["a"].into_iter(), Duration::ZERO);
        recorder.follows("a", "x");
        assert_eq!(keys(), ["a:y", "b:c", "b:c:x"]);
        recorder.retain(|pattern| pattern == "b:c");
        assert_eq!(keys(), ["b:c", "b:c:x"]);
        let stats = recorder.stats(Duration::ZERO);
        assert_eq!(
            (
                stats.failed_follow_indices,
                stats.failed_remote_cluster_state_requests,
                stats.successful_follow_indices
            ),
            (3, 2, 1)
        );
        for number in 0..MAX_RECENT_ERRORS {
            recorder.could_not_follow("many", &number.to_string(), now, failure());
        }
        assert_eq!(keys().len(), MAX_RECENT_ERRORS);
        assert!(
            keys().iter().all(|key| key.starts_with("many:")),
            "the oldest went"
        );
    }

    #[test]
    fn clusters_keep_what_is_known_of_them_while_they_are_watched() {
        let recorder = AutoFollowRecorder::default();
        recorder.watches(["lisbon".to_owned(), "oslo".to_owned()].into_iter());
        for alias in ["lisbon", "rome"] {
            recorder.answered(alias, std::iter::empty(), Duration::from_secs(3));
        }
        recorder.saw("lisbon", 9);
        recorder.saw("rome", 9);
        recorder.watches(["lisbon".to_owned()].into_iter());
        let seen = AutoFollowedCluster {
            since_last_check: Some(Duration::from_secs(4)),
            last_seen_metadata_version: Some(9),
        };
        assert_eq!(
            recorder.stats(Duration::from_secs(7)).clusters,
            BTreeMap::from([("lisbon".to_owned(), seen)])
        );
    }
}
