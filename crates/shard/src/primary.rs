//! Writes to a primary: check, plan versions, append.
//!
//! Documents are checked against the mapping before the writer lock is taken, since that is the expensive part. Under the lock each write is planned against the
//! current state of its document: operations planned earlier in the batch, else the tail, else the view's `_id` term.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use index_meta::{DocumentCheck, DocumentRules, Mapping};
use oplog::{DocumentVersion, Frame, Operation, OperationKind, PrimaryTerm, SeqNo, UnixMillis};

use crate::tail::TailOperation;
use crate::view::next_of;
use crate::write::{DocumentWrite, WriteBatch, WriteOperation, WriteOutcome, WritePrecondition, WriteResult};
use crate::{Shard, ShardError, ShardRole, WriteError};

/// What is known of a document before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    Absent,
    Live {
        seq_no: SeqNo,
        version: DocumentVersion,
        primary_term: Option<PrimaryTerm>,
    },
    Deleted {
        version: DocumentVersion,
    },
}

impl Current {
    /// Version of the document, or of its deletion while that is remembered.
    fn version(self) -> Option<DocumentVersion> {
        match self {
            Self::Absent => None,
            Self::Live { version, .. } | Self::Deleted { version } => Some(version),
        }
    }

    fn live_seq_no(self) -> Option<SeqNo> {
        match self {
            Self::Live { seq_no, .. } => Some(seq_no),
            Self::Absent | Self::Deleted { .. } => None,
        }
    }
}

/// Plans one batch under the writer lock.
struct Planner<'a> {
    shard: &'a Shard,
    next: u64,
    primary_term: PrimaryTerm,
    timestamp: UnixMillis,
    /// State after the operations that were planned already; only kept when a later write of the batch could look.
    planned: Option<HashMap<String, Current>>,
    frames: Vec<Frame>,
}

impl Shard {
    /// Plans and appends a batch; blocks until that is done, not until it is durable: for that there is the ticket.
    ///
    /// Each item succeeds or fails alone. The operations get consecutive sequence numbers in the order of the batch.
    ///
    /// # Errors
    /// [`ShardError::Failed`] when the log fails, [`ShardError::TailFull`] when the view does not keep up for long. Nothing was written then.
    pub fn write(&self, writes: Vec<DocumentWrite>) -> Result<WriteBatch, ShardError> {
        self.check_open()?;
        let mapping = self.metadata.mapping();
        let rules = self.metadata.settings().document_rules();
        let follows = self.role() == ShardRole::Follower;
        let checks: Vec<Result<(), WriteError>> = writes
            .iter()
            .map(|write| {
                if follows {
                    Err(WriteError::FollowerReadOnly)
                } else {
                    check_document(&mapping, write, rules)
                }
            })
            .collect();
        if checks.iter().all(Result::is_err) {
            let items = checks.into_iter().filter_map(Result::err).map(Err).collect();
            return Ok(WriteBatch { items, ticket: None });
        }
        let _writer = self.writer.lock();
        self.check_open()?;
        self.wait_for_room()?;
        let mut planner = Planner {
            shard: self,
            next: next_of(self.log.max_seq_no()),
            primary_term: self.log.primary_term(),
            timestamp: self.clock.now(),
            planned: (writes.len() > 1).then(HashMap::new),
            frames: Vec::with_capacity(writes.len()),
        };
        let follows = self.role() == ShardRole::Follower;
        let mut items = Vec::with_capacity(writes.len());
        for (write, check) in writes.into_iter().zip(checks) {
            let item = match check {
                Err(error) => Err(error),
                Ok(()) if follows => Err(WriteError::FollowerReadOnly),
                Ok(()) => planner.plan(write)?,
            };
            items.push(item);
        }
        let frames = planner.frames;
        if frames.is_empty() {
            return Ok(WriteBatch { items, ticket: None });
        }
        let operations = frames.iter().map(TailOperation::of).collect();
        let ticket = self.note(self.log.append(frames, self.durability()))?;
        self.tail.insert(operations);
        self.count_writes(&items);
        self.view.appended();
        Ok(WriteBatch {
            items,
            ticket: Some(ticket),
        })
    }

    fn count_writes(&self, items: &[Result<WriteOutcome, WriteError>]) {
        let deletes =
            |outcome: &&WriteOutcome| matches!(outcome.result, WriteResult::Deleted | WriteResult::NotFound);
        let written = items.iter().flatten().count();
        let deleted = items.iter().flatten().filter(deletes).count();
        self.counters.deleted.fetch_add(deleted as u64, Ordering::Relaxed);
        self.counters
            .indexed
            .fetch_add((written - deleted) as u64, Ordering::Relaxed);
    }

    fn current(&self, id: &str) -> Result<Current, ShardError> {
        if let Some(entry) = self.tail.get(id) {
            return Ok(if entry.deleted {
                Current::Deleted {
                    version: entry.version,
                }
            } else {
                Current::Live {
                    seq_no: entry.seq_no,
                    version: entry.version,
                    primary_term: Some(entry.primary_term),
                }
            });
        }
        let located = self.locate(id)?;
        Ok(located.map_or(Current::Absent, |found| Current::Live {
            seq_no: found.seq_no,
            version: found.version,
            primary_term: None,
        }))
    }
}

fn check_document(mapping: &Mapping, write: &DocumentWrite, rules: DocumentRules) -> Result<(), WriteError> {
    if write.id.is_empty() {
        return Err(WriteError::Invalid {
            reason: "if _id is specified it must not be empty".into(),
        });
    }
    let WriteOperation::Index { source, .. } = &write.operation else {
        return Ok(());
    };
    match mapping.check_document_within(source, rules)? {
        DocumentCheck::Fits => Ok(()),
        DocumentCheck::NeedsMapping(update) => Err(WriteError::MappingUpdateRequired(update)),
    }
}

impl Planner<'_> {
    fn plan(&mut self, write: DocumentWrite) -> Result<Result<WriteOutcome, WriteError>, ShardError> {
        let current = self.current(&write)?;
        if let Err(refusal) = self.check_precondition(&write, current)? {
            return Ok(Err(refusal));
        }
        let version = match write.precondition {
            WritePrecondition::External { version } | WritePrecondition::ExternalGte { version } => version,
            WritePrecondition::None | WritePrecondition::SeqNo { .. } => {
                DocumentVersion::new(current.version().map_or(1, |version| version.get() + 1))
            }
        };
        let seq_no = SeqNo::new(self.next);
        let superseded = current.live_seq_no();
        let (kind, source, result) = match write.operation {
            WriteOperation::Index { source, .. } => {
                let result = if superseded.is_some() {
                    WriteResult::Updated
                } else {
                    WriteResult::Created
                };
                (OperationKind::Index, source, result)
            }
            WriteOperation::Delete => {
                let result = if superseded.is_some() {
                    WriteResult::Deleted
                } else {
                    WriteResult::NotFound
                };
                (OperationKind::Delete, Bytes::new(), result)
            }
        };
        let operation = Operation {
            seq_no,
            superseded,
            primary_term: self.primary_term,
            version,
            timestamp: self.timestamp,
            kind,
            id: write.id,
            routing: write.routing,
            source,
        };
        match operation.to_frame() {
            Ok(frame) => self.frames.push(frame),
            Err(error) => {
                return Ok(Err(WriteError::Invalid {
                    reason: error.to_string(),
                }));
            }
        }
        self.next += 1;
        if let Some(planned) = &mut self.planned {
            let after = match kind {
                OperationKind::Delete => Current::Deleted { version },
                _ => Current::Live {
                    seq_no,
                    version,
                    primary_term: Some(self.primary_term),
                },
            };
            planned.insert(operation.id, after);
        }
        Ok(Ok(WriteOutcome {
            result,
            seq_no,
            primary_term: self.primary_term,
            version,
        }))
    }

    fn current(&self, write: &DocumentWrite) -> Result<Current, ShardError> {
        if let Some(current) = self.planned.as_ref().and_then(|planned| planned.get(&write.id)) {
            return Ok(*current);
        }
        if write.auto_id {
            return Ok(Current::Absent);
        }
        self.shard.current(&write.id)
    }

    /// The primary term that a live document was last changed in.
    fn term_of(&self, seq_no: SeqNo, known: Option<PrimaryTerm>) -> Result<Option<PrimaryTerm>, ShardError> {
        match known {
            Some(term) => Ok(Some(term)),
            None => Ok(self
                .shard
                .note(self.shard.log.get(seq_no))?
                .map(|frame| frame.primary_term())),
        }
    }

    fn check_precondition(
        &self,
        write: &DocumentWrite,
        current: Current,
    ) -> Result<Result<(), WriteError>, ShardError> {
        let conflict = |expected: String, current: String| WriteError::VersionConflict {
            id: write.id.clone(),
            expected,
            current,
        };
        if let (
            WriteOperation::Index {
                create_only: true, ..
            },
            Current::Live {
                seq_no,
                version,
                primary_term,
            },
        ) = (&write.operation, current)
        {
            let primary_term = self.term_of(seq_no, primary_term)?.unwrap_or(self.primary_term);
            return Ok(Err(WriteError::DocumentExists {
                id: write.id.clone(),
                version,
                seq_no,
                primary_term,
            }));
        }
        Ok(match write.precondition {
            WritePrecondition::None => Ok(()),
            WritePrecondition::SeqNo { seq_no, primary_term } => {
                let required = format!("required seqNo [{seq_no}], primary term [{primary_term}]");
                match current {
                    Current::Live {
                        seq_no: held,
                        primary_term: known,
                        ..
                    } => {
                        let term = self.term_of(held, known)?;
                        if held == seq_no && term == Some(primary_term) {
                            Ok(())
                        } else {
                            let term = term.map_or_else(|| "unknown".into(), |term| term.to_string());
                            Err(conflict(
                                required,
                                format!("current document has seqNo [{held}] and primary term [{term}]"),
                            ))
                        }
                    }
                    Current::Absent | Current::Deleted { .. } => {
                        Err(conflict(required, "no document was found".into()))
                    }
                }
            }
            WritePrecondition::External { version } => match current.version() {
                Some(held) if held >= version => Err(conflict(
                    format!("current version [{held}] is higher or equal to the one provided [{version}]"),
                    "version type [external]".into(),
                )),
                _ => Ok(()),
            },
            WritePrecondition::ExternalGte { version } => match current.version() {
                Some(held) if held > version => Err(conflict(
                    format!("current version [{held}] is higher than the one provided [{version}]"),
                    "version type [external_gte]".into(),
                )),
                _ => Ok(()),
            },
        })
    }
}
