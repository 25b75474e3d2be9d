//! The service that holds retention leases.

use tonic::{Request, Response, Status};

use super::edge::{Edge, refused};
use crate::proto::retention_leases_server::RetentionLeases;
use crate::{RemoveRetentionLeaseRequest, RetentionLeaseRequest, proto};

#[tonic::async_trait]
impl RetentionLeases for Edge {
    async fn add(
        &self,
        request: Request<proto::RetentionLeaseRequest>,
    ) -> Result<Response<proto::RetentionLease>, Status> {
        let request =
            RetentionLeaseRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let lease = self.run(self.services.add_retention_lease(request)).await?;
        Ok(Response::new(lease.into()))
    }

    async fn renew(
        &self,
        request: Request<proto::RetentionLeaseRequest>,
    ) -> Result<Response<proto::RetentionLease>, Status> {
        let request =
            RetentionLeaseRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        let lease = self.run(self.services.renew_retention_lease(request)).await?;
        Ok(Response::new(lease.into()))
    }

    async fn remove(
        &self,
        request: Request<proto::RemoveRetentionLeaseRequest>,
    ) -> Result<Response<proto::RemoveRetentionLeaseResponse>, Status> {
        let request =
            RemoveRetentionLeaseRequest::try_from(request.into_inner()).map_err(|error| refused(&error))?;
        self.run(self.services.remove_retention_lease(request)).await?;
        Ok(Response::new(proto::RemoveRetentionLeaseResponse {}))
    }
}
