//! `GET /` and `HEAD /`: who this server is.

use es_exception::Exception;
use serde_json::{Value, json};

use crate::RestConfig;
use crate::call::Call;
use crate::reply::Reply;

/// The version of the search library, as Elasticsearch's clients expect the field to be there.
const LUCENE_VERSION: &str = "10.2.2";

/// Name, cluster and version of this server.
pub(crate) async fn info(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    Reply::ok(&json!({
        "name": call.state.cluster().local_node().name,
        "cluster_name": state.cluster_name,
        "cluster_uuid": state.cluster_uuid,
        "version": version(call.state.config()),
        "tagline": "You Know, for Search",
    }))
}

/// `GET /_openapi.json`: what this server offers, for programs.
pub(crate) async fn openapi(call: Call) -> Result<Reply, Exception> {
    Reply::ok(&crate::openapi::document(call.state.config()))
}

/// The version object, which is that of the Elasticsearch that this server behaves like.
pub(crate) fn version(config: &RestConfig) -> Value {
    let major: u32 = config
        .version_number
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(9);
    let (wire, index) = match major {
        0..=8 => ("7.17.0", "7.0.0"),
        _ => ("8.19.0", "8.0.0-beta1"),
    };
    json!({
        "number": config.version_number,
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": config.build_hash,
        "build_date": config.build_date,
        "build_snapshot": false,
        "lucene_version": LUCENE_VERSION,
        "minimum_wire_compatibility_version": wire,
        "minimum_index_compatibility_version": index,
    })
}
