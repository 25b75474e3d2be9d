//! Opens the view's directory, or starts it anew.

use std::path::Path;

use tantivy::directory::MmapDirectory;
use tantivy::{Index, IndexBuilder, IndexMeta, IndexSettings};

use super::schema::ViewSchema;
use super::writer::CommitPayload;
use crate::ShardError;

/// The index in `dir` and the first operation that it does not hold.
///
/// A directory that cannot be opened, has another schema, or is ahead of the log (which holds operations below `log_next`) is
/// removed: the view is rebuilt from the log.
pub(super) fn open_index(dir: &Path, schema: &ViewSchema, log_next: u64) -> Result<(Index, u64), ShardError> {
    match open_guarded(dir, schema) {
        Ok(Some((index, next))) if next <= log_next => return Ok((index, next)),
        Ok(Some((_, next))) => {
            tracing::warn!(dir = %dir.display(), next, log_next, "search view is ahead of its log, rebuilding it");
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "search view cannot be opened, rebuilding it");
        }
    }
    Ok((create(dir, schema)?, 0))
}

/// Tantivy panics on some kinds of damage, such as a file that is too short for its own footer.
fn open_guarded(dir: &Path, schema: &ViewSchema) -> Result<Option<(Index, u64)>, ShardError> {
    std::panic::catch_unwind(|| open_existing(dir, schema)).unwrap_or_else(|_| {
        Err(ShardError::View {
            reason: "opening the index panicked".into(),
        })
    })
}

fn open_existing(dir: &Path, schema: &ViewSchema) -> Result<Option<(Index, u64)>, ShardError> {
    let Some((index, metas)) = open_commit(dir, schema)? else {
        return Ok(None);
    };
    let next = next_seq_no(&metas)?;
    // Opens every segment, so that damage shows here and not at the first search.
    index
        .reader_builder()
        .reload_policy(tantivy::ReloadPolicy::Manual)
        .try_into()?;
    Ok(Some((index, next)))
}

/// The index and what its last commit consists of; `None` if there is none. Reads no segment, writes nothing.
pub(super) fn open_commit(dir: &Path, schema: &ViewSchema) -> Result<Option<(Index, IndexMeta)>, ShardError> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    if !Index::exists(&directory).map_err(tantivy::TantivyError::from)? {
        return Ok(None);
    }
    let mut index = Index::open(directory)?;
    if index.schema() != schema.schema {
        return Err(ShardError::View {
            reason: "another schema".into(),
        });
    }
    index.set_tokenizers(ViewSchema::tokenizers());
    let metas = index.load_metas()?;
    Ok(Some((index, metas)))
}

/// The first operation that the commit does not hold.
pub(super) fn next_seq_no(metas: &IndexMeta) -> Result<u64, ShardError> {
    let Some(text) = &metas.payload else {
        if metas.segments.is_empty() {
            return Ok(0);
        }
        return Err(ShardError::View {
            reason: "the commit does not say what it holds".into(),
        });
    };
    let payload: CommitPayload = serde_json::from_str(text).map_err(|error| ShardError::View {
        reason: error.to_string(),
    })?;
    if payload.format != CommitPayload::FORMAT {
        return Err(ShardError::View {
            reason: format!("format [{}] of the commit is not known", payload.format),
        });
    }
    Ok(payload.next_seq_no)
}

fn create(dir: &Path, schema: &ViewSchema) -> Result<Index, ShardError> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    let settings = IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = IndexBuilder::new()
        .schema(schema.schema.clone())
        .settings(settings)
        .tokenizers(ViewSchema::tokenizers())
        .open_or_create(directory)?;
    Ok(index)
}
