//! Why a copy stopped serving: decided once, kept, and told to everyone who asks from then on.
//!
//! Damage to the log is found by whoever reads it, long after the copy was opened: sealed segments are not scanned at opening, so a damaged copy would open
//! and serve again. Therefore damage that a read met leaves a marker file in the copy's directory, and a copy with a marker does not open. The marker goes
//! when the directory is replaced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::ShardError;

/// Name of the marker in the directory of a copy.
pub(crate) const MARKER_NAME: &str = "corrupted.json";
const MARKER_FORMAT: u32 = 1;

/// What kind of failure ended a copy's service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardFailureKind {
    /// Stored operations are not what was written. Opening the copy again does not help: it is to be rebuilt from another one.
    Corruption,
    /// The log is gone. It may come back, for instance with a file system that was not mounted; else it is to be rebuilt from another copy.
    Missing,
    /// The medium failed, or something else that opening the copy again may mend.
    Storage,
    /// The search view is damaged. Opening the copy again rebuilds it from the log.
    View,
}

/// Why a copy does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFailure {
    /// What can be done about it.
    pub kind: ShardFailureKind,
    /// What happened; damage to the log is told with file, offset and `seq_no`.
    pub reason: String,
}

impl ShardFailure {
    /// A failure of some kind.
    #[must_use]
    pub fn new(kind: ShardFailureKind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, reason }
    }

    /// Whether the copy's operations are damaged or gone, so that only another copy can restore them.
    #[must_use]
    pub fn needs_another_copy(&self) -> bool {
        matches!(
            self.kind,
            ShardFailureKind::Corruption | ShardFailureKind::Missing
        )
    }
}

impl fmt::Display for ShardFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

type Listener = Arc<dyn Fn(&ShardFailure) + Send + Sync>;

#[derive(Default)]
struct State {
    failure: Option<Arc<ShardFailure>>,
    listener: Option<Listener>,
    /// The directory may belong to another copy from now on.
    closed: bool,
}

/// Whether a copy serves. Shared by all of its parts that can meet damage.
pub(crate) struct Health {
    dir: PathBuf,
    label: String,
    /// Set after the failure is; looked at by every call.
    failed: AtomicBool,
    state: Mutex<State>,
}

impl fmt::Debug for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Health")
            .field("shard", &self.label)
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

impl Health {
    /// A copy in `dir` that serves.
    pub(crate) fn new(dir: &Path, label: String) -> Arc<Self> {
        Arc::new(Self {
            dir: dir.to_owned(),
            label,
            failed: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    pub(crate) fn failure(&self) -> Option<Arc<ShardFailure>> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.state.lock().failure.clone()
    }

    /// Refuses once the copy has failed.
    pub(crate) fn check(&self) -> Result<(), ShardError> {
        match self.failure() {
            None => Ok(()),
            Some(failure) => Err(ShardError::Failed(ShardFailure::clone(&failure))),
        }
    }

    /// Ends the service, unless it ended before: the first failure is the one that is told. A copy that was closed takes no notice.
    pub(crate) fn fail(&self, failure: ShardFailure) -> Arc<ShardFailure> {
        let mut state = self.state.lock();
        if let Some(first) = &state.failure {
            return Arc::clone(first);
        }
        let failure = Arc::new(failure);
        if state.closed {
            return failure;
        }
        tracing::error!(shard = %self.label, kind = ?failure.kind, reason = %failure.reason, "shard failed and stops serving");
        if failure.kind == ShardFailureKind::Corruption
            && let Err(error) = write_marker(&self.dir, &failure.reason)
        {
            // The copy stays failed as long as the process lives; afterwards the damage has to be met again.
            tracing::error!(shard = %self.label, %error, "the marker of a corrupt shard cannot be written");
        }
        state.failure = Some(Arc::clone(&failure));
        self.failed.store(true, Ordering::Release);
        let listener = state.listener.clone();
        drop(state);
        if let Some(listener) = listener {
            listener(&failure);
        }
        failure
    }

    /// Passes `result` on; an error that ends the service does so, and becomes [`ShardError::Failed`].
    pub(crate) fn note<T>(&self, result: Result<T, ShardError>) -> Result<T, ShardError> {
        result.map_err(|error| match error.failure() {
            None => error,
            Some(failure) => ShardError::Failed(ShardFailure::clone(&self.fail(failure))),
        })
    }

    pub(crate) fn listen(&self, listener: Listener) {
        let known = {
            let mut state = self.state.lock();
            state.listener = Some(Arc::clone(&listener));
            state.failure.clone()
        };
        if let Some(failure) = known {
            listener(&failure);
        }
    }

    /// After this no failure is told and no marker is written.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.listener = None;
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    reason: String,
}

/// Its content is for people: that the file is there is what counts.
fn write_marker(dir: &Path, reason: &str) -> io::Result<()> {
    let marker = Marker {
        format: MARKER_FORMAT,
        reason: reason.to_owned(),
    };
    let path = dir.join(MARKER_NAME);
    std::fs::write(&path, serde_json::to_vec(&marker)?)?;
    std::fs::File::open(&path)?.sync_all()?;
    std::fs::File::open(dir)?.sync_all()
}

/// What the marker in a copy's directory says, if there is one.
pub(crate) fn read_marker(dir: &Path) -> Option<String> {
    match std::fs::read(dir.join(MARKER_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("the marker cannot be read: {error}")),
        Ok(content) => Some(match serde_json::from_slice::<Marker>(&content) {
            Ok(marker) => marker.reason,
            Err(_) => "the marker cannot be read".to_owned(),
        }),
    }
}

/// Refuses a directory that has a marker.
pub(crate) fn check_marker(dir: &Path) -> Result<(), ShardError> {
    let Some(reason) = read_marker(dir) else {
        return Ok(());
    };
    let path = dir.join(MARKER_NAME);
    let reason = format!("{reason}; found before, see [{}]", path.display());
    Err(ShardError::Failed(ShardFailure::new(
        ShardFailureKind::Corruption,
        reason,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corruption(reason: &str) -> ShardFailure {
        ShardFailure::new(ShardFailureKind::Corruption, reason)
    }

    #[test]
    fn the_first_failure_stays_and_is_told_to_whoever_listens_later() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path(), "orders".into());
        health.check().unwrap();
        health.fail(corruption("first"));
        health.fail(corruption("second"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        health.listen(Arc::new(move |failure| ear.lock().push(failure.reason.clone())));
        assert_eq!(*told.lock(), ["first"]);
        let refused = check_marker(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("first; found before"), "{refused}");
    }

    #[test]
    fn a_closed_copy_leaves_no_marker_where_another_copy_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path(), "orders".into());
        health.close();
        health.fail(corruption("late"));
        check_marker(dir.path()).unwrap();
        health.check().unwrap();
    }

    #[test]
    fn a_marker_counts_whatever_it_says() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARKER_NAME), b"").unwrap();
        assert!(check_marker(dir.path()).is_err());
    }
}
