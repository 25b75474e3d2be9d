//! Where the frames of the open segment lie, as far as it is worth memory.

use std::sync::Arc;

use crate::entries::{Entry, scan_entries};
use crate::shared::{ActiveSegment, Shared};
use crate::{LogError, SeqNo};

/// So many entries, 16 KiB of them, stay in memory however long nobody needs them. Few in tests, for random histories to meet the rule.
pub(crate) const KEPT_ENTRIES: usize = if cfg!(test) { 4 } else { 1024 };

/// An entry of an operation of the open segment is not in memory; [`Shared::recall_entries`] brings it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten;

/// The entries of the open segment: one for each of its operations, without holes, so that the place of an entry is its `delta`.
///
/// A log that nobody reads or writes for a while forgets them: the segment itself tells where its frames lie. Those of operations that are appended
/// afterwards are known again.
#[derive(Debug, Default)]
pub(crate) struct OpenEntries {
    /// The first so many are not in memory.
    forgotten: usize,
    known: Vec<Entry>,
    /// Whether anybody needed them since this was last set to `false`.
    used: bool,
}

impl OpenEntries {
    pub(crate) const fn new(known: Vec<Entry>) -> Self {
        Self {
            forgotten: 0,
            known,
            used: false,
        }
    }

    /// The entries from place `start` on, at most `count`, and where the frame after them begins if there is one.
    pub(crate) fn run(&mut self, start: u64, count: usize) -> Result<(&[Entry], Option<u64>), Forgotten> {
        self.used = true;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let start = start.checked_sub(self.forgotten).ok_or(Forgotten)?;
        let start = start.min(self.known.len());
        let stop = start.saturating_add(count).min(self.known.len());
        let after = self.known.get(stop).map(|entry| u64::from(entry.offset));
        Ok((&self.known[start..stop], after))
    }

    /// Entries of operations that continue the segment. Leaves `more` empty.
    pub(crate) fn append(&mut self, more: &mut Vec<Entry>) {
        self.used = true;
        self.known.append(more);
    }

    /// Every entry.
    pub(crate) fn all(&self) -> Result<&[Entry], Forgotten> {
        if self.forgotten > 0 {
            return Err(Forgotten);
        }
        Ok(&self.known)
    }

    /// Whether there is anything that [`Self::forget_unused`] could give back.
    pub(crate) const fn is_large(&self) -> bool {
        self.known.len() > KEPT_ENTRIES
    }

    /// Gives back the memory, unless somebody needed an entry since the last call; whether it did.
    pub(crate) fn forget_unused(&mut self) -> bool {
        if std::mem::take(&mut self.used) || !self.is_large() {
            return false;
        }
        self.forgotten += self.known.len();
        self.known = Vec::new();
        true
    }
}

impl Shared {
    /// Brings the entries of the open segment back to memory by reading it, unless they are there. Reads at most a segment.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] when a frame is damaged, and what reading the file gives.
    pub(crate) fn recall_entries(self: &Arc<Self>) -> Result<(), LogError> {
        let (file, path, header, length, forgotten) = {
            let active: &ActiveSegment = &self.state.lock().active;
            let forgotten = active.entries.forgotten;
            if forgotten == 0 {
                return Ok(());
            }
            let (file, path) = (active.file.clone(), active.path.clone());
            (file, path, active.header, active.length, forgotten)
        };
        let mut entries = scan_entries(&*file, &path, header, length)?;
        if entries.len() < forgotten {
            let missing = SeqNo::new(header.first.get() + entries.len() as u64);
            return Err(LogError::corrupt(
                &path,
                length,
                Some(missing),
                "the file ends".to_owned(),
            ));
        }
        entries.truncate(forgotten);
        let mut state = self.state.lock();
        let active = &mut state.active;
        // Somebody else may have been faster, or the segment is sealed by now.
        if active.header == header && active.entries.forgotten == forgotten {
            entries.append(&mut active.entries.known);
            active.entries = OpenEntries {
                forgotten: 0,
                known: entries,
                used: true,
            };
            // For the writer to see when they are not needed any more.
            self.schedule(&mut state);
        }
        Ok(())
    }
}
