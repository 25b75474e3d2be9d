//! Verifying the files of a copy that is not open, without changing any of them.

use std::path::Path;

use oplog::{CheckReport, FsStorage, SeqNo, SeqNoRange};

use crate::ShardError;
use crate::failure::read_marker;
use crate::shard::{log_dir, view_dir};
use crate::view::{ViewCheck, check_view, next_of};

/// What a verification of a copy found.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardCheck {
    /// The log: everything the copy knows.
    pub log: CheckReport,
    /// The search view, which is made of it.
    pub view: ViewCheck,
    /// Operations after the log's last one that the view has documents of. A view takes only what is durable in the log, so they were there.
    pub lost: Option<SeqNoRange>,
    /// The damage that ended the copy's service before: a node does not open it, whatever it is worth now.
    pub marker: Option<String>,
}

impl ShardCheck {
    /// Whether data is lost, or was found to be while the copy was open.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.log.is_damaged() || self.lost.is_some() || self.marker.is_some()
    }

    /// The last operation that the log had, be it still there or compacted away.
    #[must_use]
    pub fn max_seq_no(&self) -> Option<SeqNo> {
        max_seq_no(&self.log)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size_in_bytes(&self) -> u64 {
        let log: u64 = self.log.files.iter().map(|file| file.length).sum();
        let view: u64 = self.view.files.iter().map(|file| file.length).sum();
        log + view
    }
}

/// Verifies every byte of the copy in `dir`: the log, the search view, and that they fit each other. Changes nothing. The copy must not be open.
///
/// # Errors
/// [`ShardError::Log`] when there is no log or the medium fails, [`ShardError::Io`] when the medium fails. Damage is in the answer.
pub fn check_dir(dir: &Path) -> Result<ShardCheck, ShardError> {
    let log = oplog::check(&FsStorage, &log_dir(dir))?;
    let mut view = check_view(&view_dir(dir))?;
    // A damaged log does not tell reliably where it ends.
    let lost = if log.is_damaged() {
        None
    } else {
        compare(&log, &mut view);
        lost(&log, &view)
    };
    Ok(ShardCheck {
        log,
        view,
        lost,
        marker: read_marker(dir),
    })
}

/// The durable checkpoint covers the operations at the end that were compacted away.
fn max_seq_no(log: &CheckReport) -> Option<SeqNo> {
    let durable = log.checkpoint.as_ref().and_then(|checkpoint| checkpoint.durable);
    log.max_seq_no.max(durable)
}

fn compare(log: &CheckReport, view: &mut ViewCheck) {
    let (Some(view_next), log_next) = (view.next_seq_no, next_of(max_seq_no(log))) else {
        return;
    };
    if view_next > log_next {
        let reason = format!(
            "it says that it holds every operation below {view_next}, but the log ends before {log_next}"
        );
        view.problems.push(reason);
    } else if view_next == log_next
        && let Some(docs) = view.docs.filter(|docs| *docs != log.live_count)
    {
        let reason = format!(
            "it holds {docs} documents, but the log has {} live operations",
            log.live_count
        );
        view.problems.push(reason);
    }
}

fn lost(log: &CheckReport, view: &ViewCheck) -> Option<SeqNoRange> {
    let last = view.last_document?;
    SeqNoRange::new(SeqNo::new(next_of(max_seq_no(log))), last)
}
