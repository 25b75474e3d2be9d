//! Puts the checksums right in bytes that a fuzzer has changed.

use twox_hash::XxHash3_64;

use crate::block::TRAILER_LENGTH;
use crate::entries::PAGE_LENGTH;
use crate::frame::{CHECKSUM_END, LENGTH_END, frame_length, u32_at, u64_at};
use crate::segment::{MARKER_LENGTH, MARKER_MAGIC};

pub(super) fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Puts the checksum of `start..end` right, which follows it.
pub(super) fn seal_part(bytes: &mut [u8], start: usize, end: usize) {
    let checksum = XxHash3_64::oneshot(&bytes[start..end]);
    put(bytes, end, checksum);
}

/// Frames, and markers between them if there is a salt.
pub(super) fn seal_frames(bytes: &mut [u8], start: usize, salt: Option<u64>) {
    let mut at = start;
    loop {
        let rest = &mut bytes[at..];
        if let Some(salt) = salt.filter(|_| rest.len() >= MARKER_LENGTH && rest.starts_with(MARKER_MAGIC)) {
            let checksum = XxHash3_64::oneshot_with_seed(salt, &rest[..24]);
            put(rest, 24, checksum);
            at += MARKER_LENGTH;
        } else if let Ok(length) = frame_length(rest) {
            let checksum = XxHash3_64::oneshot(&rest[CHECKSUM_END..length]);
            put(rest, LENGTH_END, checksum);
            at += length;
        } else {
            return;
        }
    }
}

pub(super) fn seal_pages(pages: &mut [u8]) {
    for page in pages.chunks_exact_mut(PAGE_LENGTH) {
        seal_part(page, 0, PAGE_LENGTH - 8);
    }
}

pub(super) fn seal_blocks(bytes: &mut [u8]) {
    seal_part(bytes, 0, 32);
    let trailer = bytes.len() - TRAILER_LENGTH;
    let within = |at: u64| usize::try_from(at).ok().filter(|at| *at <= trailer);
    let (pages, table) = (
        within(u64_at(bytes, trailer + 48)),
        within(u64_at(bytes, trailer + 56)),
    );
    if let (Some(pages), Some(table)) = (pages, table) {
        if pages <= table {
            seal_pages(&mut bytes[pages..table]);
        }
        let mut end = pages;
        for record in (table..trailer.saturating_sub(15))
            .step_by(16)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let start = u32_at(bytes, record + 4) as usize;
            if start <= end {
                let checksum = XxHash3_64::oneshot(&bytes[start..end]);
                put(bytes, record + 8, checksum);
                end = start;
            }
        }
        let checksum = XxHash3_64::oneshot(&bytes[table..trailer]);
        put(bytes, trailer + 72, checksum);
    }
    let end = bytes.len() - 8;
    seal_part(bytes, trailer, end);
}

/// The parts of a heal journal behind its fixed fields: a list without a checksum, and three files.
pub(super) fn seal_journal(bytes: &mut [u8]) {
    const PARTS: usize = 16;
    let end = bytes.len() - 8;
    let mut at = PARTS;
    for part in 0..4 {
        let start = at + 8;
        if start > end {
            break;
        }
        let length = usize::try_from(u64_at(bytes, at)).unwrap_or(usize::MAX);
        let Some(next) = start.checked_add(length).filter(|next| *next <= end) else {
            break;
        };
        if part > 0 && length >= 8 {
            seal_part(bytes, start, next - 8);
        }
        at = next;
    }
    seal_part(bytes, 0, end);
}

pub(super) fn seal_leases(bytes: &mut [u8]) {
    const CHECKSUM: &[u8] = b"\"checksum\":\"";
    const CONTENT: &[u8] = b"\"retention_leases\":";
    let find = |needle: &[u8]| {
        let place = bytes.windows(needle.len()).position(|part| part == needle)?;
        Some(place + needle.len())
    };
    let (Some(checksum), Some(content)) = (find(CHECKSUM), find(CONTENT)) else {
        return;
    };
    let Some(end) = bytes
        .iter()
        .rposition(|byte| *byte == b'}')
        .filter(|end| *end >= content)
    else {
        return;
    };
    let text = format!("{:016x}", XxHash3_64::oneshot(&bytes[content..end]));
    if let Some(place) = bytes.get_mut(checksum..checksum + 16) {
        place.copy_from_slice(text.as_bytes());
    }
}
