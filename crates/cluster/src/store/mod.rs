//! The transactional store of cluster state, as a trait over keyed records.
//!
//! The trait asks for no more than what both an embedded file and etcd give: records with the revision of their last change, and
//! transactions that compare such revisions. So a cluster of one machine and one of many differ in the store alone.

mod redb_store;

use std::fmt::Debug;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::watch;

pub use redb_store::RedbStore;
pub(crate) use redb_store::verify;

/// The number of a committed transaction; grows by one with each.
pub type Revision = u64;

/// A stored value and the revision of the transaction that wrote it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Revision of the transaction that wrote this value; never 0.
    pub version: Revision,
    /// The value; its format belongs to the caller.
    pub value: Vec<u8>,
}

/// Every record at one revision, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The newest revision that the listing holds.
    pub revision: Revision,
    /// The records by key, ascending.
    pub records: Vec<(String, Record)>,
}

/// A condition of a transaction: the record has this version, or does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The record's key.
    pub key: String,
    /// The version that the record must have; `None` if it must not exist.
    pub version: Option<Revision>,
}

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Writes a record.
    Put {
        /// The record's key.
        key: String,
        /// The new value.
        value: Vec<u8>,
    },
    /// Removes a record; nothing happens if it does not exist.
    Delete {
        /// The record's key.
        key: String,
    },
}

/// What became of a transaction that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// All writes are durable, under this revision.
    Committed(Revision),
    /// A condition did not hold; nothing was written.
    Conflict,
}

/// Keyed records with compare-and-set transactions.
#[async_trait]
pub trait StateStore: Send + Sync + Debug + 'static {
    /// The record under `key`.
    ///
    /// # Errors
    /// When the store cannot be read or the record is damaged.
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// All records whose key starts with `prefix`, at one revision.
    ///
    /// # Errors
    /// When the store cannot be read or a record is damaged.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// Applies all `writes`, or none: none if one of `compare` does not hold. Committed means durable.
    ///
    /// # Errors
    /// When it is unknown or certain that nothing was written; the caller must list again before it decides anything.
    async fn transaction(
        &self,
        compare: Vec<Compare>,
        writes: Vec<Write>,
    ) -> Result<TransactionOutcome, StoreError>;

    /// Shows the newest revision; changes whenever a transaction of any node commits.
    fn watch(&self) -> watch::Receiver<Revision>;
}

/// Why the store of cluster state failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error(
        "the data directory is in use by another process: it holds the lock of [{path}]; stop that process or choose another data directory"
    )]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The store was written by a newer version, or is no store of cluster state at all.
    #[error(
        "[{path}] has format {found}, but this version reads only format {supported}; use the version that wrote it"
    )]
    UnknownFormat {
        /// The store's file.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The format that this version reads and writes.
        supported: u64,
    },
    /// The store does not read as what was written.
    #[error("the cluster state store [{path}] is damaged: {detail}; restore the data directory from a copy")]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What is wrong, and where.
        detail: String,
    },
    /// The store's file could not be read or written.
    #[error("the cluster state store [{path}] cannot be {operation}")]
    Io {
        /// The store's file.
        path: PathBuf,
        /// What was tried, as a past participle.
        operation: &'static str,
        /// What the file system or the embedded database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether trying again, without a person's help, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}
