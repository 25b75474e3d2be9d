//! Retention leases: what a follower still needs, so that it is not removed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{LeaseError, LeaseId, PrimaryTerm, SeqNo, UnixMillis};

/// A promise to keep every operation from `retaining_seq_no` on, until it is removed or expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionLease {
    /// Who holds it.
    pub id: LeaseId,
    /// The first operation that is retained.
    pub retaining_seq_no: SeqNo,
    /// When it was added or last renewed, on this node's clock.
    pub timestamp: UnixMillis,
    /// What kind of holder it is, such as `ccr`.
    pub source: String,
}

/// All leases of a shard copy. Every change makes a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionLeases {
    /// The term of the primary that made the last change.
    pub primary_term: PrimaryTerm,
    /// How many changes there were.
    pub version: u64,
    /// The leases in the order of their ids.
    pub leases: Vec<RetentionLease>,
}

/// The rules of adding, renewing, removing and expiring, without storage or clock.
///
/// Source: Elasticsearch, `ReplicationTracker`.
#[derive(Debug, Clone)]
pub(crate) struct LeaseTable {
    primary_term: PrimaryTerm,
    version: u64,
    leases: BTreeMap<LeaseId, RetentionLease>,
}

impl LeaseTable {
    pub(crate) const fn empty(primary_term: PrimaryTerm) -> Self {
        Self {
            primary_term,
            version: 0,
            leases: BTreeMap::new(),
        }
    }

    pub(crate) fn from_collection(collection: RetentionLeases) -> Self {
        let leases = collection
            .leases
            .into_iter()
            .map(|lease| (lease.id.clone(), lease))
            .collect();
        Self {
            primary_term: collection.primary_term,
            version: collection.version,
            leases,
        }
    }

    pub(crate) fn to_collection(&self) -> RetentionLeases {
        RetentionLeases {
            primary_term: self.primary_term,
            version: self.version,
            leases: self.leases.values().cloned().collect(),
        }
    }

    pub(crate) fn add(&mut self, lease: RetentionLease, term: PrimaryTerm) -> Result<(), LeaseError> {
        if self.leases.contains_key(&lease.id) {
            return Err(LeaseError::AlreadyExists { id: lease.id });
        }
        self.leases.insert(lease.id.clone(), lease);
        self.changed(term);
        Ok(())
    }

    pub(crate) fn renew(&mut self, lease: RetentionLease, term: PrimaryTerm) -> Result<(), LeaseError> {
        let held = self
            .leases
            .get_mut(&lease.id)
            .ok_or_else(|| LeaseError::NotFound { id: lease.id.clone() })?;
        if lease.retaining_seq_no < held.retaining_seq_no {
            return Err(LeaseError::InvalidRetainingSeqNo {
                id: lease.id,
                current: held.retaining_seq_no,
                requested: lease.retaining_seq_no,
                source_name: lease.source,
            });
        }
        *held = lease;
        self.changed(term);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: &LeaseId, term: PrimaryTerm) -> Result<(), LeaseError> {
        if self.leases.remove(id).is_none() {
            return Err(LeaseError::NotFound { id: id.clone() });
        }
        self.changed(term);
        Ok(())
    }

    /// Removes and returns the leases that were not renewed for longer than `period`.
    pub(crate) fn expire(
        &mut self,
        now: UnixMillis,
        period: Duration,
        term: PrimaryTerm,
    ) -> Vec<RetentionLease> {
        let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let expired: Vec<_> = self
            .leases
            .values()
            .filter(|lease| now.get().saturating_sub(lease.timestamp.get()) > period)
            .cloned()
            .collect();
        for lease in &expired {
            self.leases.remove(&lease.id);
        }
        if !expired.is_empty() {
            self.changed(term);
        }
        expired
    }

    /// The lowest seq_no that any lease retains.
    pub(crate) fn min_retaining_seq_no(&self) -> Option<SeqNo> {
        self.leases.values().map(|lease| lease.retaining_seq_no).min()
    }

    pub(crate) fn get(&self, id: &LeaseId) -> Option<&RetentionLease> {
        self.leases.get(id)
    }

    fn changed(&mut self, term: PrimaryTerm) {
        self.version += 1;
        self.primary_term = self.primary_term.max(term);
    }
}
