//! The indices that a request names, with the parameters that say how to read the expression.

use std::sync::Arc;

use cluster::IndexMetadata;
use es_exception::Exception;
use indices::ResolveOptions;

use crate::call::Call;

/// Parameters that change how an index expression is read.
pub(crate) const TARGET: &[&str] = &["expand_wildcards", "ignore_unavailable", "allow_no_indices"];

/// The options of a request; what it does not say is as in `defaults`.
///
/// # Errors
/// `illegal_argument_exception` for a value that is not known.
pub(crate) fn options(call: &Call, defaults: ResolveOptions) -> Result<ResolveOptions, Exception> {
    let mut options = defaults;
    options.ignore_unavailable = call
        .params
        .flag("ignore_unavailable", options.ignore_unavailable)?;
    options.allow_no_indices = call.params.flag("allow_no_indices", options.allow_no_indices)?;
    if call.params.text("expand_wildcards").is_none() {
        return Ok(options);
    }
    expand(&mut options, call.params.list("expand_wildcards").into_iter())?;
    Ok(options)
}

/// Sets what wildcards match.
///
/// # Errors
/// `illegal_argument_exception` for a value that is not known.
pub(crate) fn expand<'a>(
    options: &mut ResolveOptions,
    states: impl Iterator<Item = &'a str>,
) -> Result<(), Exception> {
    (options.expand_open, options.expand_closed, options.expand_hidden) = (false, false, false);
    for state in states {
        match state {
            "open" => options.expand_open = true,
            "closed" => options.expand_closed = true,
            "hidden" => options.expand_hidden = true,
            "all" => (options.expand_open, options.expand_closed, options.expand_hidden) = (true, true, true),
            "none" => {
                (options.expand_open, options.expand_closed, options.expand_hidden) = (false, false, false)
            }
            other => {
                let reason = format!(
                    "no valid expand wildcard value [{other}]: use open, closed, hidden, none or all"
                );
                return Err(Exception::illegal_argument(reason));
            }
        }
    }
    Ok(())
}

/// The indices of the path, open and closed ones.
///
/// # Errors
/// `index_not_found_exception`, and as [`options`].
pub(crate) fn any_state(call: &Call) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
    let options = options(call, ResolveOptions::METADATA)?;
    call.state.indices().resolve(call.index(), &options)
}

/// The index expression of the path, put in plain names when parameters change how it is read; `None` when it then names nothing.
///
/// # Errors
/// As [`options`], and what cannot be resolved.
pub(crate) fn expression(call: &Call, defaults: ResolveOptions) -> Result<Option<String>, Exception> {
    let options = options(call, defaults)?;
    if TARGET.iter().all(|name| call.params.get(name).is_none()) {
        return Ok(Some(call.index().to_owned()));
    }
    let indices = call.state.indices().resolve(call.index(), &options)?;
    let names: Vec<&str> = indices.iter().map(|index| index.name.as_str()).collect();
    Ok((!names.is_empty()).then(|| names.join(",")))
}
