//! The invariants that can be seen from one state.

use super::FollowTask;
use crate::event::MetadataKind;

impl FollowTask {
    /// The predicates of FT-1 to FT-5 that can be seen from one state.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self) {
        let parameters = &self.parameters;
        self.follower.check_invariants();
        self.buffer.check_invariants(self.dispatched);
        self.writes
            .check_invariants(self.dispatched, parameters.max_outstanding_write_requests());
        self.reads
            .check_invariants(parameters.max_outstanding_read_requests());
        if self.follower.is_known() {
            assert!(
                self.follower.applied() <= self.dispatched,
                "FT-1: applied past what was handed out"
            );
            assert!(
                self.dispatched <= self.reads.requested(),
                "FT-1: handed out past what was requested"
            );
        }
        let mapping_version = self.metadata.held(MetadataKind::Mapping);
        assert!(
            self.needed_mapping_version <= mapping_version,
            "FT-3: operations before their mapping"
        );
        if let Some(heal) = &self.heal {
            heal.check_invariants();
        }
        self.credit.check_invariants(self.used_bytes());
        if self.is_running() {
            let wake = self.next_wake();
            assert!(
                wake.is_none_or(|wake| wake > self.now),
                "FT-4: work due now was left undone"
            );
            let healing = self
                .heal
                .as_ref()
                .is_some_and(|heal| heal.is_waiting() || self.metadata.is_syncing());
            let work_is_out = self.reads.outstanding() > 0 || self.writes.outstanding() > 0 || healing;
            let waiting = work_is_out || self.follower.is_asked() || self.credit.is_waiting();
            let starting = !self.follower.is_known() || !self.metadata.is_initialised();
            assert!(
                waiting || starting || wake.is_some(),
                "FT-4: a running task waits for nothing"
            );
        } else {
            assert_eq!(self.used_bytes(), 0, "FT-5: a stopped task holds memory");
            assert_eq!(self.next_wake(), None, "FT-5: a stopped task wants to go on");
        }
    }
}
