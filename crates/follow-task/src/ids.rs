//! Names for work that the core has started, so that its completion finds its way back.

use std::fmt;

macro_rules! request_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        ///
        /// Unique within one task; every attempt gets a new one, so the answer to a superseded attempt is recognised.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The number behind the id, for logs.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}", self.0)
            }
        }

        impl From<NextId> for $name {
            fn from(next: NextId) -> Self {
                Self(next.0)
            }
        })*
    };
}

request_ids! {
    /// One attempt to read changes from the leader.
    ReadId;
    /// One attempt to append a batch to the follower.
    WriteId;
    /// One question to the follower shard about its state.
    StateId;
    /// One attempt to bring a piece of metadata up to date.
    MetadataId;
    /// One attempt to renew or add the retention lease.
    LeaseRequestId;
    /// One attempt at one piece of work of a delta heal.
    HealId;
    /// One request for bytes of the node-wide budget.
    BudgetId;
}

/// A number that no other id of the task has; turns into whichever id is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextId(u64);

/// Gives out ids in rising order.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdSource(u64);

impl IdSource {
    pub(crate) fn next<T: From<NextId>>(&mut self) -> T {
        self.0 += 1;
        T::from(NextId(self.0))
    }
}
