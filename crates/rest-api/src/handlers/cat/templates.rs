//! `GET /_cat/templates`.

use es_exception::Exception;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::wildcard::matches;

const COLUMNS: &[Column] = &[
    Column::text("name", &["n"], "template name"),
    Column::text("index_patterns", &["t"], "template index patterns"),
    Column::text("order", &["o", "p"], "template application order/priority number"),
    Column::text("version", &["v"], "version"),
    Column::text(
        "composed_of",
        &["c"],
        "component templates comprising index template",
    ),
];

/// One row per index template.
pub(crate) async fn templates(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let names = split_list(call.segment("name").unwrap_or("*"));
    answer(&call, COLUMNS, || {
        let wanted = state
            .templates
            .index_templates()
            .iter()
            .filter(|(name, _)| names.iter().any(|wanted| matches(wanted, name)));
        let rows = wanted.map(|(name, template)| {
            let number =
                |number: Option<i64>| number.map_or(Cell::Empty, |number| Cell::Number(i128::from(number)));
            vec![
                name.as_str().into(),
                list(&template.index_patterns),
                number(Some(template.priority_or_zero())),
                number(template.version),
                list(&template.composed_of),
            ]
        });
        Ok(rows.collect())
    })
}

fn list(items: &[String]) -> Cell {
    Cell::Text(format!("[{}]", items.join(", ")))
}
