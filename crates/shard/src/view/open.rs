//! Opens the view's directory, or starts it anew.
//!
//! Everything in the directory is derived, so whatever is wrong with it has one answer: start anew, and index the log again. Every file is read and
//! checked before the view serves (about 1.5 GB/s from the page cache): tantivy checks nothing while it searches, so damage would show as wrong hits.

use std::path::Path;
use std::sync::Arc;

use oplog::{Log, SeqNo};
use tantivy::directory::{Directory, RamDirectory};
use tantivy::{Index, IndexBuilder, IndexMeta, IndexSettings};

use super::core::next_of;
use super::doubt::guarded;
use super::published::{ViewSummary, open_searcher};
use super::schema::ViewSchema;
use super::sealed_directory::{META_FILE, SealedDirectory, sealed};
use super::verification::verify_index;
use super::writer::CommitPayload;
use crate::ShardError;
use crate::analysis::Analyzers;

/// An index with what its last commit says about itself, and what it holds in numbers.
type Opened = (Index, CommitPayload, ViewSummary);

/// The index in `dir`, the first operation that it does not hold, and what it holds in numbers.
///
/// A directory that is damaged, has another schema, is ahead of the log, belongs to another one or was made with analyzers that have changed since is
/// removed: the view is rebuilt from the log.
pub(super) fn open_index(
    dir: &Path,
    schema: &ViewSchema,
    analyzers: &Arc<Analyzers>,
    log: &Log,
) -> Result<(Index, u64, ViewSummary), ShardError> {
    let log_next = next_of(log.max_seq_no());
    match open_guarded(dir, schema) {
        Ok(Some((_, payload, _))) if payload.next_seq_no > log_next => {
            let next = payload.next_seq_no;
            tracing::warn!(dir = %dir.display(), next, log_next, "search view is ahead of its log, rebuilding it");
        }
        Ok(Some((_, payload, _))) if !is_of(&payload, log)? => {
            tracing::warn!(dir = %dir.display(), "search view belongs to another log, rebuilding it");
        }
        Ok(Some((_, payload, _))) if analyzers.changed_since(&payload.analysis).is_some() => {
            // What a rebuilt view holds follows from settings and mapping alone; so must what a kept one holds.
            let changed = analyzers.changed_since(&payload.analysis);
            tracing::info!(dir = %dir.display(), changed, "the analysis of the search view has changed, rebuilding it");
        }
        Ok(Some((index, payload, summary))) => return Ok((index, payload.next_seq_no, summary)),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "search view cannot be opened, rebuilding it");
        }
    }
    Ok((create(dir, schema)?, 0, ViewSummary::default()))
}

/// Tantivy panics on some kinds of damage, such as a file that is too short for its own footer.
fn open_guarded(dir: &Path, schema: &ViewSchema) -> Result<Option<Opened>, ShardError> {
    guarded(|| open_existing(dir, schema)).unwrap_or_else(|panic| {
        Err(ShardError::View {
            reason: format!("opening the index panicked: {panic}"),
        })
    })
}

/// Whether the last operation that the view took from its log is the same in this one.
fn is_of(payload: &CommitPayload, log: &Log) -> Result<bool, ShardError> {
    let Some(last) = payload.last else { return Ok(true) };
    // Compaction may have removed the operation: it is dead then, and says nothing.
    let frame = log.get(SeqNo::new(last.seq_no))?;
    Ok(frame.is_none_or(|frame| frame.checksum() == last.checksum))
}

fn open_existing(dir: &Path, schema: &ViewSchema) -> Result<Option<Opened>, ShardError> {
    let Some((mut index, metas)) = open_commit(dir, schema)? else {
        return Ok(None);
    };
    set_tokenizers(&mut index);
    let payload = payload_of(&metas)?;
    verify_index(dir, &index)?;
    // Opens every segment, so that what is wrong with it shows here and not at the first search.
    let summary = ViewSummary::of(&open_searcher(&index)?);
    Ok(Some((index, payload, summary)))
}

/// The index, which cannot analyze anything yet, and what its last commit consists of; `None` if there is none. Reads no segment, writes nothing.
pub(super) fn open_commit(dir: &Path, schema: &ViewSchema) -> Result<Option<(Index, IndexMeta)>, ShardError> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let directory = SealedDirectory::open(dir)?;
    if !Index::exists(&directory).map_err(tantivy::TantivyError::from)? {
        return Ok(None);
    }
    let index = Index::open(directory)?;
    if index.schema() != schema.schema {
        return Err(ShardError::View {
            reason: "another schema".into(),
        });
    }
    let metas = index.load_metas()?;
    Ok(Some((index, metas)))
}

/// What the commit says about itself.
pub(super) fn payload_of(metas: &IndexMeta) -> Result<CommitPayload, ShardError> {
    let Some(text) = &metas.payload else {
        if metas.segments.is_empty() {
            return Ok(CommitPayload::EMPTY);
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
    Ok(payload)
}

/// Lays out an empty index, without syncing anything: that takes five syncs by tantivy's own hand, half of what a new shard waits for. If a crash
/// takes the file, or its content, the view is started anew, and holds as much as before.
fn create(dir: &Path, schema: &ViewSchema) -> Result<Index, ShardError> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    let settings = IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let empty = IndexBuilder::new()
        .schema(schema.schema.clone())
        .settings(settings)
        .open_or_create(RamDirectory::create())?;
    let meta = empty
        .directory()
        .atomic_read(META_FILE.as_ref())
        .map_err(tantivy::TantivyError::from)?;
    std::fs::write(dir.join(META_FILE), sealed(META_FILE, &meta))?;
    let mut index = Index::open(SealedDirectory::open(dir)?)?;
    set_tokenizers(&mut index);
    Ok(index)
}

fn set_tokenizers(index: &mut Index) {
    let tokenizers = ViewSchema::tokenizers();
    index.set_tokenizers(tokenizers.clone());
    index.set_fast_field_tokenizers(tokenizers);
}
