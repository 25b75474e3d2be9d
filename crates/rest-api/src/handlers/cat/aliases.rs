//! `GET /_cat/aliases`.

use es_exception::Exception;
use indices::ResolveOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::targets;
use crate::params::split_list;
use crate::reply::Reply;
use crate::wildcard::matches;

const COLUMNS: &[Column] = &[
    Column::text("alias", &["a"], "alias name"),
    Column::text("index", &["i", "idx"], "index the alias points to"),
    Column::text("filter", &["f", "fi"], "whether it filters"),
    Column::text("routing.index", &["ri", "routingIndex"], "routing of writes"),
    Column::text("routing.search", &["rs", "routingSearch"], "routing of searches"),
    Column::text(
        "is_write_index",
        &["w", "isWriteIndex"],
        "whether writes go to this index",
    ),
];

/// One row per alias and index.
pub(crate) async fn aliases(call: Call) -> Result<Reply, Exception> {
    // Source: who does not say what wildcards match sees all aliases.
    let defaults = ResolveOptions {
        expand_hidden: true,
        ..ResolveOptions::METADATA
    };
    let options = targets::options(&call, defaults)?;
    let indices = call.state.indices().resolve(call.index(), &options)?;
    let names = split_list(call.segment("name").unwrap_or("*"));
    answer(&call, COLUMNS, || {
        let mut rows = Vec::new();
        for index in &indices {
            for (name, alias) in &index.aliases {
                if !names
                    .iter()
                    .any(|wanted| *wanted == "_all" || matches(wanted, name))
                {
                    continue;
                }
                let dash = |text: Option<&str>| Cell::from(text.unwrap_or("-"));
                rows.push(vec![
                    name.as_str().into(),
                    index.name.as_str().into(),
                    dash(alias.filter.as_ref().map(|_| "*")),
                    dash(alias.index_routing.as_deref()),
                    dash(alias.search_routing.as_deref()),
                    dash(
                        alias
                            .is_write_index
                            .map(|flag| if flag { "true" } else { "false" }),
                    ),
                ]);
            }
        }
        Ok(rows)
    })
}
