//! Index names with dates in them, wherever a request names an index.

use es_exception::{Exception, ExceptionKind};
use index_meta::resolve_date_math_name;

use crate::state::RestState;

/// The expression with every name in angle brackets replaced by what it stands for now.
///
/// # Errors
/// `parse_exception` for a name whose date math cannot be read.
pub(crate) fn resolve_names(state: &RestState, expression: String) -> Result<String, Exception> {
    if !expression.contains('<') {
        return Ok(expression);
    }
    let now = i64::try_from(state.clock().now().get()).unwrap_or(i64::MAX);
    let names = expression.split(',').map(|name| {
        // Those that an expression leaves out keep their sign.
        let (sign, name) = match name.strip_prefix('-') {
            Some(left_out) => ("-", left_out),
            None => ("", name),
        };
        resolve_date_math_name(name, now)
            .map(|name| format!("{sign}{name}"))
            .map_err(|problem| Exception::new(ExceptionKind::Parse, problem))
    });
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(","))
}
