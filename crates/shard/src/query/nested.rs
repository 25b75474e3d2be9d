//! `nested`: a query on the objects of an array.
//!
//! Objects are not kept apart here: a field of type `nested` is indexed as one of type `object`, so conditions may be met by different objects of
//! the same document.

use es_exception::Exception;
use serde_json::Value;

use super::Query;
use super::parse::{flag, malformed, object, text};

pub(super) fn parse_nested(body: &Value, depth: usize) -> Result<Query, Exception> {
    let (mut path, mut inner) = (None, None);
    let mut query = Query::match_all();
    for (key, value) in object("nested", body)? {
        match key.as_str() {
            "path" => path = Some(text(key, value)?),
            "query" => inner = Some(Query::parse(value, depth + 1)?),
            "score_mode" => {
                let mode = text(key, value)?;
                if !["avg", "sum", "min", "max", "none"].contains(&mode) {
                    return Err(malformed(format!("No score mode for child query [{mode}] found")));
                }
            }
            "ignore_unmapped" => drop(flag(key, value)?),
            "inner_hits" => {
                return Err(malformed(
                    "[nested] query does not support [inner_hits]: the objects of an array are not kept apart here",
                ));
            }
            _ => query.parse_common("nested", key, value)?,
        }
    }
    if path.is_none() {
        return Err(malformed("[nested] requires 'path' field"));
    }
    let inner = inner.ok_or_else(|| malformed("[nested] requires 'query' field"))?;
    let boost = query.boost * inner.boost;
    Ok(Query { boost, ..inner })
}
