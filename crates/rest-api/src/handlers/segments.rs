//! `GET /_segments`: the segments of the search views.

use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::{Map, Value, json};

use super::targets;
use crate::call::Call;
use crate::error_body::error_object;
use crate::reply::Reply;
use crate::units::human_bytes;

/// Segments by index and shard. Generations and versions of segments, which Elasticsearch has, there are none of.
///
/// Source: elasticsearch-specification, `indices/segments/types.ts`.
pub(crate) async fn segments(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let human = call.human()?;
    let found = call.state.indices().segments(call.index(), &options).await?;
    let node = call.state.cluster().local_node_id();
    let (mut successful, mut failures) = (0_usize, Vec::new());
    let mut indices = Map::new();
    for index in &found {
        let mut shards = Map::new();
        for (id, segments) in &index.shards {
            let segments = match segments {
                Ok(segments) => segments,
                Err(error) => {
                    failures.push(json!({
                        "shard": id.shard.get(),
                        "index": index.index.name,
                        "status": error.status(),
                        "reason": error_object(error),
                    }));
                    continue;
                }
            };
            successful += 1;
            let printed = segments.iter().map(|segment| {
                let mut object = json!({
                    "num_docs": segment.docs,
                    "deleted_docs": segment.deleted_docs,
                    "size_in_bytes": segment.size.get(),
                    "committed": true,
                    "search": true,
                    "compound": false,
                    "attributes": {},
                });
                if human {
                    object["size"] = human_bytes(segment.size.get()).into();
                }
                (segment.name.clone(), object)
            });
            let printed: Map<String, Value> = printed.collect();
            let shard = json!([{
                "routing": {"state": "STARTED", "primary": true, "node": node},
                "num_committed_segments": printed.len(),
                "num_search_segments": printed.len(),
                "segments": printed,
            }]);
            shards.insert(id.shard.to_string(), shard);
        }
        indices.insert(index.index.name.clone(), json!({"shards": shards}));
    }
    let mut header = json!({
        "total": successful + failures.len(),
        "successful": successful,
        "failed": failures.len(),
    });
    if !failures.is_empty() {
        header["failures"] = Value::Array(failures);
    }
    Reply::ok(&json!({"_shards": header, "indices": indices}))
}
