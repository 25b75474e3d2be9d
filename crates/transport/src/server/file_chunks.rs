//! Chunks of files on their way out.

use std::panic::AssertUnwindSafe;

use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, Stream, StreamExt as _};
use tonic::Status;

use super::edge::panicked;
use crate::wire::{PIECE_BYTES, exception_to_status};
use crate::{FileChunk, FileChunks, proto};

/// What is sent for the chunks that a leader reads. A panic fails that call alone.
pub(super) fn outgoing(chunks: FileChunks) -> impl Stream<Item = Result<proto::FileChunk, Status>> + Send {
    let chunks = AssertUnwindSafe(chunks).catch_unwind();
    chunks.flat_map(|chunk| {
        let pieces = match chunk.unwrap_or_else(|panic| Err(panicked(&*panic))).and_then(cut) {
            Ok(pieces) => pieces.into_iter().map(|piece| Ok(piece.into())).collect(),
            Err(exception) => vec![Err(exception_to_status(&exception))],
        };
        stream::iter(pieces)
    })
}

/// Pieces that fit a message. One that fits keeps the checksum that was made where it was read.
fn cut(chunk: FileChunk) -> Result<Vec<FileChunk>, Exception> {
    if chunk.bytes.len() <= PIECE_BYTES {
        return Ok(vec![chunk]);
    }
    if !chunk.is_intact() {
        let reason = format!("a file chunk at {} does not match its checksum", chunk.offset);
        return Err(Exception::new(ExceptionKind::CorruptIndex, reason));
    }
    let (mut offset, mut rest, mut pieces) = (chunk.offset, chunk.bytes, Vec::new());
    while !rest.is_empty() {
        let piece = FileChunk::new(offset, rest.split_to(rest.len().min(PIECE_BYTES)));
        offset += piece.bytes.len() as u64;
        pieces.push(piece);
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_large_chunk_is_cut_and_a_damaged_one_is_not_sent() {
        let chunk = FileChunk::new(5, Bytes::from(vec![7; 2 * PIECE_BYTES + 1]));
        let pieces = cut(chunk.clone()).unwrap();
        let places: Vec<(u64, usize)> = pieces
            .iter()
            .map(|piece| (piece.offset, piece.bytes.len()))
            .collect();
        let piece = PIECE_BYTES as u64;
        assert_eq!(
            places,
            [(5, PIECE_BYTES), (5 + piece, PIECE_BYTES), (5 + 2 * piece, 1)]
        );
        assert!(pieces.iter().all(FileChunk::is_intact));
        let damaged = FileChunk {
            checksum: chunk.checksum ^ 1,
            ..chunk
        };
        assert_eq!(cut(damaged).unwrap_err().kind(), ExceptionKind::CorruptIndex);
    }
}
