//! What the log must keep: retention leases and the minimum retained seq_no.

use std::time::Duration;

use crate::lease::LeaseTable;
use crate::{
    LeaseError, LeaseId, Log, LogError, PrimaryTerm, RetentionLease, RetentionLeases, SeqNo, UnixMillis,
    lease_file,
};

/// How far the minimum retained seq_no may go up, apart from the leases, which the log knows itself.
///
/// Source: Elasticsearch, `SoftDeletesPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionBound {
    /// The last operation that all in-sync copies hold durably.
    pub global_checkpoint: Option<SeqNo>,
    /// How many operations below the global checkpoint are kept whatever the leases say (`index.soft_deletes.retention.operations`).
    pub retention_operations: u64,
    /// The last operation that everything derived from the log holds durably; after a crash it is replayed from there.
    pub safe_commit: Option<SeqNo>,
}

impl RetentionBound {
    fn wanted(self) -> u64 {
        let kept = SeqNo::to_plus_one(self.global_checkpoint).saturating_sub(self.retention_operations);
        kept.min(SeqNo::to_plus_one(self.safe_commit))
    }
}

impl Log {
    /// Raises the minimum retained seq_no as far as `bound`, every lease and the durable checkpoint allow, and answers it. Never lowers it (OL-4):
    /// a lease that is added below it brings nothing back. Kept in memory until a flush or a compaction.
    pub fn advance_min_retained(&self, bound: RetentionBound) -> SeqNo {
        // Under the lock of the leases: a lease that retains all is not added while this moves on.
        let leases = self.shared.leases.lock();
        let least_leased = leases.table.min_retaining_seq_no().map_or(u64::MAX, SeqNo::get);
        let durable = SeqNo::to_plus_one(self.shared.durable_checkpoint());
        let wanted = SeqNo::new(bound.wanted().min(least_leased).min(durable));
        let mut state = self.shared.state.lock();
        state.min_retained = state.min_retained.max(wanted);
        state.min_retained
    }

    /// Adds a lease, durably. `None` retains all that is held now.
    ///
    /// # Errors
    /// [`LeaseError::AlreadyExists`], [`LeaseError::Storage`].
    pub fn add_retention_lease(
        &self,
        id: LeaseId,
        retaining: Option<SeqNo>,
        source: &str,
    ) -> Result<RetentionLease, LeaseError> {
        let mut added = None;
        self.change_leases(|table, term, min_retained| {
            let lease = self.lease(id, retaining.unwrap_or(min_retained), source);
            added = Some(lease.clone());
            table.add(lease, term)
        })?;
        Ok(added.expect("the change was made"))
    }

    /// Renews a lease: a new timestamp, and an equal or higher seq_no. `None` retains what the lease retained, or
    /// all that is held now if that is less.
    ///
    /// Kept in memory until the next durable change, flush or [`Log::expire_retention_leases`]: losing a renewal retains more, not less.
    ///
    /// # Errors
    /// [`LeaseError::NotFound`], [`LeaseError::InvalidRetainingSeqNo`], [`LeaseError::Storage`] when the log takes no writes.
    pub fn renew_retention_lease(
        &self,
        id: LeaseId,
        retaining: Option<SeqNo>,
        source: &str,
    ) -> Result<RetentionLease, LeaseError> {
        let mut leases = self.shared.leases.lock();
        let (term, min_retained) = self.lease_context()?;
        let held = leases
            .table
            .get(&id)
            .map_or(min_retained, |lease| lease.retaining_seq_no.max(min_retained));
        let lease = self.lease(id, retaining.unwrap_or(held), source);
        leases.table.renew(lease.clone(), term)?;
        leases.dirty = true;
        Ok(lease)
    }

    /// Removes a lease, durably.
    ///
    /// # Errors
    /// [`LeaseError::NotFound`], [`LeaseError::Storage`].
    pub fn remove_retention_lease(&self, id: &LeaseId) -> Result<(), LeaseError> {
        self.change_leases(|table, term, _| table.remove(id, term))
    }

    /// All leases.
    pub fn retention_leases(&self) -> RetentionLeases {
        self.shared.leases.lock().table.to_collection()
    }

    /// Removes the leases that were not renewed for longer than `period`, and writes renewals to the file.
    /// To be called about every 30 s. Answers what expired.
    ///
    /// # Errors
    /// [`LeaseError::Storage`].
    pub fn expire_retention_leases(
        &self,
        now: UnixMillis,
        period: Duration,
    ) -> Result<Vec<RetentionLease>, LeaseError> {
        let mut leases = self.shared.leases.lock();
        let (term, _) = self.lease_context()?;
        let mut table = leases.table.clone();
        let expired = table.expire(now, period, term);
        if !expired.is_empty() || leases.dirty {
            self.save_leases(&table).map_err(LeaseError::Storage)?;
            leases.table = table;
            leases.dirty = false;
        }
        Ok(expired)
    }

    fn lease(&self, id: LeaseId, retaining_seq_no: SeqNo, source: &str) -> RetentionLease {
        RetentionLease {
            id,
            retaining_seq_no,
            timestamp: self.shared.clock.now(),
            source: source.to_owned(),
        }
    }

    fn lease_context(&self) -> Result<(PrimaryTerm, SeqNo), LeaseError> {
        let state = self.shared.state.lock();
        state.check_usable().map_err(LeaseError::Storage)?;
        Ok((state.primary_term, state.min_retained))
    }

    /// Changes the leases and their file, or neither.
    fn change_leases(
        &self,
        change: impl FnOnce(&mut LeaseTable, PrimaryTerm, SeqNo) -> Result<(), LeaseError>,
    ) -> Result<(), LeaseError> {
        let mut leases = self.shared.leases.lock();
        let (term, min_retained) = self.lease_context()?;
        let mut table = leases.table.clone();
        change(&mut table, term, min_retained)?;
        self.save_leases(&table).map_err(LeaseError::Storage)?;
        leases.table = table;
        leases.dirty = false;
        Ok(())
    }

    /// Writes renewals to the file.
    pub(crate) fn save_renewals(&self) -> Result<(), LogError> {
        let mut leases = self.shared.leases.lock();
        if leases.dirty {
            self.save_leases(&leases.table)?;
            leases.dirty = false;
        }
        Ok(())
    }

    /// Writes the file, whether it changed or not.
    pub(crate) fn rewrite_leases(&self) -> Result<(), LogError> {
        let mut leases = self.shared.leases.lock();
        self.save_leases(&leases.table)?;
        leases.dirty = false;
        Ok(())
    }

    fn save_leases(&self, table: &LeaseTable) -> Result<(), LogError> {
        let saved = lease_file::save(&*self.shared.storage, &self.shared.dir, &table.to_collection());
        self.poison_on_error(saved)
    }
}
