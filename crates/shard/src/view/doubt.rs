//! Reads of the view that may meet damage: tantivy answers it with errors, with panics, or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tantivy::Searcher;

use super::core::ViewCore;
use super::published::Published;
use crate::ShardError;

impl ViewCore {
    /// Runs a read of a state of the view, as [`read`](Self::read) does.
    pub(crate) fn read_state<T>(
        self: &Arc<Self>,
        published: &Published,
        read: impl FnOnce(&Searcher) -> tantivy::Result<T>,
    ) -> Result<T, ShardError> {
        self.read(|| read(&self.searcher(published)?))
    }

    /// Runs a read of the view. One that panics, or fails as reads of damaged files do, puts the view in doubt: a damaged view is thrown away,
    /// and after a panic one that is not known to be damaged is too, once in the life of the process.
    pub(crate) fn read<T>(&self, read: impl FnOnce() -> tantivy::Result<T>) -> Result<T, ShardError> {
        let (reason, panicked) = match guarded(read) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if !hints_at_damage(&error) => return Err(error.into()),
            Ok(Err(error)) => (format!("a read of the search view failed: {error}"), false),
            Err(panic) => (format!("a read of the search view panicked: {panic}"), true),
        };
        tracing::error!(view = ?self, %reason, "search view is in doubt");
        self.doubt(&reason, panicked);
        self.health().check()?;
        Err(ShardError::View { reason })
    }
}

/// Runs what may panic on damaged files; answers the message of a panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned())
    })
}

/// Whether an error may come from damaged files, and not from what was asked for.
fn hints_at_damage(error: &tantivy::TantivyError) -> bool {
    use tantivy::TantivyError as Error;
    matches!(
        error,
        Error::OpenReadError(_)
            | Error::IoError(_)
            | Error::DataCorruption(_)
            | Error::IncompatibleIndex(_)
            | Error::InternalError(_)
            | Error::DeserializeError(_)
            | Error::Poisoned
    )
}
