//! `POST /_reindex/{task_id}/_rethrottle` and its siblings: another rate for a by-query task that runs.

use es_exception::{Exception, ExceptionKind};

use super::{Listed, answer, find};
use crate::call::Call;
use crate::params::Params;
use crate::reply::Reply;
use crate::tasks::TaskId;

/// Changes the rate of the task.
pub(crate) async fn rethrottle(call: Call) -> Result<Reply, Exception> {
    let id: TaskId = call.segment("task_id").unwrap_or_default().parse()?;
    let rate = requests_per_second(&call.params)?
        .ok_or_else(|| Exception::illegal_argument("requests_per_second is a required parameter"))?;
    let task = match find(&call, &id)? {
        Ok(task) => task,
        Err(missing) => return answer(&call, &[], &[missing]),
    };
    let request = task.request.as_ref();
    let Some(control) = request.and_then(|request| request.by_query()) else {
        let reason = format!("task [{id}] is not found");
        let missing = Exception::new(ExceptionKind::ResourceNotFound, reason);
        return answer(&call, &[], &[missing]);
    };
    control.rethrottle(rate);
    let request = request.map(std::sync::Arc::clone);
    let shown = request.map(|request| Listed::request(&call.state, request));
    answer(&call, shown.as_slice(), &[])
}

/// Documents in a second, infinity for `-1`; `None` when the request does not say.
///
/// # Errors
/// `illegal_argument_exception` for what is no rate.
pub(crate) fn requests_per_second(params: &Params) -> Result<Option<f32>, Exception> {
    match params.text("requests_per_second") {
        None => Ok(None),
        Some("-1") => Ok(Some(f32::INFINITY)),
        Some(text) => match text.parse::<f32>() {
            Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(Some(rate)),
            Ok(rate) if rate.to_bits() == (-1.0_f32).to_bits() => Ok(Some(f32::INFINITY)),
            _ => Err(Exception::illegal_argument(format!(
                "[requests_per_second] must be a float greater than 0. Use -1 to disable throttling, but was [{text}]"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number_or_none_at_all() {
        let cases = [
            ("", Some(None)),
            ("requests_per_second=-1", Some(Some(f32::INFINITY))),
            ("requests_per_second=-1.0", Some(Some(f32::INFINITY))),
            ("requests_per_second=0.5", Some(Some(0.5))),
            ("requests_per_second=0", None),
            ("requests_per_second=-2", None),
            ("requests_per_second=NaN", None),
            ("requests_per_second=inf", None),
            ("requests_per_second=many", None),
        ];
        for (query, expected) in cases {
            let params = Params::parse(query).expect("well-formed");
            assert_eq!(requests_per_second(&params).ok(), expected, "{query}");
        }
    }
}
