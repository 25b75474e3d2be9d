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

/// One row per template, those of the old kind first.
pub(crate) async fn templates(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let names = split_list(call.segment("name").unwrap_or("*"));
    answer(&call, COLUMNS, || {
        let is_wanted = |name: &str| names.iter().any(|wanted| matches(wanted, name));
        let number =
            |number: Option<i64>| number.map_or(Cell::Empty, |number| Cell::Number(i128::from(number)));
        let legacy = state.templates.legacy_templates().iter();
        let legacy = legacy
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, template)| {
                vec![
                    name.as_str().into(),
                    list(&template.index_patterns),
                    number(Some(template.order.into())),
                    number(template.version),
                    Cell::Empty,
                ]
            });
        let templates = state.templates.index_templates().iter();
        let rows = templates
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, template)| {
                vec![
                    name.as_str().into(),
                    list(&template.index_patterns),
                    number(Some(template.priority_or_zero())),
                    number(template.version),
                    list(&template.composed_of),
                ]
            });
        Ok(legacy.chain(rows).collect())
    })
}

fn list(items: &[String]) -> Cell {
    Cell::Text(format!("[{}]", items.join(", ")))
}
