//! `GET` and `POST /_cat/count`.

use es_exception::Exception;
use indices::SearchOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::cat::health::time_of_day;
use crate::handlers::search::counting;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("epoch", &["t", "time"], "seconds since 1970-01-01 00:00:00"),
    Column::text("timestamp", &["ts", "hms", "hhmmss"], "time in HH:MM:SS"),
    Column::text("count", &["dc", "docs.count", "docsCount"], "the document count"),
];

/// One row.
pub(crate) async fn count(call: Call) -> Result<Reply, Exception> {
    let options = SearchOptions::default();
    let counted = call
        .state
        .indices()
        .count(call.index(), counting(&call).await?, &options)
        .await?;
    let seconds = call.state.clock().now().get() / 1000;
    answer(&call, COLUMNS, || {
        Ok(vec![vec![
            seconds.into(),
            time_of_day(seconds).into(),
            Cell::from(counted.count),
        ]])
    })
}
