//! The service for followers that heal.

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use super::pieces::Pieces;
use crate::proto::delta_heal_server::DeltaHeal;
use crate::proto::read_held_operations_part::Part as HeldPart;
use crate::proto::read_live_set_part::Part as LivePart;
use crate::wire::{PIECE_BYTES, check_held_frames};
use crate::{HeldOperationsRequest, LiveSetRequest, proto};

#[tonic::async_trait]
impl DeltaHeal for Edge {
    type ReadHeldStream = BoxStream<'static, Result<proto::ReadHeldOperationsPart, Status>>;
    type ReadLiveSetStream = BoxStream<'static, Result<proto::ReadLiveSetPart, Status>>;

    async fn read_held(
        &self,
        request: Request<proto::ReadHeldOperationsRequest>,
    ) -> Result<Response<Self::ReadHeldStream>, Status> {
        let request =
            HeldOperationsRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let (shard, from, count) = (request.shard.clone(), request.from, request.max_operation_count);
        let answer = self.run(async {
            let answer = self.services.read_held_operations(request).await?;
            check_held_frames(&answer, from, count).map_err(|problem| {
                tracing::error!(%shard, %problem, "a read gave operations that must not leave this node");
                Exception::new(ExceptionKind::IllegalState, format!("{shard}: {problem}"))
            })?;
            Ok(answer)
        });
        let answer = answer.await?;
        let header = HeldPart::Header(answer.header());
        let parts = std::iter::once(header).chain(Pieces::new(answer.frames).map(HeldPart::Frames));
        let parts = parts.map(|part| Ok(proto::ReadHeldOperationsPart { part: Some(part) }));
        Ok(Response::new(stream::iter(parts).boxed()))
    }

    async fn read_live_set(
        &self,
        request: Request<proto::ReadLiveSetRequest>,
    ) -> Result<Response<Self::ReadLiveSetStream>, Status> {
        let request = LiveSetRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let answer = self.run_waiting(self.services.read_live_set(request)).await?;
        let (header, live) = answer.to_wire();
        let parts = std::iter::once(LivePart::Header(header)).chain(pieces(live).map(LivePart::Live));
        let parts = parts.map(|part| Ok(proto::ReadLiveSetPart { part: Some(part) }));
        Ok(Response::new(stream::iter(parts).boxed()))
    }
}

/// Slices, none of them copied.
fn pieces(mut rest: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some(piece)
    })
}
