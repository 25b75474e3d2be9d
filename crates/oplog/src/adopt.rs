//! Making copied files the log of another copy.

use std::path::Path;

use crate::atomic_file::NameSync;
use crate::block::BlockWriter;
use crate::checkpoint::Checkpoint;
use crate::files::{remove, remove_if_exists, sync_dir, sync_file};
use crate::heal::discard;
use crate::healed::{HEALED_NAME, Healed};
use crate::lease_file::LEASES_NAME;
use crate::live_file::LIVE_NAME;
use crate::recovery::{load_checkpoint, load_live, segment_firsts};
use crate::scan::{Item, Scanner, read_header};
use crate::sealed::SealedSegment;
use crate::segment::{Encoding, HEADER_LENGTH, index_path, log_path};
use crate::writer::{create_segment, create_segment_at};
use crate::{HistoryUuid, LogError, PrimaryTerm, SeqNo, Storage};

const TEMPORARY_EXTENSION: &str = "log.tmp";
const CUT_COMPRESSION_LEVEL: i32 = 1;

/// Makes copied files the log of another copy. See [`crate::Log::adopt`].
pub(crate) fn adopt(
    storage: &dyn Storage,
    dir: &Path,
    history_uuid: HistoryUuid,
    primary_term: PrimaryTerm,
    up_to: Option<SeqNo>,
) -> Result<(), LogError> {
    let checkpoint = load_checkpoint(storage, dir)?;
    remove_if_exists(storage, &dir.join(LEASES_NAME))?;
    discard(storage, dir)?;
    check_healed(storage, dir, checkpoint.is_healed, up_to)?;
    if load_live(storage, dir)?.is_none_or(|live| live.valid_through > up_to) {
        remove_if_exists(storage, &dir.join(LIVE_NAME))?;
    } else {
        sync_file(storage, &dir.join(LIVE_NAME))?;
    }
    let mut firsts = segment_firsts(storage, dir)?;
    while firsts.len() > 1 && firsts.last().copied() > up_to {
        let first = firsts.pop().expect("there is more than one");
        remove(storage, &log_path(dir, first))?;
        remove_if_exists(storage, &index_path(dir, first))?;
    }
    let Some((last, before)) = firsts.split_last() else {
        return Err(LogError::corrupt(dir, 0, up_to, "there are no segments"));
    };
    cut(storage, dir, *last, up_to)?;
    for first in before {
        sync_file(storage, &log_path(dir, *first))?;
        if storage.exists(&index_path(dir, *first)).unwrap_or(false) {
            sync_file(storage, &index_path(dir, *first))?;
        }
    }
    sync_dir(storage, dir)?;
    let next = SeqNo::to_plus_one(up_to);
    let adopted = Checkpoint {
        durable: up_to,
        min_retained: checkpoint.min_retained.min(SeqNo::new(next)),
        history_uuid,
        terms: checkpoint
            .terms
            .into_iter()
            .filter(|start| start.first_seq_no.get() < next)
            .collect(),
        primary_term,
        is_healed: checkpoint.is_healed,
    };
    adopted.save(storage, dir, NameSync::Now)
}

/// What heals left behind is part of the history; a copy that ends before the last of them cannot be one.
fn check_healed(
    storage: &dyn Storage,
    dir: &Path,
    is_healed: bool,
    up_to: Option<SeqNo>,
) -> Result<(), LogError> {
    let Some(healed) = Healed::load_expected(storage, dir, is_healed)? else {
        return Ok(());
    };
    let path = dir.join(HEALED_NAME);
    if Some(healed.through()) > up_to {
        let reason = format!(
            "it is of a heal up to operation {}, and the copy ends before",
            healed.through()
        );
        return Err(LogError::corrupt(path, 0, up_to, reason));
    }
    sync_file(storage, &path)
}

/// Cuts the last segment behind `up_to` and makes it the open one.
fn cut(storage: &dyn Storage, dir: &Path, first: SeqNo, up_to: Option<SeqNo>) -> Result<(), LogError> {
    let path = log_path(dir, first);
    let file = storage
        .open(&path)
        .map_err(|source| LogError::io("open", &path, source))?;
    let length = file.len().map_err(|source| LogError::io("read", &path, source))?;
    let header = read_header(&*file, &path, first, length)?;
    if header.encoding == Encoding::Blocks {
        return cut_blocks(storage, dir, first, up_to);
    }
    let mut scanner = Scanner::new(&*file, &path, header, length);
    let mut end = HEADER_LENGTH as u64;
    let mut next = first;
    while Some(next) <= up_to {
        match scanner.next()? {
            Item::Frame { offset, frame } if frame.seq_no() == next => {
                end = offset + frame.len() as u64;
                next = SeqNo::new(next.get() + 1);
            }
            Item::Frame { offset, frame } => {
                let reason = format!("found operation {} instead", frame.seq_no());
                return Err(LogError::corrupt(path, offset, Some(next), reason));
            }
            Item::Bad { offset, reason } => return Err(LogError::corrupt(path, offset, Some(next), reason)),
            Item::End => return Err(LogError::corrupt(path, length, Some(next), "the file ends")),
        }
    }
    remove_if_exists(storage, &index_path(dir, first))?;
    if end < length {
        file.truncate(end)
            .map_err(|source| LogError::io("truncate", &path, source))?;
    }
    file.sync_data()
        .map_err(|source| LogError::io("sync", &path, source))
}

/// Cuts a compacted segment behind `up_to`, and lets an empty open segment follow.
fn cut_blocks(storage: &dyn Storage, dir: &Path, first: SeqNo, up_to: Option<SeqNo>) -> Result<(), LogError> {
    let segment = SealedSegment::open(storage, dir, first)?;
    let Some(last) = up_to.filter(|last| *last >= first) else {
        // Made under another name and put in place, so that there is a segment at any time.
        let path = log_path(dir, first);
        let temporary = path.with_extension(TEMPORARY_EXTENSION);
        create_segment_at(storage, &temporary, first)?;
        return storage
            .rename(&temporary, &path)
            .map_err(|source| LogError::io("replace", path, source));
    };
    if last > segment.last() {
        let reason = format!("the copy ends with {}", segment.last());
        return Err(LogError::corrupt(
            segment.path(),
            segment.file_length(),
            Some(last),
            reason,
        ));
    }
    if last < segment.last() {
        let path = log_path(dir, first);
        let temporary = path.with_extension(TEMPORARY_EXTENSION);
        let mut writer = BlockWriter::create(storage, &temporary, first, CUT_COMPRESSION_LEVEL)?;
        let kept = match last.checked_next() {
            Some(after) => segment.position(after)?,
            None => usize::MAX,
        };
        let mut position = 0;
        while position < kept {
            let frames = segment.frames(position, kept - position, u64::MAX)?;
            if frames.is_empty() {
                break;
            }
            position += frames.len();
            for frame in &frames {
                writer.push(frame)?;
            }
        }
        writer.finish(last)?;
        storage
            .rename(&temporary, &path)
            .map_err(|source| LogError::io("replace", path, source))?;
    } else {
        sync_file(storage, segment.path())?;
    }
    let next = last.checked_next().ok_or_else(|| LogError::Invalid {
        reason: "the log is full".to_owned(),
    })?;
    create_segment(storage, dir, next).map(drop)
}
