//! Who asks for a change of metadata.

use es_exception::{Exception, ExceptionKind};

use crate::index_metadata::IndexMetadata;

/// Who asks for a change of metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A user, or the node on a user's behalf.
    User,
    /// Replication, which brings a follower in line with its leader.
    Ccr,
}

/// Refuses a user's change of what a follower copies from its leader.
///
/// # Errors
/// `status_exception` with status 403. Source: Elasticsearch's mapping and alias request validators of CCR.
pub(crate) fn check_not_replicated(
    index: &IndexMetadata,
    origin: Origin,
    what: &str,
) -> Result<(), Exception> {
    if origin == Origin::Ccr || !index.is_follower() {
        return Ok(());
    }
    let reason = format!(
        "can't {what} of follower index [{}]: it is replicated from the leader index; change it there",
        index.name
    );
    Err(Exception::new(ExceptionKind::Status, reason)
        .with_status(403)
        .with_index(&index.name))
}
