//! How data streams lie in the store: one record each.

use std::collections::BTreeMap;
use std::sync::Arc;

use index_meta::DataStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{RecordError, malformed, map_writes, parse, put_value};
use crate::store::Write;

const PREFIX: &str = "data_stream/";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataStreamRecord {
    generation: u64,
    /// Oldest first, the one that takes the writes last. Not empty.
    indices: Vec<String>,
    hidden: bool,
    allow_custom_routing: bool,
    replicated: bool,
    metadata: Option<Value>,
}

#[derive(Debug, thiserror::Error)]
#[error("a data stream without backing indices")]
struct NoIndices;

/// Adds the writes that turn the records of `old` into those of `new`.
pub(crate) fn data_stream_writes(
    writes: &mut Vec<Write>,
    old: Option<&BTreeMap<String, Arc<DataStream>>>,
    new: &BTreeMap<String, Arc<DataStream>>,
) {
    map_writes(writes, PREFIX, old, new, PartialEq::eq, |stream| {
        put_value(&DataStreamRecord {
            generation: stream.generation,
            indices: stream.indices().cloned().collect(),
            hidden: stream.hidden,
            allow_custom_routing: stream.allow_custom_routing,
            replicated: stream.replicated,
            metadata: stream.metadata.clone(),
        })
    });
}

/// Reads the record if it is one of a data stream; answers whether it is.
pub(crate) fn read_data_stream(
    streams: &mut BTreeMap<String, Arc<DataStream>>,
    key: &str,
    value: &[u8],
) -> Result<bool, RecordError> {
    let Some(name) = key.strip_prefix(PREFIX) else {
        return Ok(false);
    };
    let DataStreamRecord {
        generation,
        indices: mut older,
        hidden,
        allow_custom_routing,
        replicated,
        metadata,
    } = parse(key, value)?;
    let write_index = older.pop().ok_or_else(|| malformed(key, NoIndices))?;
    let stream = DataStream {
        generation,
        older,
        write_index,
        hidden,
        allow_custom_routing,
        replicated,
        metadata,
    };
    streams.insert(name.to_owned(), Arc::new(stream));
    Ok(true)
}
