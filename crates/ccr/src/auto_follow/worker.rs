//! Watches one remote cluster and follows the indices that patterns match.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cluster::ClusterState;
use es_exception::{Exception, ExceptionKind};
use oplog::{Clock, IndexUuid};
use tokio::sync::watch;
use transport::{ClusterAlias, ClusterMetadata, ClusterMetadataRequest, IndexSummary};

use super::metadata::{StoredPattern, pattern, patterns, with_followed};
use super::pattern::AutoFollowPattern;
use super::retries::{Candidate, Retries};
use super::stats::AutoFollowRecorder;
use super::verdict::{Followers, SkipReason, Verdict, judge};
use crate::actions::follow::{FollowRequest, follow};
use crate::service::CcrService;

/// Pauses after a remote cluster could not be asked: the first, and the longest after doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Pause while the remote cluster is not configured. Once its settings are there, it takes a moment until it can be asked.
const WITHOUT_REMOTE: Duration = Duration::from_secs(1);

/// The worker of one remote cluster.
pub(super) struct Worker {
    service: Arc<CcrService>,
    clock: Arc<dyn Clock>,
    recorder: Arc<AutoFollowRecorder>,
    alias: ClusterAlias,
    states: watch::Receiver<Arc<ClusterState>>,
    retries: Retries,
    /// The metadata that was looked at last, and for which patterns.
    seen: Option<(u64, BTreeMap<String, AutoFollowPattern>)>,
    /// Times in a row that the remote cluster could not be asked.
    failures: u32,
}

/// What a worker does next.
enum Next {
    /// Ask again.
    Ask,
    /// Wait for the cluster's patterns or settings to change, at most for so long.
    Wait(Duration),
}

impl Worker {
    pub(super) fn new(
        service: Arc<CcrService>,
        clock: Arc<dyn Clock>,
        recorder: Arc<AutoFollowRecorder>,
        alias: ClusterAlias,
    ) -> Self {
        let states = service.cluster.watch();
        Self {
            service,
            clock,
            recorder,
            alias,
            states,
            retries: Retries::default(),
            seen: None,
            failures: 0,
        }
    }

    /// Runs until it is dropped, which is safe at any time: what was followed and not noted yet is found to be followed the next time.
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            let state = Arc::clone(&self.states.borrow_and_update());
            match self.round(&state).await {
                Next::Ask => {}
                Next::Wait(longest) => {
                    let change = relevant_change(&mut self.states, &state);
                    // An elapsed pause is as good as a change.
                    let _ = tokio::time::timeout(longest, change).await;
                }
            }
        }
    }

    /// Asks for the remote cluster's metadata once, and takes what is new.
    async fn round(&mut self, state: &Arc<ClusterState>) -> Next {
        let all = patterns(state);
        let mine: BTreeMap<&str, &StoredPattern> = all
            .iter()
            .filter(|(_, stored)| stored.pattern.active && stored.pattern.remote_cluster == self.alias)
            .map(|(name, stored)| (name.as_str(), stored))
            .collect();
        if mine.is_empty() {
            // Whoever keeps the workers ends this one, unless a pattern comes back first.
            return Next::Wait(Duration::MAX);
        }
        let definitions: BTreeMap<String, AutoFollowPattern> = mine
            .iter()
            .map(|(name, stored)| ((*name).to_owned(), stored.pattern.clone()))
            .collect();
        let now = self.clock.monotonic();
        let retry_in = self.retries.next().map(|due| due.saturating_sub(now));
        let seen = self
            .seen
            .as_ref()
            .filter(|(_, for_patterns)| *for_patterns == definitions && retry_in != Some(Duration::ZERO))
            .map(|(version, _)| *version);
        let question = self.ask(seen);
        let mut states = self.states.clone();
        let answer = tokio::select! {
            biased;
            answer = question => answer,
            () = relevant_change(&mut states, state) => {
                self.seen = None;
                return Next::Ask;
            }
            () = tokio::time::sleep(retry_in.unwrap_or_default()), if seen.is_some() && retry_in.is_some() => return Next::Ask,
        };
        if answer.is_err() {
            // What answers the next time may be another cluster, with versions of its own.
            self.seen = None;
        }
        let metadata = match answer {
            Ok(metadata) => metadata,
            // Elasticsearch is silent about it too: the pattern may be there before its remote cluster is.
            Err(exception) if exception.kind() == ExceptionKind::NoSuchRemoteCluster => {
                return Next::Wait(WITHOUT_REMOTE);
            }
            Err(exception) => {
                tracing::warn!(remote_cluster = %self.alias, %exception, "auto-follow cannot ask for new indices, trying again");
                self.recorder
                    .could_not_ask(mine.keys().copied(), self.clock.now(), &exception);
                let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
                self.failures = self.failures.saturating_add(1);
                return Next::Wait(pause.min(LONGEST_PAUSE));
            }
        };
        self.failures = 0;
        let answered_at = self.clock.monotonic();
        self.recorder
            .answered(self.alias.as_str(), mine.keys().copied(), answered_at);
        if seen == Some(metadata.metadata_version) {
            // Nothing changed within the time that the remote cluster may take to answer.
            return Next::Ask;
        }
        self.take(&metadata, &all, &mine).await;
        self.recorder.saw(self.alias.as_str(), metadata.metadata_version);
        self.seen = Some((metadata.metadata_version, definitions));
        Next::Ask
    }

    /// The remote cluster's metadata: once it is newer than `seen`, or at once.
    fn ask(&self, seen: Option<u64>) -> impl Future<Output = Result<ClusterMetadata, Exception>> + use<> {
        let request = ClusterMetadataRequest {
            wait_for_version: seen.map(|seen| seen.saturating_add(1)),
            timeout: self.service.settings.current().wait_for_metadata_timeout,
        };
        let remote = self.service.remotes.get(&self.alias);
        async move { remote?.cluster_metadata(request).await }
    }

    /// Follows what is due, notes it, and forgets what the remote cluster has no more.
    async fn take(
        &mut self,
        metadata: &ClusterMetadata,
        all: &BTreeMap<String, StoredPattern>,
        mine: &BTreeMap<&str, &StoredPattern>,
    ) {
        let (mut failing, mut waits) = (BTreeSet::new(), false);
        let mut followers = Followers::of(&self.service.cluster.state());
        for (name, stored) in mine {
            let mut followed = BTreeSet::new();
            for index in &metadata.indices {
                let candidate = ((*name).to_owned(), index.uuid.clone());
                let verdict = judge((name, stored), all, index, &followers);
                let done = match verdict {
                    None => continue,
                    Some(Verdict::Skip(reason)) => {
                        waits |= reason == SkipReason::PrimariesNotActive;
                        // Else it would come back when its leader is deleted here.
                        if matches!(reason, SkipReason::FollowsThisCluster(_))
                            && !stored.followed.contains(&index.uuid)
                        {
                            followed.insert(index.uuid.clone());
                        }
                        continue;
                    }
                    Some(Verdict::IsFollowed(_)) => Ok(()),
                    Some(_) if !self.retries.is_due(&candidate, self.clock.monotonic()) => {
                        failing.insert(candidate);
                        continue;
                    }
                    Some(Verdict::Fail(exception)) => Err(exception),
                    // Deleted, paused or changed meanwhile: the next round goes by what holds then.
                    Some(Verdict::Follow(_)) if !self.is_as_before(name, stored) => break,
                    Some(Verdict::Follow(follower)) => {
                        let done = self.follow(&stored.pattern, index, follower).await;
                        followers = Followers::of(&self.service.cluster.state());
                        done
                    }
                };
                match done {
                    Ok(()) => {
                        self.recorder.follows(name, &index.name);
                        followed.insert(index.uuid.clone());
                    }
                    Err(exception) => {
                        self.could_not_follow(name, index, exception, candidate.clone());
                        failing.insert(candidate);
                    }
                }
            }
            self.note(name, stored, followed, metadata).await;
        }
        let is_failing = |candidate: &Candidate| failing.contains(candidate);
        self.retries.end_round(is_failing, waits, self.clock.monotonic());
    }

    async fn follow(
        &self,
        pattern: &AutoFollowPattern,
        index: &IndexSummary,
        follower: String,
    ) -> Result<(), Exception> {
        let request = FollowRequest {
            follower_index: follower,
            remote_cluster: Some(self.alias.to_string()),
            leader_index: Some(index.name.clone()),
            data_stream_name: index
                .data_stream
                .as_ref()
                .map(|stream| pattern.follower_data_stream(stream)),
            settings: pattern.settings.clone(),
            parameters: pattern.parameters.clone(),
            ..FollowRequest::default()
        };
        let follower = request.follower_index.clone();
        follow(&self.service, request).await?;
        tracing::info!(remote_cluster = %self.alias, leader_index = %index.name, follower_index = %follower, "auto-follow follows a new index");
        Ok(())
    }

    fn could_not_follow(
        &mut self,
        name: &str,
        index: &IndexSummary,
        exception: Exception,
        candidate: Candidate,
    ) {
        tracing::warn!(pattern = %name, leader_index = %index.name, %exception, "auto-follow cannot follow an index, trying again");
        self.retries.failed(candidate, self.clock.monotonic());
        self.recorder
            .could_not_follow(name, &index.name, self.clock.now(), exception);
    }

    /// Notes what a pattern has dealt with. A failure does no harm: what is followed is found to be so the next time.
    async fn note(
        &self,
        name: &str,
        stored: &StoredPattern,
        followed: BTreeSet<IndexUuid>,
        metadata: &ClusterMetadata,
    ) {
        let exists: BTreeSet<&IndexUuid> = metadata.indices.iter().map(|index| &index.uuid).collect();
        // Only of those that the pattern knew when the metadata was looked at: others came with newer metadata, or are of another cluster.
        let gone: BTreeSet<IndexUuid> = stored
            .followed
            .iter()
            .filter(|uuid| !exists.contains(uuid))
            .cloned()
            .collect();
        if followed.is_empty() && gone.is_empty() {
            return;
        }
        let noted = self
            .service
            .cluster
            .update("note what auto-follow follows", |state| {
                Ok((with_followed(state, name, &followed, &gone), ()))
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(pattern = %name, %error, "what auto-follow follows could not be noted, trying again with the next change");
        }
    }

    /// Whether the pattern is still as it was when this round began.
    fn is_as_before(&self, name: &str, stored: &StoredPattern) -> bool {
        pattern(&self.service.cluster.state(), name).is_ok_and(|now| now.pattern == stored.pattern)
    }
}

/// Returns when the patterns or the settings of the cluster are others than in `state`.
async fn relevant_change(states: &mut watch::Receiver<Arc<ClusterState>>, state: &ClusterState) {
    let is_relevant = |new: &Arc<ClusterState>| {
        !Arc::ptr_eq(&new.customs, &state.customs) && new.customs != state.customs
            || new.persistent_settings != state.persistent_settings
            || new.transient_settings != state.transient_settings
    };
    // It fails when the node stops, which ends the worker.
    if states.wait_for(is_relevant).await.is_err() {
        std::future::pending::<()>().await;
    }
}
