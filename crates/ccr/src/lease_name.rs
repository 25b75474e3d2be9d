//! The name of a follower's retention lease on its leader.

use std::fmt;

use es_exception::Exception;
use oplog::LeaseId;

/// The parts of the id of the retention lease that a follower holds on every shard of its leader.
///
/// The id has no shard number: leases are kept per shard. Source: the id format of Elasticsearch's CCR, which
/// `forget_follower` builds from what the operator names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLeaseName<'a> {
    /// Name of the follower's cluster.
    pub follower_cluster: &'a str,
    /// Name of the follower index.
    pub follower_index: &'a str,
    /// UUID of the follower index.
    pub follower_index_uuid: &'a str,
    /// Alias of the leader's cluster, as configured in the follower's cluster.
    pub remote_cluster: &'a str,
    /// Name of the leader index.
    pub leader_index: &'a str,
    /// UUID of the leader index.
    pub leader_index_uuid: &'a str,
}

impl fmt::Display for RetentionLeaseName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}-following-{}/{}/{}",
            self.follower_cluster,
            self.follower_index,
            self.follower_index_uuid,
            self.remote_cluster,
            self.leader_index,
            self.leader_index_uuid
        )
    }
}

impl RetentionLeaseName<'_> {
    /// The id itself.
    ///
    /// # Errors
    /// Illegal argument if the parts together are longer than an id may be.
    pub fn lease_id(&self) -> Result<LeaseId, Exception> {
        self.to_string().parse().map_err(|error| {
            Exception::illegal_argument(format!("the retention lease id [{self}] is not valid: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_names_both_sides() {
        let name = RetentionLeaseName {
            follower_cluster: "paris",
            follower_index: "copy",
            follower_index_uuid: "f-uuid",
            remote_cluster: "lisbon",
            leader_index: "orders",
            leader_index_uuid: "l-uuid",
        };
        let expected = "paris/copy/f-uuid-following-lisbon/orders/l-uuid";
        assert_eq!(name.to_string(), expected);
        assert_eq!(name.lease_id().map(|id| id.to_string()), Ok(expected.to_owned()));
    }
}
