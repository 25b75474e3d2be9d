//! The embedded store: one redb file in the data directory, for a cluster of a single node.
//!
//! Two tables. `meta` holds the format version and the newest revision. `records` maps a key to
//! `[version u64 LE][xxh3_64 u64 LE over key, version and value][value]`: redb verifies its pages only when it repairs a
//! file, so each record carries a checksum of its own.

use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::watch;
use twox_hash::XxHash3_64;

use super::{Compare, Listing, Record, Revision, StateStore, StoreError, TransactionOutcome, Write};

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("records");
const FORMAT_KEY: &str = "format";
const REVISION_KEY: &str = "revision";
const FORMAT: u64 = 1;
const HEADER_LEN: usize = 16;
/// Memory of a verification, which reads every page once.
const VERIFY_CACHE_BYTES: usize = 16 << 20;

/// The embedded store. One process at a time may have it open.
#[derive(Debug)]
pub struct RedbStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    path: PathBuf,
    revision: watch::Sender<Revision>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Inner")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl RedbStore {
    /// Opens the store in the file `path`, or creates it. Blocking.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, [`StoreError::UnknownFormat`] when a newer version wrote it,
    /// [`StoreError::Corrupt`] when it is damaged, [`StoreError::Io`] when the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        let database = Database::create(&path).map_err(|error| open_error(&path, error))?;
        let revision = initialise(&database, &path)?;
        let revision = watch::Sender::new(revision);
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                path,
                revision,
            }),
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let path = inner.path.clone();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Io {
                path,
                operation: "used",
                source: Box::new(error),
            }),
        }
    }
}

#[async_trait]
impl StateStore for RedbStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.get(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let prefix = prefix.to_owned();
        self.blocking(move |inner| inner.list(&prefix)).await
    }

    async fn transaction(
        &self,
        compare: Vec<Compare>,
        writes: Vec<Write>,
    ) -> Result<TransactionOutcome, StoreError> {
        self.blocking(move |inner| inner.transaction(&compare, &writes))
            .await
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.inner.revision.subscribe()
    }
}

impl Inner {
    fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let transaction = self
            .database
            .begin_read()
            .map_err(|error| self.io("read", error))?;
        let table = transaction
            .open_table(RECORDS)
            .map_err(|error| self.io("read", error))?;
        match table.get(key).map_err(|error| self.io("read", error))? {
            Some(stored) => decode(&self.path, key, stored.value()).map(Some),
            None => Ok(None),
        }
    }

    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        list(&self.database, &self.path, prefix)
    }

    fn transaction(&self, compare: &[Compare], writes: &[Write]) -> Result<TransactionOutcome, StoreError> {
        let transaction = self
            .database
            .begin_write()
            .map_err(|error| self.io("written", error))?;
        let revision = {
            let mut records = transaction
                .open_table(RECORDS)
                .map_err(|error| self.io("written", error))?;
            for condition in compare {
                let key = condition.key.as_str();
                let found = match records.get(key).map_err(|error| self.io("read", error))? {
                    Some(stored) => Some(decode(&self.path, key, stored.value())?.version),
                    None => None,
                };
                if found != condition.version {
                    return Ok(TransactionOutcome::Conflict);
                }
            }
            let mut meta = transaction
                .open_table(META)
                .map_err(|error| self.io("written", error))?;
            let last = meta
                .get(REVISION_KEY)
                .map_err(|error| self.io("read", error))?
                .map_or(0, |stored| stored.value());
            let revision = last + 1;
            meta.insert(REVISION_KEY, revision)
                .map_err(|error| self.io("written", error))?;
            for write in writes {
                match write {
                    Write::Put { key, value } => {
                        let stored = encode(key, revision, value);
                        records
                            .insert(key.as_str(), stored.as_slice())
                            .map_err(|error| self.io("written", error))?;
                    }
                    Write::Delete { key } => {
                        records
                            .remove(key.as_str())
                            .map_err(|error| self.io("written", error))?;
                    }
                }
            }
            revision
        };
        transaction.commit().map_err(|error| self.io("written", error))?;
        self.revision.send_replace(revision);
        Ok(TransactionOutcome::Committed(revision))
    }

    fn io(&self, operation: &'static str, error: impl Into<redb::Error>) -> StoreError {
        redb_error(&self.path, operation, error.into())
    }
}

fn list(database: &Database, path: &Path, prefix: &str) -> Result<Listing, StoreError> {
    let failed = |error: redb::Error| redb_error(path, "read", error);
    let transaction = database.begin_read().map_err(|error| failed(error.into()))?;
    let meta = transaction
        .open_table(META)
        .map_err(|error| failed(error.into()))?;
    let revision = meta
        .get(REVISION_KEY)
        .map_err(|error| failed(error.into()))?
        .map_or(0, |stored| stored.value());
    let table = transaction
        .open_table(RECORDS)
        .map_err(|error| failed(error.into()))?;
    let mut records = Vec::new();
    for entry in table.range(prefix..).map_err(|error| failed(error.into()))? {
        let (key, stored) = entry.map_err(|error| failed(error.into()))?;
        let key = key.value();
        if !key.starts_with(prefix) {
            break;
        }
        records.push((key.to_owned(), decode(path, key, stored.value())?));
    }
    Ok(Listing { revision, records })
}

/// Verifies every page and every record of the store in `copy`, and answers the records. May write to `copy`. Errors name `path`.
pub(crate) fn verify(copy: &Path, path: &Path) -> Result<Listing, StoreError> {
    let database = redb::Builder::new()
        .set_cache_size(VERIFY_CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .open(copy)
        .map_err(|error| open_error(path, error))?;
    initialise(&database, path)?;
    list(&database, path, "")
}

/// Writes the format into a new file, checks it in an old one, and answers the newest revision.
fn initialise(database: &Database, path: &Path) -> Result<Revision, StoreError> {
    let failed = |error: redb::Error| redb_error(path, "opened", error);
    let transaction = database.begin_write().map_err(|error| failed(error.into()))?;
    let is_empty = transaction
        .list_tables()
        .map_err(|error| failed(error.into()))?
        .next()
        .is_none();
    let revision = {
        let mut meta = transaction
            .open_table(META)
            .map_err(|error| failed(error.into()))?;
        if is_empty {
            meta.insert(FORMAT_KEY, FORMAT)
                .map_err(|error| failed(error.into()))?;
            meta.insert(REVISION_KEY, 0)
                .map_err(|error| failed(error.into()))?;
        }
        let found = meta
            .get(FORMAT_KEY)
            .map_err(|error| failed(error.into()))?
            .map_or(0, |stored| stored.value());
        if found != FORMAT {
            return Err(StoreError::UnknownFormat {
                path: path.to_path_buf(),
                found,
                supported: FORMAT,
            });
        }
        transaction
            .open_table(RECORDS)
            .map_err(|error| failed(error.into()))?;
        meta.get(REVISION_KEY)
            .map_err(|error| failed(error.into()))?
            .map_or(0, |stored| stored.value())
    };
    if is_empty {
        transaction.commit().map_err(|error| failed(error.into()))?;
    } else {
        transaction.abort().map_err(|error| failed(error.into()))?;
    }
    Ok(revision)
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path }
        }
        DatabaseError::UpgradeRequired(found) => StoreError::UnknownFormat {
            path,
            found: u64::from(found),
            supported: FORMAT,
        },
        // redb reports a file that is no database of its own as invalid data.
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            StoreError::Corrupt {
                path,
                detail: error.to_string(),
            }
        }
        other => redb_error(&path, "opened", other.into()),
    }
}

fn redb_error(path: &Path, operation: &'static str, error: redb::Error) -> StoreError {
    let path = path.to_path_buf();
    match error {
        redb::Error::Corrupted(detail) => StoreError::Corrupt { path, detail },
        error @ (redb::Error::TableTypeMismatch { .. } | redb::Error::TypeDefinitionChanged { .. }) => {
            StoreError::Corrupt {
                path,
                detail: error.to_string(),
            }
        }
        error => StoreError::Io {
            path,
            operation,
            source: Box::new(error),
        },
    }
}

fn checksum(key: &str, version: Revision, value: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::new();
    hasher.write(key.as_bytes());
    hasher.write(&version.to_le_bytes());
    hasher.write(value);
    hasher.finish()
}

fn encode(key: &str, version: Revision, value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER_LEN + value.len());
    stored.extend_from_slice(&version.to_le_bytes());
    stored.extend_from_slice(&checksum(key, version, value).to_le_bytes());
    stored.extend_from_slice(value);
    stored
}

fn decode(path: &Path, key: &str, stored: &[u8]) -> Result<Record, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt {
        path: path.to_path_buf(),
        detail: format!("record [{key}] {what}"),
    };
    let (version, rest) = stored
        .split_first_chunk::<8>()
        .ok_or_else(|| corrupt("is too short"))?;
    let (sum, value) = rest
        .split_first_chunk::<8>()
        .ok_or_else(|| corrupt("is too short"))?;
    let version = u64::from_le_bytes(*version);
    if checksum(key, version, value) != u64::from_le_bytes(*sum) {
        return Err(corrupt("fails its checksum"));
    }
    Ok(Record {
        version,
        value: value.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        Write::Put {
            key: key.into(),
            value: value.into(),
        }
    }

    fn open(directory: &tempfile::TempDir) -> Result<RedbStore, StoreError> {
        RedbStore::open(directory.path().join("state.redb"))
    }

    #[tokio::test]
    async fn a_transaction_applies_only_when_every_condition_holds() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        let absent = |key: &str| Compare {
            key: key.into(),
            version: None,
        };
        let first = store
            .transaction(vec![absent("a")], vec![put("a", "1"), put("b", "1")])
            .await
            .unwrap();
        assert_eq!(first, TransactionOutcome::Committed(1));
        let second = store
            .transaction(vec![absent("a")], vec![put("b", "2")])
            .await
            .unwrap();
        assert_eq!(second, TransactionOutcome::Conflict);
        let both = vec![
            Compare {
                key: "a".into(),
                version: Some(1),
            },
            Compare {
                key: "b".into(),
                version: Some(2),
            },
        ];
        assert_eq!(
            store.transaction(both, vec![put("b", "2")]).await.unwrap(),
            TransactionOutcome::Conflict
        );
        assert_eq!(store.get("b").await.unwrap().unwrap().value, b"1");
        let third = store
            .transaction(vec![], vec![Write::Delete { key: "a".into() }])
            .await
            .unwrap();
        assert_eq!(
            (third, *store.watch().borrow()),
            (TransactionOutcome::Committed(2), 2)
        );
        assert_eq!(store.get("a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_listing_holds_exactly_the_prefix() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        store
            .transaction(
                vec![],
                vec![put("a", ""), put("b/1", "x"), put("b/2", "y"), put("c", "")],
            )
            .await
            .unwrap();
        let keys: Vec<_> = store
            .list("b/")
            .await
            .unwrap()
            .records
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["b/1", "b/2"]);
    }

    #[test]
    fn a_store_is_open_in_one_place_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = open(&directory).unwrap();
        let refused = open(&directory).unwrap_err();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused:?}");
        assert!(
            refused
                .to_string()
                .starts_with("the data directory is in use by another process")
        );
        drop(first);
        open(&directory).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        let transaction = store.inner.database.begin_write().unwrap();
        transaction
            .open_table(META)
            .unwrap()
            .insert(FORMAT_KEY, FORMAT + 1)
            .unwrap();
        transaction.commit().unwrap();
        drop(store);
        let refused = open(&directory).unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::UnknownFormat {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn a_file_that_is_no_store_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("state.redb"), vec![7_u8; 8192]).unwrap();
        let refused = open(&directory).unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_damaged_record_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        store.transaction(vec![], vec![put("a", "value")]).await.unwrap();
        let transaction = store.inner.database.begin_write().unwrap();
        let mut stored = encode("a", 1, b"value");
        stored[HEADER_LEN] ^= 1;
        transaction
            .open_table(RECORDS)
            .unwrap()
            .insert("a", stored.as_slice())
            .unwrap();
        transaction.commit().unwrap();
        let refused = store.get("a").await.unwrap_err();
        assert!(
            refused.to_string().contains("record [a] fails its checksum"),
            "{refused}"
        );
    }
}
