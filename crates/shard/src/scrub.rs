//! Reading the files of a copy again while it serves, so that damage is found while there are other copies to repair it from.

use oplog::{ByteCount, Scrubber};

use crate::error::describe;
use crate::view::ViewVerification;
use crate::{Shard, ShardError};

/// A pass that is under way. Holds memory, so a shard that is not scrubbed has none.
#[derive(Debug)]
pub(crate) enum ScrubPass {
    Log { scrubber: Scrubber, bytes: u64 },
    View(ViewVerification),
}

/// What one step of a scrub did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubStep {
    /// Bytes of operations and of the search view's files that were verified.
    pub bytes: ByteCount,
    /// Whether the pass is over. The next step begins another one.
    pub done: bool,
}

impl Default for ScrubPass {
    fn default() -> Self {
        Self::Log {
            scrubber: Scrubber::new(),
            bytes: 0,
        }
    }
}

impl Shard {
    /// Verifies about `budget` bytes more of the copy's files: its log, the log's small files, and the files of the search view. A small file that is
    /// damaged is written anew from memory; a view that is damaged is thrown away (see [`rebuild_view`](Self::rebuild_view)). Blocks.
    ///
    /// # Errors
    /// [`ShardError::Closed`]; [`ShardError::Failed`] with what is damaged or could not be read or written, which ends the service of the copy. The
    /// next step begins a new pass.
    pub fn scrub_step(&self, budget: ByteCount) -> Result<ScrubStep, ShardError> {
        self.check_open()?;
        let mut place = self.scrub.lock();
        let mut pass = place.take().unwrap_or_default();
        let step = self.scrub_pass(&mut pass, budget)?;
        if !step.done {
            *place = Some(pass);
        }
        Ok(step)
    }

    fn scrub_pass(&self, pass: &mut ScrubPass, budget: ByteCount) -> Result<ScrubStep, ShardError> {
        match pass {
            ScrubPass::Log { scrubber, bytes } => {
                let progress = self.note(scrubber.step(&self.log, budget))?;
                let read = progress.bytes - *bytes;
                *bytes = progress.bytes;
                if progress.done {
                    self.note(self.log.verify_small_files())?;
                    *pass = ScrubPass::View(ViewVerification::default());
                }
                Ok(ScrubStep {
                    bytes: ByteCount::new(read),
                    done: false,
                })
            }
            ScrubPass::View(verification) => match self.view.verify_step(verification, budget.get().max(1)) {
                Ok(step) => Ok(ScrubStep {
                    bytes: ByteCount::new(step.bytes),
                    done: step.done,
                }),
                Err(shortage @ ShardError::Io(_)) => Err(shortage),
                Err(damage) => {
                    self.rebuild_view(&describe(&damage));
                    // The copy says so itself from now on.
                    self.check_open()?;
                    Err(damage)
                }
            },
        }
    }
}
