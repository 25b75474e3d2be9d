//! Recovery sessions: a follower copies the pinned files of a shard in ranges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, StreamExt};
use oplog::{ByteCount, Clock, HistoryUuid, ShardId};
use parking_lot::Mutex;
use shard::{SNAPSHOT_PIECE_BYTES, Shard, ShardSnapshot};
use transport::{
    FileChunk, FileChunks, FilePieces, OpenRecoverySessionRequest, ReadFileRequest, RecoveryFile,
    RecoverySession,
};

use crate::blocking::blocking;
use crate::rate_limiter::RateLimiter;

/// Sessions that may be open at a time on one node; each pins the files of a shard on disk.
const MAX_SESSIONS: usize = 1000;
/// Largest range that one request may ask for. Source: the upper bound of `ccr.indices.recovery.chunk_size`.
const MAX_RANGE: u64 = 1024 * 1024 * 1024;
/// Bytes that are read and held at a time for one request.
const PIECE: usize = 1024 * 1024;

/// The recovery sessions of one node. They are not persisted: a restart of the leader ends them.
#[derive(Debug)]
pub struct RecoverySessions {
    clock: Arc<dyn Clock>,
    limiter: Arc<RateLimiter>,
    open: Mutex<BTreeMap<String, Arc<Session>>>,
}

#[derive(Debug)]
struct Session {
    shard_id: ShardId,
    history_uuid: HistoryUuid,
    snapshot: ShardSnapshot,
    last_access: Mutex<Duration>,
}

impl RecoverySessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let limiter = RateLimiter::new(crate::CcrSettings::DEFAULTS.recovery_max_bytes_per_sec);
        Self {
            clock,
            limiter: Arc::new(limiter),
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// How many sessions are open.
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// The shard of each open session.
    pub fn shards(&self) -> Vec<ShardId> {
        let open = self.open.lock();
        open.values().map(|session| session.shard_id.clone()).collect()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Total time for which reads were held back to keep the rate.
    pub fn throttle_time(&self) -> Duration {
        self.limiter.throttled()
    }

    /// Pins the shard's files and answers their list. The same id again answers the same session.
    pub(super) async fn open(
        &self,
        request: OpenRecoverySessionRequest,
        shard: Arc<Shard>,
    ) -> Result<RecoverySession, Exception> {
        let known = self.open.lock().get(&request.session_id).cloned();
        if let Some(session) = known {
            check_shard(&session, &request.session_id, &request.shard)?;
            return Ok(session.describe(&request.session_id));
        }
        let now = self.clock.monotonic();
        let shard_id = request.shard.clone();
        let session = blocking(move || {
            let history_uuid = shard.log().history_uuid();
            let snapshot = shard.pin_snapshot().map_err(|error| Exception::from(&error))?;
            Ok(Session {
                shard_id,
                history_uuid,
                snapshot,
                last_access: Mutex::new(now),
            })
        })
        .await?;
        let mut open = self.open.lock();
        if open.len() >= MAX_SESSIONS {
            return Err(Exception::new(
                ExceptionKind::EsRejectedExecution,
                format!(
                    "{MAX_SESSIONS} recovery sessions are open on this node; try again when some have ended"
                ),
            ));
        }
        let session = Arc::clone(
            open.entry(request.session_id.clone())
                .or_insert_with(|| Arc::new(session)),
        );
        Ok(session.describe(&request.session_id))
    }

    /// Reads a range of one pinned file, held back so that all reads together keep `max_bytes_per_sec`.
    pub(super) async fn read(
        &self,
        request: ReadFileRequest,
        max_bytes_per_sec: ByteCount,
    ) -> Result<FileChunks, Exception> {
        let session = self.get(&request.session_id)?;
        check_shard(&session, &request.session_id, &request.shard)?;
        if request.length > MAX_RANGE {
            return Err(Exception::illegal_argument(format!(
                "a range of {} bytes was asked for; the largest is {MAX_RANGE}",
                request.length
            )));
        }
        if !session
            .snapshot
            .files()
            .iter()
            .any(|file| file.name == request.file)
        {
            return Err(Exception::illegal_argument(format!(
                "recovery session [{}] has no file [{}]",
                request.session_id, request.file
            )));
        }
        self.limiter.set_bytes_per_sec(max_bytes_per_sec);
        Ok(self.pieces(session, request))
    }

    /// The range in pieces. Each is booked and read when the one before is on its way, so that a reader who leaves takes no more of the rate.
    fn pieces(&self, session: Arc<Session>, request: ReadFileRequest) -> FileChunks {
        let end = request.offset.saturating_add(request.length);
        let (limiter, clock, file) = (Arc::clone(&self.limiter), Arc::clone(&self.clock), request.file);
        let pieces = stream::unfold(request.offset, move |offset| {
            let (session, file) = (Arc::clone(&session), file.clone());
            let (limiter, clock) = (Arc::clone(&limiter), Arc::clone(&clock));
            async move {
                if offset >= end {
                    return None;
                }
                let length = PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE));
                tokio::time::sleep(limiter.book(length as u64, clock.monotonic())).await;
                *session.last_access.lock() = clock.monotonic();
                let read = blocking(move || {
                    let bytes = session.snapshot.read_at(&file, offset, length);
                    bytes.map_err(|error| Exception::from(&error))
                });
                // A failure ends the stream: nothing comes after it.
                match read.await {
                    Ok(bytes) => Some((Ok(FileChunk::new(offset, bytes)), offset + length as u64)),
                    Err(error) => Some((Err(error), end)),
                }
            }
        });
        pieces.boxed()
    }

    /// Ends a session and releases its files.
    pub(super) fn close(&self, session_id: &str, shard: &ShardId) -> Result<(), Exception> {
        check_shard(&*self.get(session_id)?, session_id, shard)?;
        self.open.lock().remove(session_id);
        Ok(())
    }

    /// Ends the sessions that nobody has read for `timeout`, and those whose shard is gone.
    pub(super) fn close_idle(&self, timeout: Duration) {
        let now = self.clock.monotonic();
        self.open.lock().retain(|id, session| {
            let idle = now.saturating_sub(*session.last_access.lock());
            if idle > timeout {
                tracing::info!(session = %id, shard = %session.shard_id, "recovery session was idle and is closed");
            }
            idle <= timeout
        });
    }

    fn get(&self, session_id: &str) -> Result<Arc<Session>, Exception> {
        self.open.lock().get(session_id).cloned().ok_or_else(|| {
            Exception::illegal_argument(format!(
                "recovery session [{session_id}] is not open; it ended or timed out"
            ))
        })
    }
}

impl Session {
    fn describe(&self, session_id: &str) -> RecoverySession {
        let files = self.snapshot.files();
        RecoverySession {
            session_id: session_id.to_owned(),
            checkpoint: self.snapshot.checkpoint(),
            max_seq_no: self.snapshot.max_seq_no(),
            mapping_version: self.snapshot.mapping_version(),
            history_uuid: self.history_uuid.clone(),
            files: files
                .iter()
                .map(|file| RecoveryFile {
                    name: file.name.clone(),
                    length: file.length,
                    content_id: file.content_id,
                    pieces: file.pieces.clone().map(|checksums| FilePieces {
                        length: SNAPSHOT_PIECE_BYTES as u64,
                        checksums,
                    }),
                })
                .collect(),
        }
    }
}

fn check_shard(session: &Session, session_id: &str, shard: &ShardId) -> Result<(), Exception> {
    if session.shard_id == *shard {
        return Ok(());
    }
    Err(Exception::illegal_argument(format!(
        "recovery session [{session_id}] belongs to shard {}, not to {shard}",
        session.shard_id
    )))
}
