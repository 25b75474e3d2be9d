//! What nodes say to each other.

use bytes::Bytes;
use es_exception::Exception;
use follow_task::{HeldReadRequest, HeldReadResponse, LiveSetResponse, ReadRequest, ReadResponse};
use oplog::{Frame, HistoryUuid, IndexUuid, LeaseId, SeqNo};

use crate::copies::{CopyId, Meta, NodeId};

/// A request about the shard copy `copy` as its index was when the asker recorded it.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) from: NodeId,
    /// The asker's process.
    pub(crate) boot: u64,
    pub(crate) rpc: u64,
    pub(crate) copy: CopyId,
    pub(crate) index: IndexUuid,
    pub(crate) request: Request,
    /// Answers that were given before this one: a read may stay open.
    pub(crate) answered: u32,
    /// When a read that stays open ends at the latest.
    pub(crate) open_until: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Request {
    Read {
        history: HistoryUuid,
        request: ReadRequest,
    },
    ReadHeld {
        history: HistoryUuid,
        request: HeldReadRequest,
    },
    ReadLiveSet {
        history: HistoryUuid,
    },
    RenewLease {
        lease: LeaseId,
        retaining: Option<SeqNo>,
    },
    AddLease {
        lease: LeaseId,
        retaining: Option<SeqNo>,
    },
    Metadata,
    OpenSession {
        session: u64,
    },
    ReadFile {
        session: u64,
        file: usize,
        offset: u64,
        length: u64,
    },
    CloseSession {
        session: u64,
    },
}

impl Request {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::ReadHeld { .. } => "read held",
            Self::ReadLiveSet { .. } => "read live set",
            Self::RenewLease { .. } => "renew lease",
            Self::AddLease { .. } => "add lease",
            Self::Metadata => "metadata",
            Self::OpenSession { .. } => "open session",
            Self::ReadFile { .. } => "read file",
            Self::CloseSession { .. } => "close session",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Response {
    Read(Box<ReadResponse>),
    Held(Box<HeldReadResponse>),
    LiveSet(Box<LiveSetResponse>),
    Done,
    Metadata { index: IndexUuid, meta: Meta },
    Session(Box<Session>),
    Chunk(Bytes),
}

/// A recovery session that a leader opened.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) history: HistoryUuid,
    pub(crate) checkpoint: Option<SeqNo>,
    pub(crate) mapping_version: u64,
    /// Name and length.
    pub(crate) files: Vec<(String, u64)>,
}

pub(crate) type Answer = Result<Response, Exception>;

/// About how many bytes an answer takes on the line.
pub(crate) fn size_of(answer: &Answer) -> u64 {
    match answer {
        Ok(Response::Read(read)) => 100 + size_of_frames(&read.frames),
        Ok(Response::Held(held)) => 100 + size_of_frames(&held.frames),
        Ok(Response::LiveSet(set)) => 200 + set.snapshot.max_seq_no.get() / 8,
        Ok(Response::Chunk(bytes)) => 100 + bytes.len() as u64,
        _ => 200,
    }
}

pub(crate) fn size_of_frames(frames: &[Frame]) -> u64 {
    frames.iter().map(Frame::estimated_size).sum()
}
