//! A leader shard as its follow task sees it: over the connection to the remote cluster.

use std::sync::Arc;

use es_exception::Exception;
use follow_task::{
    HeldReadRequest, HeldReadResponse, LeaderShard, LiveSetResponse, MetadataVersions, ReadRequest,
    ReadResponse,
};
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use oplog::{Frame, HistoryUuid, LeaseId, SeqNo, ShardId};
use transport::{
    ClusterAlias, HeldOperationsRequest, KnownMetadataVersions, LiveSetRequest, RemoteClusters,
    RetentionLeaseRequest, ShardChangesRequest,
};

use super::tail_rate::TailRate;
use crate::settings_watch::SettingsWatch;

/// Who asks for a lease, as leases show it. Source: Elasticsearch's value.
pub(crate) const LEASE_SOURCE: &str = "ccr";

/// A shard of the leader index. The remote cluster is looked up at every call, so that a changed configuration takes effect.
#[derive(Debug, Clone)]
pub(crate) struct RemoteLeaderShard {
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) alias: ClusterAlias,
    pub(crate) shard: ShardId,
    pub(crate) history_uuid: HistoryUuid,
    pub(crate) lease: LeaseId,
    pub(crate) rate: Arc<TailRate>,
    pub(crate) settings: SettingsWatch,
}

impl RemoteLeaderShard {
    fn lease_request(&self, retaining: SeqNo) -> RetentionLeaseRequest {
        RetentionLeaseRequest {
            shard: self.shard.clone(),
            id: self.lease.clone(),
            retaining: Some(retaining),
            source: LEASE_SOURCE.to_owned(),
        }
    }
}

/// Returns when operations that came over the line are paid for, at the rate that is in force meanwhile.
async fn pay(rate: &TailRate, settings: &SettingsWatch, frames: &[Frame]) {
    let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
    rate.pay(bytes, || settings.current().tail_max_bytes_per_sec)
        .await;
}

impl LeaderShard for RemoteLeaderShard {
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>> {
        let request = ShardChangesRequest {
            shard: self.shard.clone(),
            expected_history_uuid: self.history_uuid.clone(),
            from: request.from,
            max_operation_count: request.max_operation_count,
            max_batch_size: request.max_batch_size,
            max_response_size: request.max_response_size,
            poll_timeout: request.poll_timeout,
            known_metadata: Some(KnownMetadataVersions {
                mapping: request.known_metadata.mapping,
                settings: request.known_metadata.settings,
                aliases: request.known_metadata.aliases,
            }),
            may_stay_open: request.may_stay_open,
        };
        let remote = match self.remotes.get(&self.alias) {
            Ok(remote) => remote,
            Err(exception) => return stream::once(future::ready(Err(exception))).boxed(),
        };
        let (rate, settings) = (Arc::clone(&self.rate), self.settings.clone());
        let answers = remote.read_changes_continuously(request);
        let answers = answers.and_then(move |response| {
            let (rate, settings) = (Arc::clone(&rate), settings.clone());
            async move {
                pay(&rate, &settings, &response.frames).await;
                Ok(ReadResponse {
                    frames: response.frames,
                    next_operation_size: response.next_operation_size,
                    global_checkpoint: response.global_checkpoint,
                    max_seq_no: response.max_seq_no,
                    max_seq_no_of_updates_or_deletes: response.max_seq_no_of_updates_or_deletes,
                    mapping_version: response.mapping_version,
                    settings_version: response.settings_version,
                    aliases_version: response.aliases_version,
                    took: response.took,
                    leader_now: response.leader_now,
                    stays_open: response.stays_open,
                })
            }
        });
        answers.boxed()
    }

    fn read_held(&self, request: HeldReadRequest) -> BoxFuture<'static, Result<HeldReadResponse, Exception>> {
        let link = self.clone();
        Box::pin(async move {
            let remote = link.remotes.get(&link.alias)?;
            let response = remote
                .read_held_operations(HeldOperationsRequest {
                    shard: link.shard,
                    expected_history_uuid: link.history_uuid,
                    from: request.from,
                    to: request.to,
                    max_operation_count: request.max_operation_count,
                    max_batch_size: request.max_batch_size,
                    max_response_size: request.max_response_size,
                })
                .await?;
            pay(&link.rate, &link.settings, &response.frames).await;
            Ok(HeldReadResponse {
                frames: response.frames,
                next_operation_size: response.next_operation_size,
                next: response.next,
                global_checkpoint: response.global_checkpoint,
                versions: MetadataVersions {
                    mapping: response.mapping_version,
                    settings: response.settings_version,
                    aliases: response.aliases_version,
                },
                leader_now: response.leader_now,
            })
        })
    }

    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>> {
        let link = self.clone();
        Box::pin(async move {
            let remote = link.remotes.get(&link.alias)?;
            let response = remote
                .read_live_set(LiveSetRequest {
                    shard: link.shard,
                    expected_history_uuid: link.history_uuid,
                })
                .await?;
            Ok(LiveSetResponse {
                snapshot: response.snapshot,
                versions: MetadataVersions {
                    mapping: response.mapping_version,
                    settings: response.settings_version,
                    aliases: response.aliases_version,
                },
                leader_now: response.leader_now,
            })
        })
    }

    fn renew_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        let link = self.clone();
        Box::pin(async move {
            let remote = link.remotes.get(&link.alias)?;
            remote
                .renew_retention_lease(link.lease_request(retaining))
                .await
                .map(|_| ())
        })
    }

    fn add_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        let link = self.clone();
        Box::pin(async move {
            let remote = link.remotes.get(&link.alias)?;
            remote
                .add_retention_lease(link.lease_request(retaining))
                .await
                .map(|_| ())
        })
    }
}
