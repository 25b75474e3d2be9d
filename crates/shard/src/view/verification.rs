//! Verifying the files of a view that is in use: in steps, while commits and merges replace them.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use tantivy::directory::error::OpenReadError;
use tantivy::{Index, TantivyError};

use super::sealed_directory::{FileVerification, files_of};
use crate::ShardError;

/// One pass over the files of a view. It is over when every file of the last commit was found good. Files never change, so those that a commit
/// shares with the one before are read once.
#[derive(Debug, Default)]
pub(crate) struct ViewVerification {
    good: HashSet<String>,
    /// What is left of the last commit that was looked at.
    next: Vec<String>,
    current: Option<FileVerification>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ViewVerificationStep {
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Whether the pass is over.
    pub(crate) done: bool,
}

impl ViewVerification {
    /// Reads at most about `budget` bytes more of the view in `dir`, whose last commit `index` knows.
    ///
    /// # Errors
    /// [`ShardError::View`] names the file that is damaged or gone. [`ShardError::Io`]: the process lacks what it takes to read a file, which
    /// says nothing of the file.
    pub(crate) fn step(
        &mut self,
        dir: &Path,
        index: &Index,
        budget: u64,
    ) -> Result<ViewVerificationStep, ShardError> {
        let mut step = ViewVerificationStep::default();
        loop {
            if let Some(mut file) = self.current.take() {
                if step.bytes >= budget {
                    self.current = Some(file);
                    return Ok(step);
                }
                let most = usize::try_from(budget - step.bytes).unwrap_or(usize::MAX);
                match file.step(most) {
                    Ok(Some(read)) => {
                        step.bytes += read as u64;
                        self.current = Some(file);
                    }
                    Ok(None) => {
                        self.good.insert(file.name().to_owned());
                    }
                    Err(error) => Self::blame(dir, index, file.name(), error)?,
                }
            } else if let Some(name) = self.next.pop() {
                match FileVerification::open(dir, &name) {
                    Ok(file) => self.current = Some(file),
                    Err(error) => Self::blame(dir, index, &name, error)?,
                }
            } else {
                self.next = files_in_use(index)?;
                self.next.retain(|name| !self.good.contains(name));
                if self.next.is_empty() {
                    step.done = true;
                    return Ok(step);
                }
            }
        }
    }

    /// A file that no commit needs any more is nobody's damage: a merge may have removed it.
    fn blame(dir: &Path, index: &Index, name: &str, error: io::Error) -> Result<(), ShardError> {
        if is_shortage(&error) {
            return Err(ShardError::Io(error));
        }
        if files_in_use(index)?.iter().any(|used| used == name) {
            return Err(ShardError::View {
                reason: format!("search view in [{}]: [{name}]: {error}", dir.display()),
            });
        }
        Ok(())
    }
}

/// Whether the process, or the machine, has run out of something that reading any file takes.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error)
        .is_some_and(|errno| [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN].contains(&errno))
}

fn shortage_in(error: &TantivyError) -> Option<io::Error> {
    let cause = match error {
        TantivyError::IoError(cause)
        | TantivyError::OpenReadError(OpenReadError::IoError { io_error: cause, .. }) => cause,
        _ => return None,
    };
    is_shortage(cause).then(|| io::Error::new(cause.kind(), cause.clone()))
}

fn files_in_use(index: &Index) -> Result<Vec<String>, ShardError> {
    let metas = index
        .load_metas()
        .map_err(|error| shortage_in(&error).map_or_else(|| error.into(), ShardError::Io))?;
    Ok(files_of(
        index.directory(),
        metas.list_segment_files().into_iter(),
    )?)
}

/// Reads and checks every file of the last commit.
///
/// # Errors
/// As [`ViewVerification::step`].
pub(super) fn verify_index(dir: &Path, index: &Index) -> Result<(), ShardError> {
    let mut pass = ViewVerification::default();
    while !pass.step(dir, index, u64::MAX)?.done {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(error: io::Error) -> ShardError {
        let index = Index::create_in_ram(tantivy::schema::Schema::builder().build());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.add_document(tantivy::TantivyDocument::default()).unwrap();
        writer.commit().unwrap();
        let name = files_in_use(&index).unwrap().pop().unwrap();
        ViewVerification::blame(Path::new("view"), &index, &name, error).unwrap_err()
    }

    #[test]
    fn a_process_without_file_handles_has_no_damaged_files() {
        let shortage = io::Error::from(rustix::io::Errno::MFILE);
        assert!(matches!(blamed(shortage), ShardError::Io(_)));
        let damage = io::Error::from(rustix::io::Errno::IO);
        assert!(matches!(blamed(damage), ShardError::View { .. }));
    }
}
