//! The APIs of indices.

use super::{Api, Field};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Indices";

const INDEX_BODY: &[Field] = &[
    Field("settings", Kind::Object),
    Field("mappings", Kind::Object),
    Field("aliases", Kind::Object),
];

pub(super) const INDICES: &[Api] = &[
    Api::new(GROUP, "indices.create", &["PUT /{index}"], "Makes an index").body(INDEX_BODY),
    Api::new(
        GROUP,
        "indices.get",
        &["GET /{index}"],
        "Aliases, mappings and settings of indices",
    ),
    Api::new(
        GROUP,
        "indices.exists",
        &["HEAD /{index}"],
        "Whether indices are there",
    ),
    Api::new(
        GROUP,
        "indices.delete",
        &["DELETE /{index}"],
        "Removes indices and what is in them",
    ),
    Api::new(
        GROUP,
        "indices.open",
        &["POST /{index}/_open"],
        "Opens closed indices",
    ),
    Api::new(
        GROUP,
        "indices.close",
        &["POST /{index}/_close"],
        "Closes indices: they keep what they hold and answer nothing",
    ),
    Api::new(
        GROUP,
        "indices.add_block",
        &["PUT /{index}/_block/{block}"],
        "Puts a block on indices: `metadata`, `read`, `read_only` or `write`",
    ),
    Api::new(
        GROUP,
        "indices.remove_block",
        &["DELETE /{index}/_block/{block}"],
        "Takes a block off indices",
    ),
    Api::new(
        GROUP,
        "indices.resolve_index",
        &["GET /_resolve/index/{name}", "POST /_resolve/index/{name}"],
        "Which indices, aliases and data streams an expression means",
    ),
    Api::new(
        GROUP,
        "indices.get_data_stream",
        &["GET /_data_stream", "GET /_data_stream/{name}"],
        "Data streams and their backing indices",
    ),
    Api::new(
        GROUP,
        "indices.create_data_stream",
        &["PUT /_data_stream/{name}"],
        "Makes a data stream with its first backing index, by an index template",
    ),
    Api::new(
        GROUP,
        "indices.delete_data_stream",
        &["DELETE /_data_stream/{name}"],
        "Removes data streams and their backing indices",
    ),
    Api::new(
        GROUP,
        "indices.data_streams_stats",
        &["GET /_data_stream/_stats", "GET /_data_stream/{name}/_stats"],
        "Counts and sizes of data streams",
    ),
    Api::new(
        GROUP,
        "indices.promote_data_stream",
        &["POST /_data_stream/_promote/{name}"],
        "Makes a replicated data stream an ordinary one",
    ),
    Api::new(
        GROUP,
        "indices.migrate_to_data_stream",
        &["POST /_data_stream/_migrate/{name}"],
        "Makes a data stream of an alias",
    )
    .differs("refused"),
    Api::new(
        GROUP,
        "indices.modify_data_stream",
        &["POST /_data_stream/_modify"],
        "Adds and removes backing indices",
    )
    .differs("refused"),
    Api::new(
        GROUP,
        "indices.rollover",
        &["POST /{index}/_rollover", "POST /{index}/_rollover/{new_index}"],
        "Makes the next index of an alias, if its conditions are met",
    )
    .body(&[
        Field("conditions", Kind::Object),
        Field("settings", Kind::Object),
        Field("mappings", Kind::Object),
        Field("aliases", Kind::Object),
    ]),
    Api::new(
        GROUP,
        "indices.refresh",
        &["GET,POST /_refresh", "GET,POST /{index}/_refresh"],
        "Lets searches see every write so far",
    ),
    Api::new(
        GROUP,
        "indices.flush",
        &["GET,POST /_flush", "GET,POST /{index}/_flush"],
        "Makes everything so far durable, and the next start short",
    ),
    Api::new(
        GROUP,
        "indices.forcemerge",
        &["POST /_forcemerge", "POST /{index}/_forcemerge"],
        "Merges the segments of the search view",
    ),
    Api::new(
        GROUP,
        "indices.recovery",
        &["GET /_recovery", "GET /{index}/_recovery"],
        "How followers' shards were copied, and are being copied",
    )
    .differs("only shards that this node has copied from a leader since it started, not those that it opened from its own disk; `attempts`, `bytes_per_sec` and `failure` are added"),
    Api::new(
        GROUP,
        "indices.segments",
        &["GET /_segments", "GET /{index}/_segments"],
        "Segments of the search view",
    ),
    Api::new(
        GROUP,
        "indices.clear_cache",
        &["POST /_cache/clear", "POST /{index}/_cache/clear"],
        "Forgets what was kept for later searches",
    )
    .differs("there is nothing to forget"),
    Api::new(
        GROUP,
        "indices.stats",
        &[
            "GET /_stats",
            "GET /_stats/{metric}",
            "GET /{index}/_stats",
            "GET /{index}/_stats/{metric}",
        ],
        "Counts and sizes",
    ),
];
