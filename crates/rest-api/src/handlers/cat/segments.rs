//! `GET /_cat/segments`.

use es_exception::Exception;
use indices::ResolveOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::recovery::host;
use crate::handlers::targets;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("index", &["i", "idx"], "index name"),
    Column::text("shard", &["s", "sh"], "shard name"),
    Column::text("prirep", &["p", "pr", "primaryOrReplica"], "primary or replica"),
    Column::text("ip", &[], "ip of node where it lives"),
    Column::text("id", &[], "unique id of node where it lives").hidden(),
    Column::text("segment", &["seg"], "segment name"),
    Column::number("docs.count", &["dc", "docsCount"], "number of docs in segment"),
    Column::number(
        "docs.deleted",
        &["dd", "docsDeleted"],
        "number of deleted docs in segment",
    ),
    Column::number("size", &["si"], "segment size in bytes"),
    Column::text("committed", &["ic", "isCommitted"], "is segment committed"),
    Column::text("searchable", &["is", "isSearchable"], "is segment searched"),
    Column::text("compound", &["ico", "isCompound"], "is segment compound"),
];

/// One row per segment.
pub(crate) async fn segments(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let found = call.state.indices().segments(call.index(), &options).await?;
    let node = call.state.cluster().local_node();
    answer(&call, COLUMNS, || {
        let mut rows = Vec::new();
        for index in &found {
            for (id, segments) in &index.shards {
                for segment in segments.iter().flatten() {
                    rows.push(vec![
                        index.index.name.as_str().into(),
                        id.shard.to_string().into(),
                        "p".into(),
                        host(&node).map_or(Cell::Empty, Cell::from),
                        node.id.as_str().into(),
                        segment.name.as_str().into(),
                        segment.docs.into(),
                        segment.deleted_docs.into(),
                        Cell::Bytes(segment.size.get()),
                        "true".into(),
                        "true".into(),
                        "false".into(),
                    ]);
                }
            }
        }
        Ok(rows)
    })
}
