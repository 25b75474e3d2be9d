//! Delta heal of a copy: fetching what a leader still holds beside the copy, which goes on serving, and then becoming equal to it at once.

use oplog::{Frame, LiveSnapshot, ReadLimits, SeqNo};

use crate::view::next_of;
use crate::{Shard, ShardError, ShardRole};

impl Shard {
    /// What is live on this copy, for a follower that heals; `None` if there is no operation. It may be ahead of the global checkpoint: to wait is the
    /// caller's job.
    ///
    /// # Errors
    /// [`ShardError::Closed`], [`ShardError::Failed`].
    pub fn live_snapshot(&self) -> Result<Option<LiveSnapshot>, ShardError> {
        self.check_open()?;
        Ok(self.log.live_snapshot())
    }

    /// The operations `from..=to` that this copy still holds, as far as `limits` allow, and the operation after those that were looked at. Bounding by the
    /// global checkpoint is the caller's job.
    ///
    /// # Errors
    /// [`ShardError::Failed`] when one of them is damaged.
    pub fn read_held(
        &self,
        from: SeqNo,
        to: SeqNo,
        limits: ReadLimits,
    ) -> Result<(Vec<Frame>, SeqNo), ShardError> {
        self.check_open()?;
        self.note(self.log.read_held(from, to, limits))
    }

    /// Begins a heal, or goes on with one that was cut off: answers the operation from which on the leader's are to be staged.
    ///
    /// # Errors
    /// [`ShardError::NotAFollower`], [`ShardError::Heal`].
    pub fn begin_heal(&self) -> Result<SeqNo, ShardError> {
        self.check_follower()?;
        let mut heal = self.heal.lock();
        *heal = None;
        let stage = self.note(self.log.stage_heal())?;
        let next = stage.next();
        *heal = Some(stage);
        Ok(next)
    }

    /// Adds, in order, the operations that the leader holds from `from` on and before `next`; answers the operation that is to be staged next.
    ///
    /// # Errors
    /// [`ShardError::Heal`]; the heal is to be begun again then, which tells what is to be staged next.
    pub fn stage_heal(&self, from: SeqNo, frames: &[Frame], next: SeqNo) -> Result<SeqNo, ShardError> {
        self.check_follower()?;
        let mut heal = self.heal.lock();
        let Some(stage) = heal.as_mut() else {
            return self.note(Err(not_begun(self, next)));
        };
        self.note(stage.push(from, frames, next))?;
        Ok(stage.next())
    }

    /// Makes this copy equal to its leader as of `snapshot`, up to which everything was staged, and waits until searches see it. Until then they see the
    /// copy as it was: no search sees anything in between.
    ///
    /// # Errors
    /// [`ShardError::Heal`]: if it is retryable, the heal is to be begun again, which goes on with what was staged.
    pub fn install_heal(&self, snapshot: &LiveSnapshot) -> Result<(), ShardError> {
        self.check_follower()?;
        {
            let mut heal = self.heal.lock();
            // Taken out: whether this succeeds or not, another attempt begins with what the disk says.
            let Some(mut stage) = heal.take() else {
                return self.note(Err(not_begun(self, snapshot.max_seq_no)));
            };
            let _writer = self.writer.lock();
            self.note(self.log.install_heal(&mut stage, snapshot))?;
        }
        self.pass_heal()
    }

    /// Drops what a heal has staged: a copy that writes itself is not healed any more.
    pub(crate) fn abandon_heal(&self) {
        let mut heal = self.heal.lock();
        *heal = None;
        if let Err(error) = self.log.discard_heal() {
            tracing::warn!(shard = %self.id, %error, "operations staged for a heal cannot be removed, they only take space");
        }
    }

    /// Waits until the search view has passed the last heal. What the tail holds cannot tell of documents that only gone operations made dead.
    pub(crate) fn pass_heal(&self) -> Result<(), ShardError> {
        match self.log.healed() {
            Some(heal) => self.view.refresh_to(next_of(Some(heal.through()))).wait(),
            None => Ok(()),
        }
    }

    fn check_follower(&self) -> Result<(), ShardError> {
        self.check_open()?;
        match self.role() {
            ShardRole::Follower => Ok(()),
            ShardRole::Primary => Err(ShardError::NotAFollower),
        }
    }
}

fn not_begun(shard: &Shard, next: SeqNo) -> oplog::HealError {
    let log = SeqNo::new(next_of(shard.log.max_seq_no()));
    oplog::HealError::Moved { log, staged: next }
}
