//! `GET /_cat`: the tables that there are.

use es_exception::Exception;

use crate::call::Call;
use crate::reply::Reply;
use crate::routes;

/// One path per line, as its route spells it.
pub(crate) async fn list(_call: Call) -> Result<Reply, Exception> {
    let mut paths: Vec<&str> = routes::all()
        .map(|route| route.path)
        .filter(|path| path.starts_with("/_cat/"))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
    Ok(Reply::text(format!("=^.^=\n{lines}")))
}
