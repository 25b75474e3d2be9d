//! `GET /_data_stream`: there are none, which clients ask before they write.

use es_exception::Exception;
use serde_json::json;

use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;

/// None for a pattern, and `index_not_found_exception` for a name.
pub(crate) async fn get_data_stream(call: Call) -> Result<Reply, Exception> {
    call.params.timeout("master_timeout")?;
    let names = call.segment("name").map(split_list).unwrap_or_default();
    match names.iter().find(|name| !name.contains('*') && **name != "_all") {
        Some(name) => Err(Exception::index_not_found(name)),
        None => Reply::ok(&json!({ "data_streams": [] })),
    }
}
