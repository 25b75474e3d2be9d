//! A read of operations and its answers as they arrive.

use std::time::Duration;

use es_exception::Exception;
use futures::future::BoxFuture;
use tonic::Streaming;

use super::calls::OpenCall;
use super::reassembly::Reassembly;
use crate::{ShardChangesRequest, ShardChangesResponse, proto};

/// A read that the leader answers.
pub(super) struct OpenRead {
    call: OpenCall,
    /// What the next answer is for.
    request: ShardChangesRequest,
    parts: Streaming<proto::ReadShardChangesPart>,
    /// How long the leader may be silent before the first part of the next answer.
    patience: Duration,
}

impl OpenRead {
    /// A read whose first answer has begun.
    pub(super) fn new(
        call: OpenCall,
        request: ShardChangesRequest,
        parts: Streaming<proto::ReadShardChangesPart>,
    ) -> Self {
        let patience = call.margin();
        Self {
            call,
            request,
            parts,
            patience,
        }
    }

    /// The next answer, and the read if it stays open.
    pub(super) async fn next(mut self) -> Result<(ShardChangesResponse, Option<Self>), Exception> {
        let mut reassembly = Reassembly::new(&self.request);
        // The leader waits before the first byte of an answer only; from there on silence is a fault.
        while !reassembly.is_complete() {
            let Some(part) = self.call.until(self.patience, self.parts.message()).await? else {
                break;
            };
            self.patience = self.call.margin();
            reassembly
                .push(part)
                .map_err(|error| error.to_exception(&self.call.context))?;
        }
        let mut answer = reassembly
            .finish()
            .map_err(|error| error.to_exception(&self.call.context))?;
        let continued = self.request.continued(&answer).filter(|_| answer.stays_open);
        // Never open for longer than was asked for: a leader that keeps it open all the same is left.
        answer.stays_open = continued.is_some();
        let rest = continued.map(|request| {
            let patience = request.poll_timeout.saturating_add(self.call.margin());
            Self {
                request,
                patience,
                ..self
            }
        });
        Ok((answer, rest))
    }
}

/// Where a stream of answers is.
pub(super) enum Reading {
    /// The first answer is waited for.
    First(BoxFuture<'static, Result<(ShardChangesResponse, Option<OpenRead>), Exception>>),
    /// Others follow.
    Open(Box<OpenRead>),
    /// That was the last.
    Ended,
}

impl Reading {
    /// The next answer, and what follows; `None` at the end.
    pub(super) async fn next(self) -> Result<Option<(ShardChangesResponse, Self)>, Exception> {
        let (answer, rest) = match self {
            Self::First(answer) => answer.await?,
            Self::Open(read) => read.next().await?,
            Self::Ended => return Ok(None),
        };
        let rest = rest.map_or(Self::Ended, |read| Self::Open(Box::new(read)));
        Ok(Some((answer, rest)))
    }
}
