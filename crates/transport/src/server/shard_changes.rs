//! The service that reads operations.

use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use super::pieces::Pieces;
use crate::proto::read_shard_changes_part::Part;
use crate::proto::shard_changes_server::ShardChanges;
use crate::wire::check_frames;
use crate::{ShardChangesRequest, ShardChangesResponse, proto};

#[tonic::async_trait]
impl ShardChanges for Edge {
    type ReadStream = BoxStream<'static, Result<proto::ReadShardChangesPart, Status>>;

    async fn read(
        &self,
        request: Request<proto::ReadShardChangesRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let request = ShardChangesRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let first = self.read_changes(&request).await?;
        let reading = OpenRead {
            edge: self.clone(),
            request,
            answer: Some(first),
        };
        let answers = stream::try_unfold(Some(reading), |reading| async move {
            match reading {
                Some(reading) => reading.next().await.map(Some),
                None => Ok(None),
            }
        });
        Ok(Response::new(answers.try_flatten().boxed()))
    }
}

/// A read and what it is to be answered with next.
struct OpenRead {
    edge: Edge,
    request: ShardChangesRequest,
    /// Ready to be sent; otherwise it is waited for.
    answer: Option<ShardChangesResponse>,
}

/// The parts of one answer.
type Parts = BoxStream<'static, Result<proto::ReadShardChangesPart, Status>>;

impl OpenRead {
    /// The parts of the next answer, and the read if it stays open. The next is made only when these are on their way: a slow reader gets fewer and larger
    /// answers.
    async fn next(self) -> Result<(Parts, Option<Self>), Status> {
        let Self {
            edge,
            request,
            answer,
        } = self;
        let mut answer = match answer {
            Some(answer) => answer,
            None => edge.read_changes(&request).await?,
        };
        let continued = request.continued(&answer);
        answer.stays_open = continued.is_some();
        let header = Part::Header(answer.header());
        let parts = std::iter::once(header).chain(Pieces::new(answer.frames).map(Part::Frames));
        let parts = parts.map(|part| Ok(proto::ReadShardChangesPart { part: Some(part) }));
        let rest = continued.map(|request| Self {
            edge,
            request,
            answer: None,
        });
        Ok((stream::iter(parts).boxed(), rest))
    }
}

impl Edge {
    async fn read_changes(&self, request: &ShardChangesRequest) -> Result<ShardChangesResponse, Status> {
        let (shard, from, count) = (&request.shard, request.from, request.max_operation_count);
        self.run_waiting(async {
            let answer = self.services.read_changes(request.clone()).await?;
            check_frames(&answer.frames, from, count, answer.global_checkpoint).map_err(|problem| {
                tracing::error!(%shard, %problem, "a read gave operations that must not leave this node");
                Exception::new(ExceptionKind::IllegalState, format!("{shard}: {problem}"))
            })?;
            Ok(answer)
        })
        .await
    }
}
