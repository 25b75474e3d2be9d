//! A range of a file as it arrives.

use es_exception::{Exception, ExceptionKind};
use futures::StreamExt as _;
use futures::stream;
use tonic::Streaming;

use super::calls::OpenCall;
use crate::{FileChunk, FileChunks, proto};

/// The chunks of the range from `offset` to `end`, checked: without gap, undamaged, no more and no less.
pub(super) fn incoming_file(
    call: OpenCall,
    chunks: Streaming<proto::FileChunk>,
    offset: u64,
    end: u64,
) -> FileChunks {
    stream::try_unfold(
        IncomingFile {
            call,
            chunks,
            next: offset,
            end,
        },
        IncomingFile::next,
    )
    .boxed()
}

struct IncomingFile {
    call: OpenCall,
    chunks: Streaming<proto::FileChunk>,
    next: u64,
    end: u64,
}

impl IncomingFile {
    async fn next(mut self) -> Result<Option<(FileChunk, Self)>, Exception> {
        let chunk = self.call.until(self.call.margin(), self.chunks.message()).await?;
        let Some(chunk) = chunk.map(FileChunk::from) else {
            return if self.next == self.end {
                Ok(None)
            } else {
                Err(self.broken("the file ended too soon"))
            };
        };
        if !chunk.is_intact() {
            let reason = format!("the chunk at {} does not match its checksum", chunk.offset);
            let cause = Exception::new(ExceptionKind::CorruptIndex, reason.clone());
            return Err(self.broken(&reason).with_cause(cause));
        }
        let left = self.end.saturating_sub(self.next);
        let length = chunk.bytes.len() as u64;
        if chunk.offset != self.next || length == 0 || length > left {
            let problem = format!(
                "{length} bytes at {} where up to {left} at {} belong",
                chunk.offset, self.next
            );
            return Err(self.call.invalid(problem));
        }
        self.next += length;
        Ok(Some((chunk, self)))
    }

    /// The range broke on the way: worth another try.
    fn broken(&self, problem: &str) -> Exception {
        Exception::new(
            ExceptionKind::ConnectTransport,
            format!("{} {problem}", self.call.context),
        )
    }
}
