//! Verifying the files of a search view that is not open, without changing any of them.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use oplog::SeqNo;
use tantivy::{Index, IndexMeta, SegmentReader};

use super::open::{open_commit, payload_of};
use super::schema::{SEQ_NO, ViewSchema};
use super::sealed_directory::verify_file;
use crate::ShardError;
use crate::error::describe;

/// One file of a search view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewFileCheck {
    /// Its name in the view's directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// What a verification of a search view found. Whatever is wrong with a view, nothing is lost: it is built again from the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewCheck {
    /// Every file, in the order of their names. None when there is no view yet.
    pub files: Vec<ViewFileCheck>,
    /// What is wrong with the view as a whole.
    pub problems: Vec<String>,
    /// The first operation that the last commit does not hold; `None` if there is no commit that can be read.
    pub next_seq_no: Option<u64>,
    /// The documents that a search would find; `None` if something is wrong.
    pub docs: Option<u64>,
    /// The last operation among all documents, deleted ones included; `None` also if something is wrong.
    pub last_document: Option<SeqNo>,
}

impl ViewCheck {
    /// Whether the view must be built again.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.problems.is_empty() || self.has_damaged_files()
    }

    fn has_damaged_files(&self) -> bool {
        self.files.iter().any(|file| file.problem.is_some())
    }
}

/// Verifies every byte of the last commit of the view in `dir`.
///
/// # Errors
/// When the directory cannot be listed. Anything else that is wrong is in the answer.
pub(crate) fn check_view(dir: &Path) -> io::Result<ViewCheck> {
    let mut check = ViewCheck::default();
    let mut files = list(dir)?;
    if files.is_empty() {
        return Ok(check);
    }
    // What says which files there are has no checksum, and tantivy panics on some values that make no sense.
    let read = std::panic::catch_unwind(AssertUnwindSafe(|| read(dir, &mut files, &mut check)));
    let read = read.unwrap_or_else(|_| {
        Err(ShardError::View {
            reason: "reading it panicked".into(),
        })
    });
    if let Err(error) = read {
        check.problems.push(match error {
            ShardError::View { reason } => reason,
            other => describe(&other),
        });
    }
    check.files = files.into_values().collect();
    Ok(check)
}

fn list(dir: &Path) -> io::Result<BTreeMap<String, ViewFileCheck>> {
    let mut files = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let length = metadata.len();
            let file = ViewFileCheck {
                name: name.clone(),
                length,
                problem: None,
            };
            files.insert(name, file);
        }
    }
    Ok(files)
}

fn read(
    dir: &Path,
    files: &mut BTreeMap<String, ViewFileCheck>,
    check: &mut ViewCheck,
) -> Result<(), ShardError> {
    let Some((index, metas)) = open_commit(dir, &ViewSchema::shared())? else {
        return Err(ShardError::View {
            reason: "meta.json is missing".into(),
        });
    };
    check.next_seq_no = Some(payload_of(&metas)?.next_seq_no);
    let managed = index.directory().list_managed_files();
    let mut is_good = true;
    for path in metas.list_segment_files() {
        let name = path.to_string_lossy().into_owned();
        // Not every kind of file exists for every segment.
        if !files.contains_key(&name) && !managed.contains(&path) {
            continue;
        }
        let file = files.entry(name.clone()).or_insert_with(|| ViewFileCheck {
            name,
            length: 0,
            problem: Some("it is missing".into()),
        });
        if file.problem.is_none() {
            file.problem = verify_file(dir, &file.name).err().map(|error| error.to_string());
        }
        is_good &= file.problem.is_none();
    }
    if is_good {
        count(&index, &metas, check)?;
    }
    Ok(())
}

fn count(index: &Index, metas: &IndexMeta, check: &mut ViewCheck) -> Result<(), ShardError> {
    let (mut docs, mut last) = (0, None);
    for segment in &metas.segments {
        let reader = SegmentReader::open(&index.segment(segment.clone()))?;
        docs += u64::from(reader.num_docs());
        if reader.max_doc() > 0 {
            let seq_nos = reader.fast_fields().u64(SEQ_NO)?;
            last = last.max(Some(SeqNo::new(seq_nos.max_value())));
        }
    }
    check.docs = Some(docs);
    check.last_document = last;
    Ok(())
}
