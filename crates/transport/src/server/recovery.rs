//! The service that copies files.

use futures::stream::{BoxStream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use super::file_chunks::outgoing;
use crate::proto::recovery_server::Recovery;
use crate::{CloseRecoverySessionRequest, OpenRecoverySessionRequest, ReadFileRequest, proto};

#[tonic::async_trait]
impl Recovery for Edge {
    type ReadFileStream = BoxStream<'static, Result<proto::FileChunk, Status>>;

    async fn open_session(
        &self,
        request: Request<proto::OpenRecoverySessionRequest>,
    ) -> Result<Response<proto::RecoverySession>, Status> {
        let request =
            OpenRecoverySessionRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let session = self.run(self.services.open_recovery_session(request)).await?;
        Ok(Response::new(session.into()))
    }

    async fn read_file(
        &self,
        request: Request<proto::ReadFileRequest>,
    ) -> Result<Response<Self::ReadFileStream>, Status> {
        let request = ReadFileRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let chunks = self.run(self.services.read_file(request)).await?;
        Ok(Response::new(outgoing(chunks).boxed()))
    }

    async fn close_session(
        &self,
        request: Request<proto::CloseRecoverySessionRequest>,
    ) -> Result<Response<proto::CloseRecoverySessionResponse>, Status> {
        let request =
            CloseRecoverySessionRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        self.run(self.services.close_recovery_session(request)).await?;
        Ok(Response::new(proto::CloseRecoverySessionResponse {}))
    }
}
