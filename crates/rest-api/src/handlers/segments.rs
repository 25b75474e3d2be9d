//! `GET /_segments`: the segments of the search views.

use std::collections::BTreeMap;

use es_exception::Exception;
use indices::{IndexSegments, ResolveOptions};
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

/// The files of segments by the endings of their names: `file_sizes` of the section `segments` of stats. Shards that cannot tell are left out.
///
/// Source: elasticsearch-specification, `_types/Stats.ts` (`SegmentsStats`).
pub(super) fn file_sizes<'a>(indices: impl Iterator<Item = &'a IndexSegments>) -> Value {
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let shards = indices.flat_map(|index| &index.shards);
    for segment in shards
        .filter_map(|(_, segments)| segments.as_ref().ok())
        .flatten()
    {
        for (ending, size) in &segment.files {
            sizes.entry(ending).or_default().push(size.get());
        }
    }
    let printed = sizes.into_iter().map(|(ending, sizes)| {
        let (count, sum) = (sizes.len() as u64, sizes.iter().sum::<u64>());
        let size = json!({
            "size_in_bytes": sum,
            "min_size_in_bytes": sizes.iter().min(),
            "max_size_in_bytes": sizes.iter().max(),
            "average_size_in_bytes": sum.checked_div(count),
            "count": count,
        });
        (ending.to_owned(), size)
    });
    Value::Object(printed.collect())
}
