//! The service that reads operations.

use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use super::pieces::Pieces;
use crate::proto::read_shard_changes_part::Part;
use crate::proto::shard_changes_server::ShardChanges;
use crate::wire::check_frames;
use crate::{ShardChangesRequest, proto};

#[tonic::async_trait]
impl ShardChanges for Edge {
    type ReadStream = BoxStream<'static, Result<proto::ReadShardChangesPart, Status>>;

    async fn read(
        &self,
        request: Request<proto::ReadShardChangesRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let request = ShardChangesRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let (shard, from, count) = (request.shard.clone(), request.from, request.max_operation_count);
        let answer = self.run_waiting(async {
            let answer = self.services.read_changes(request).await?;
            check_frames(&answer.frames, from, count, answer.global_checkpoint).map_err(|problem| {
                tracing::error!(%shard, %problem, "a read gave operations that must not leave this node");
                Exception::new(ExceptionKind::IllegalState, format!("{shard}: {problem}"))
            })?;
            Ok(answer)
        });
        let answer = answer.await?;
        let header = Part::Header(answer.header());
        let parts = std::iter::once(header).chain(Pieces::new(answer.frames).map(Part::Frames));
        let parts = parts.map(|part| Ok(proto::ReadShardChangesPart { part: Some(part) }));
        Ok(Response::new(stream::iter(parts).boxed()))
    }
}
