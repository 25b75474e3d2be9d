//! Rules broken on purpose, to see that somebody notices.

/// One broken rule. Many of them are real bugs of other systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// The follower's copy leaves an operation out: a no-op takes its place.
    SkipsAnOperation,
    /// The follower's copy writes an operation a second time, under the next number.
    AppliesTwice,
    /// The follower's copy changes bytes of an operation.
    AltersBytes,
    /// Reads ignore the limits of the write buffer.
    OverrunsTheBuffer,
    /// The leader, and the task, count operations and not bytes.
    BatchesByCountOnly,
    /// A metadata sync answers with the version asked for, and applies nothing.
    PretendsToSyncTheMapping,
    /// The leader takes the versions of its answer before it reads the operations.
    TakesVersionsBeforeOperations,
    /// The leader removes operations whatever leases say.
    PrunesWithoutLooking,
    /// The leader shows operations that are not durable.
    ShowsWhatIsNotDurable,
    /// The lease is renewed only when operations were appended since.
    RenewsOnlyOnTraffic,
    /// A follower that was started again renews its lease as if it had nothing.
    RenewsAtNothingAfterRestart,
    /// The lease is renewed for what is applied, not for what is durable.
    RenewsForWhatIsNotDurable,
    /// All followers of a leader use one lease.
    SharesOneLease,
    /// The leader finds the shard by the name of its index, and looks at no history.
    FindsTheLeaderByName,
    /// The leader compares the history only when it has operations to give.
    ComparesTheHistoryOnlyWithOperations,
    /// What is missing between the copied files and the leader's present end is filled with no-ops.
    FillsTheHandOffWithNoOps,
    /// The bootstrap keeps no lease while it copies.
    CopiesWithoutALease,
    /// A crash between close and reopen of a settings sync leaves the follower closed.
    LeavesTheCycleHalfDone,
    /// A task is not told of the end of an append that failed.
    NeverRecovers,
    /// An acknowledged operation need not be on the disk.
    AcknowledgesBeforeTheSync,
    /// A revoked privilege ends following for good.
    TreatsRefusalAsFatal,
}

impl Mutant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::SkipsAnOperation,
        Self::AppliesTwice,
        Self::AltersBytes,
        Self::OverrunsTheBuffer,
        Self::BatchesByCountOnly,
        Self::PretendsToSyncTheMapping,
        Self::TakesVersionsBeforeOperations,
        Self::PrunesWithoutLooking,
        Self::ShowsWhatIsNotDurable,
        Self::RenewsOnlyOnTraffic,
        Self::RenewsAtNothingAfterRestart,
        Self::RenewsForWhatIsNotDurable,
        Self::SharesOneLease,
        Self::FindsTheLeaderByName,
        Self::ComparesTheHistoryOnlyWithOperations,
        Self::FillsTheHandOffWithNoOps,
        Self::CopiesWithoutALease,
        Self::LeavesTheCycleHalfDone,
        Self::NeverRecovers,
        Self::AcknowledgesBeforeTheSync,
        Self::TreatsRefusalAsFatal,
    ];

    /// The real bug that it repeats, if it repeats one.
    #[must_use]
    pub fn known_bug(self) -> Option<&'static str> {
        match self {
            Self::RenewsOnlyOnTraffic => Some("cross-cluster-replication#42"),
            Self::RenewsAtNothingAfterRestart => Some("cross-cluster-replication#18"),
            Self::SharesOneLease => Some("cross-cluster-replication#554"),
            Self::FindsTheLeaderByName => Some("elasticsearch#33956"),
            Self::ComparesTheHistoryOnlyWithOperations => Some("elasticsearch#65841"),
            Self::OverrunsTheBuffer => Some("elasticsearch#58620"),
            Self::BatchesByCountOnly => Some("cross-cluster-replication#1580"),
            Self::TakesVersionsBeforeOperations => {
                Some("elasticsearch, FollowerFailOverIT#testReadRequestsReturnLatestMappingVersion")
            }
            Self::FillsTheHandOffWithNoOps => Some("cross-cluster-replication#1735"),
            Self::CopiesWithoutALease => Some("cross-cluster-replication#221"),
            Self::LeavesTheCycleHalfDone => Some("cross-cluster-replication#1732"),
            _ => None,
        }
    }
}
