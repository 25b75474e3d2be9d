//! The service that tells what this cluster is.

use es_exception::{Exception, ExceptionKind};
use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use crate::proto::remote_cluster_server::RemoteCluster;
use crate::wire::{PROTOCOL_VERSIONS, common_protocol_version};
use crate::{ClusterMetadataRequest, HandshakeRequest, IndexMetadataRequest, proto};

#[tonic::async_trait]
impl RemoteCluster for Edge {
    async fn handshake(
        &self,
        request: Request<proto::HandshakeRequest>,
    ) -> Result<Response<proto::HandshakeResponse>, Status> {
        let request = HandshakeRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let (lowest, highest) = (request.min_protocol_version, request.max_protocol_version);
        let answer = self.run(async {
            let Some(protocol_version) = common_protocol_version(lowest..=highest) else {
                let ours = PROTOCOL_VERSIONS;
                let reason = format!(
                    "no common protocol version: the caller speaks {lowest} to {highest}, this node {} to {}",
                    ours.start(),
                    ours.end()
                );
                return Err(Exception::new(ExceptionKind::Unsupported, reason));
            };
            let mut answer = self.services.handshake(request).await?;
            answer.protocol_version = protocol_version;
            Ok(answer)
        });
        Ok(Response::new(answer.await?.into()))
    }

    async fn cluster_metadata(
        &self,
        request: Request<proto::ClusterMetadataRequest>,
    ) -> Result<Response<proto::ClusterMetadataResponse>, Status> {
        let request = ClusterMetadataRequest::from(request.into_inner());
        let metadata = self.run_waiting(self.services.cluster_metadata(request)).await?;
        Ok(Response::new(metadata.into()))
    }

    async fn index_metadata(
        &self,
        request: Request<proto::IndexMetadataRequest>,
    ) -> Result<Response<proto::IndexMetadataResponse>, Status> {
        let request =
            IndexMetadataRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let metadata = self.run_waiting(self.services.index_metadata(request)).await?;
        Ok(Response::new(metadata.into()))
    }
}
