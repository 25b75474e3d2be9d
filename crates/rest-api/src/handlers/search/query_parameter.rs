//! The parameter `q`: a query of one line in the address of the request.

use es_exception::Exception;
use serde_json::{Value, json};

use crate::params::Params;

/// Parameters that say what to search for, in place of the query of a body.
pub(crate) const QUERY_PARAMETERS: &[&str] = &[
    "q",
    "df",
    "default_operator",
    "analyzer",
    "analyze_wildcard",
    "lenient",
];

/// The query that the parameters stand for; `None` without `q`.
///
/// # Errors
/// `illegal_argument_exception` for a flag that is none.
pub(crate) fn query_parameter(params: &Params) -> Result<Option<Value>, Exception> {
    let analyze_wildcard = params.flag("analyze_wildcard", false)?;
    let lenient = params.flag("lenient", false)?;
    let Some(line) = params.text("q") else {
        return Ok(None);
    };
    let mut query = json!({"query": line, "analyze_wildcard": analyze_wildcard});
    // Absent it depends on the fields.
    if lenient {
        query["lenient"] = true.into();
    }
    for (name, key) in [
        ("df", "default_field"),
        ("default_operator", "default_operator"),
        ("analyzer", "analyzer"),
    ] {
        if let Some(value) = params.text(name) {
            query[key] = value.into();
        }
    }
    Ok(Some(json!({"query_string": query})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_become_a_query() {
        let read = |query: &str| query_parameter(&Params::parse(query).expect("valid"));
        assert_eq!(read("df=a").expect("well-formed"), None);
        let expected = json!({"query_string": {
            "query": "a b", "analyze_wildcard": false, "default_field": "t", "default_operator": "AND", "lenient": true,
        }});
        let line = "q=a+b&df=t&default_operator=AND&lenient";
        assert_eq!(read(line).expect("well-formed"), Some(expected));
        assert!(read("q=a&lenient=maybe").is_err());
    }
}
