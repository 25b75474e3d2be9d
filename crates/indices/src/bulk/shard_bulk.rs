//! A bulk request's items for one shard: rounds until none is left, then one wait for durability, then refresh.

use std::collections::HashSet;
use std::sync::Arc;

use cluster::{IndexMetadata, Origin, change};
use es_exception::{Exception, ExceptionKind};
use index_meta::MappingUpdate;
use oplog::{AppendTicket, SeqNo, ShardId};
use shard::Shard;

use super::round::{AnswerParts, RoundEnd, run_round};
use super::under_way::WriteUnderWay;
use super::{ItemResult, PendingItems};
use crate::request::RefreshPolicy;
use crate::service::IndicesService;

/// How often one item may ask for a mapping. Each time the mapping grows, so a second time is rare and a fourth a defect.
const MAX_MAPPING_ROUNDS: u32 = 8;

/// What one shard is to do.
#[derive(Debug)]
pub(super) struct ShardBulk {
    index: Arc<IndexMetadata>,
    shard_id: ShardId,
    pub(super) items: PendingItems,
}

impl ShardBulk {
    pub(super) fn new(index: Arc<IndexMetadata>, shard_id: ShardId) -> Self {
        Self {
            index,
            shard_id,
            items: Vec::new(),
        }
    }
}

impl IndicesService {
    pub(super) async fn run_shard_bulk(
        &self,
        bulk: ShardBulk,
        refresh: RefreshPolicy,
        under_way: &WriteUnderWay,
    ) -> Vec<ItemResult> {
        let ShardBulk {
            index,
            shard_id,
            mut items,
        } = bulk;
        let found = self
            .check_room(&shard_id, &index.name)
            .and_then(|()| self.shard(&shard_id));
        let shard = match found {
            Ok(shard) => shard,
            Err(error) => {
                return items
                    .into_iter()
                    .map(|item| (item.position, Err(error.clone())))
                    .collect();
            }
        };
        let copies = 1 + index
            .settings
            .get_str("index.number_of_replicas")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let parts = Arc::new(AnswerParts {
            index: index.name.clone(),
            copies,
        });
        let mut results = Vec::with_capacity(items.len());
        let mut tickets = Vec::new();
        while !items.is_empty() {
            let (now, later) = split_by_id(items);
            let mut waiting = later;
            let (on_shard, parts) = (Arc::clone(&shard), Arc::clone(&parts));
            // The round goes on if nobody waits for it any more.
            let under_way = WriteUnderWay::clone(under_way);
            let positions: Vec<_> = now.iter().map(|item| item.position).collect();
            match self
                .blocking
                .write(move || {
                    let end = run_round(&on_shard, now, &parts);
                    drop(under_way);
                    end
                })
                .await
            {
                Ok(end) => {
                    self.take_round(end, &index, &shard_id, &mut results, &mut tickets, &mut waiting)
                        .await;
                }
                Err(error) => results.extend(
                    positions
                        .into_iter()
                        .map(|position| (position, Err(error.clone()))),
                ),
            }
            waiting.sort_by_key(|item| item.position);
            items = waiting;
        }
        self.await_durable(&shard_id, tickets, &mut results).await;
        self.name_full_medium(&index, &shard_id, &mut results);
        self.refresh_after_write(&shard, refresh, &mut results).await;
        results
    }

    async fn take_round(
        &self,
        end: RoundEnd,
        index: &IndexMetadata,
        shard_id: &ShardId,
        results: &mut Vec<ItemResult>,
        tickets: &mut Vec<AppendTicket>,
        waiting: &mut PendingItems,
    ) {
        results.extend(end.done);
        tickets.extend(end.ticket);
        waiting.extend(end.again);
        if end.needs_mapping.is_empty() {
            return;
        }
        let (items, updates): (Vec<_>, Vec<_>) = end.needs_mapping.into_iter().unzip();
        match self.commit_mapping(index, shard_id, &updates).await {
            Ok(outcomes) => {
                for (mut item, outcome) in items.into_iter().zip(outcomes) {
                    item.mapping_rounds += 1;
                    match outcome {
                        // A document whose own update was refused looks again once: another one may have mapped its field, and then it fails, or
                        // fits, by that mapping.
                        Err(error) if item.mapping_rounds > 1 => results.push((item.position, Err(error))),
                        _ if item.mapping_rounds > MAX_MAPPING_ROUNDS => {
                            let reason = format!(
                                "mapping of [{}] was updated {MAX_MAPPING_ROUNDS} times and still lacks fields",
                                index.name
                            );
                            results.push((
                                item.position,
                                Err(Exception::new(ExceptionKind::IllegalState, reason)),
                            ));
                        }
                        _ => waiting.push(item),
                    }
                }
            }
            Err(error) => results.extend(items.into_iter().map(|item| (item.position, Err(error.clone())))),
        }
    }

    /// Commits the mapping that documents need, as far as it can be merged, and hands it to the shard. Answers what became of each update.
    async fn commit_mapping(
        &self,
        index: &IndexMetadata,
        shard_id: &ShardId,
        updates: &[MappingUpdate],
    ) -> Result<Vec<Result<(), Exception>>, Exception> {
        let names = [index.name.clone()];
        let outcomes = self
            .cluster
            .update(&format!("update-mapping [{}]", index.name), |state| {
                let current = state.require_index(&index.name)?;
                if current.uuid != index.uuid {
                    return Err(Exception::index_not_found(&index.name));
                }
                let mut next = state.clone();
                let mut outcomes: Vec<Result<(), Exception>> = Vec::with_capacity(updates.len());
                // Documents of one request mostly need the same fields.
                let mut last: Option<&MappingUpdate> = None;
                for update in updates {
                    if last == Some(update) && outcomes.last().is_some_and(Result::is_ok) {
                        outcomes.push(Ok(()));
                        continue;
                    }
                    last = Some(update);
                    match change::put_mapping(&next, &names, update.as_json(), Origin::User) {
                        Ok(mapped) => {
                            next = mapped;
                            outcomes.push(Ok(()));
                        }
                        Err(error) => outcomes.push(Err(error)),
                    }
                }
                Ok((next, outcomes))
            })
            .await?;
        let state = self.state();
        let metadata = state
            .index_by_uuid(&index.uuid)
            .ok_or_else(|| Exception::index_not_found(&index.name))?;
        // The reconciler would do so too, a moment later.
        self.local.shards.apply(shard_id, metadata)?;
        Ok(outcomes)
    }

    async fn await_durable(
        &self,
        shard_id: &ShardId,
        tickets: Vec<AppendTicket>,
        results: &mut [ItemResult],
    ) {
        for ticket in tickets {
            let (first, last) = (ticket.first(), ticket.last());
            let Err(error) = ticket.durable().await else {
                continue;
            };
            let reason = format!("shard {shard_id}: the write may be lost: {error}");
            tracing::error!(shard = %shard_id, %error, "writes could not be made durable");
            self.report_broken(shard_id, &error.to_string());
            for (_, result) in results.iter_mut() {
                if result
                    .as_ref()
                    .is_ok_and(|response| !response.is_noop() && (first..=last).contains(&response.seq_no))
                {
                    *result = Err(Exception::new(ExceptionKind::Engine, reason.clone()));
                }
            }
        }
    }

    /// Writes that failed because the medium takes none are to be tried again when it does, which their error must say.
    fn name_full_medium(&self, index: &IndexMetadata, shard_id: &ShardId, results: &mut [ItemResult]) {
        let of_shard = |error: &Exception| {
            matches!(
                error.kind(),
                ExceptionKind::Engine | ExceptionKind::NoShardAvailable
            )
        };
        for (_, result) in results.iter_mut() {
            if let Err(error) = result
                && of_shard(error)
                && let Err(no_room) = self.check_room(shard_id, &index.name)
            {
                *error = no_room;
            }
        }
    }

    async fn refresh_after_write(
        &self,
        shard: &Arc<Shard>,
        refresh: RefreshPolicy,
        results: &mut [ItemResult],
    ) {
        let written: Option<SeqNo> = results
            .iter()
            .filter_map(|(_, result)| result.as_ref().ok())
            .filter(|response| !response.is_noop())
            .map(|response| response.seq_no)
            .max();
        let Some(seq_no) = written else { return };
        let refreshed = match refresh {
            RefreshPolicy::None => return,
            RefreshPolicy::Immediate => shard.refresh().done().await,
            RefreshPolicy::WaitFor => shard.refresh_pending(seq_no).done().await,
        };
        if let Err(error) = refreshed {
            // The writes are durable, and become searchable once the view recovers: no reason to call them failed.
            tracing::warn!(shard = %shard.shard_id(), %error, "refresh after a write failed");
            return;
        }
        for (_, result) in results.iter_mut() {
            if let Ok(response) = result
                && !response.is_noop()
            {
                response.forced_refresh = refresh == RefreshPolicy::Immediate;
            }
        }
    }
}

/// The first item of each id, and the others. Both keep their order.
fn split_by_id(items: PendingItems) -> (PendingItems, PendingItems) {
    let is_first: Vec<bool> = {
        let mut seen = HashSet::with_capacity(items.len());
        items.iter().map(|item| seen.insert(item.id.as_str())).collect()
    };
    if is_first.iter().all(|first| *first) {
        return (items, Vec::new());
    }
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for (item, first) in items.into_iter().zip(is_first) {
        if first { now.push(item) } else { later.push(item) }
    }
    (now, later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::round::Pending;
    use crate::request::BulkAction;
    use shard::WritePrecondition;

    fn items(ids: &[&str]) -> PendingItems {
        let item = |(position, id): (usize, &&str)| {
            let action = BulkAction::Delete {
                precondition: WritePrecondition::None,
            };
            let mut pending = Pending::new((*id).into(), false, None, action);
            pending.position = position;
            pending
        };
        ids.iter().enumerate().map(item).collect()
    }

    #[test]
    fn a_round_has_each_id_once_and_in_order() {
        let (now, later) = split_by_id(items(&["a", "b", "a", "c", "b", "a"]));
        let positions = |items: &PendingItems| items.iter().map(|item| item.position).collect::<Vec<_>>();
        assert_eq!(
            (positions(&now), positions(&later)),
            (vec![0, 1, 3], vec![2, 4, 5])
        );
        let (now, later) = split_by_id(later);
        assert_eq!((positions(&now), positions(&later)), (vec![2, 4], vec![5]));
    }
}
