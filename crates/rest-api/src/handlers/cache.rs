//! `POST /_cache/clear`: there are no caches of queries, requests or fields, so they are always clear.

use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::json;

use super::targets;
use crate::call::Call;
use crate::reply::Reply;

/// Parameters that say which caches are meant.
pub(crate) const CACHES: &[&str] = &["fielddata", "fields", "query", "request"];

/// Names the shards whose caches are clear.
pub(crate) async fn clear(call: Call) -> Result<Reply, Exception> {
    for cache in ["fielddata", "query", "request"] {
        call.params.flag(cache, false)?;
    }
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let indices = call.state.indices().resolve(call.index(), &options)?;
    let shards: u64 = indices
        .iter()
        .map(|index| u64::from(index.number_of_shards))
        .sum();
    Reply::ok(&json!({"_shards": {"total": shards, "successful": shards, "failed": 0}}))
}
