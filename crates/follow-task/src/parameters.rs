//! The following parameters: what users write, and what it means.

use std::time::Duration;

use oplog::ByteCount;
use serde::{Deserialize, Serialize};

use crate::time_value::parse_time_value;

/// Longest `max_retry_delay` allowed.
const RETRY_DELAY_LIMIT: Duration = Duration::from_secs(300);

/// The following parameters as a user writes them; what is left out has its default. The fields are in the order in which follow info prints them.
///
/// Sizes and times are strings with a unit and stay as written (`"1024k"` is not turned into `"1mb"`). Unknown fields are refused at the
/// edge that parses the body, since other fields surround these there.
/// Source: elasticsearch-specification, `ccr/follow_info/types.ts` (`FollowerIndexParameters`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(
    missing_docs,
    reason = "each field is documented at its getter on FollowParameters"
)]
pub struct RawFollowParameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request_operation_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_operation_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outstanding_read_requests: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outstanding_write_requests: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request_size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_buffer_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_buffer_size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retry_delay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_poll_timeout: Option<String>,
}

impl RawFollowParameters {
    /// These parameters, with `existing` ones where these are silent. This is how a resume body changes what was set before.
    #[must_use]
    pub fn merged_over(self, existing: &FollowParameters) -> RawFollowParameters {
        let old = existing.to_raw();
        RawFollowParameters {
            max_read_request_operation_count: self
                .max_read_request_operation_count
                .or(old.max_read_request_operation_count),
            max_write_request_operation_count: self
                .max_write_request_operation_count
                .or(old.max_write_request_operation_count),
            max_outstanding_read_requests: self
                .max_outstanding_read_requests
                .or(old.max_outstanding_read_requests),
            max_outstanding_write_requests: self
                .max_outstanding_write_requests
                .or(old.max_outstanding_write_requests),
            max_read_request_size: self.max_read_request_size.or(old.max_read_request_size),
            max_write_request_size: self.max_write_request_size.or(old.max_write_request_size),
            max_write_buffer_count: self.max_write_buffer_count.or(old.max_write_buffer_count),
            max_write_buffer_size: self.max_write_buffer_size.or(old.max_write_buffer_size),
            max_retry_delay: self.max_retry_delay.or(old.max_retry_delay),
            read_poll_timeout: self.read_poll_timeout.or(old.read_poll_timeout),
        }
    }
}

/// A value with the text that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written<T> {
    text: String,
    value: T,
}

/// The following parameters of one shard follow task, checked and complete. All limits hold for each shard apart.
///
/// Source: Elasticsearch's defaults, in print order 5120, 5120, 12, 9, `32mb`, `9223372036854775807b`, 2147483647, `512mb`, `500ms`, `1m`.
///
/// Worst-case memory of one task, as estimated bytes: `max_write_buffer_size`, plus `max_outstanding_read_requests` times
/// `max_read_request_size` and one operation, plus the batches being written. [`crate::InflightBudget`] bounds the sum over all tasks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowParameters {
    max_read_request_operation_count: u32,
    max_write_request_operation_count: u32,
    max_outstanding_read_requests: u32,
    max_outstanding_write_requests: u32,
    max_read_request_size: Written<ByteCount>,
    max_write_request_size: Written<ByteCount>,
    max_write_buffer_count: u32,
    max_write_buffer_size: Written<ByteCount>,
    max_retry_delay: Written<Duration>,
    read_poll_timeout: Written<Duration>,
}

impl Default for FollowParameters {
    fn default() -> Self {
        fn written<T>(text: &str, value: T) -> Written<T> {
            Written {
                text: text.to_owned(),
                value,
            }
        }
        Self {
            max_read_request_operation_count: 5120,
            max_write_request_operation_count: 5120,
            max_outstanding_read_requests: 12,
            max_outstanding_write_requests: 9,
            max_read_request_size: written("32mb", ByteCount::new(32 << 20)),
            max_write_request_size: written("9223372036854775807b", ByteCount::new(i64::MAX as u64)),
            max_write_buffer_count: i32::MAX as u32,
            max_write_buffer_size: written("512mb", ByteCount::new(512 << 20)),
            max_retry_delay: written("500ms", Duration::from_millis(500)),
            read_poll_timeout: written("1m", Duration::from_secs(60)),
        }
    }
}

impl FollowParameters {
    /// Operations that one read asks for at most. More per read saves round trips and costs memory.
    #[must_use]
    pub fn max_read_request_operation_count(&self) -> u32 {
        self.max_read_request_operation_count
    }

    /// Operations that one batch to the follower holds at most.
    #[must_use]
    pub fn max_write_request_operation_count(&self) -> u32 {
        self.max_write_request_operation_count
    }

    /// Reads that may be under way at once. More fill a long link better.
    #[must_use]
    pub fn max_outstanding_read_requests(&self) -> u32 {
        self.max_outstanding_read_requests
    }

    /// Batches that may be under way at once.
    #[must_use]
    pub fn max_outstanding_write_requests(&self) -> u32 {
        self.max_outstanding_write_requests
    }

    /// Estimated bytes after which an answer to a read ends; the operation that passes the limit is still part of it.
    #[must_use]
    pub fn max_read_request_size(&self) -> ByteCount {
        self.max_read_request_size.value
    }

    /// Estimated bytes after which a batch ends; the operation that passes the limit is still part of it.
    #[must_use]
    pub fn max_write_request_size(&self) -> ByteCount {
        self.max_write_request_size.value
    }

    /// Operations in the buffer from which on nothing more is read.
    #[must_use]
    pub fn max_write_buffer_count(&self) -> u32 {
        self.max_write_buffer_count
    }

    /// Estimated bytes in the buffer from which on nothing more is read.
    #[must_use]
    pub fn max_write_buffer_size(&self) -> ByteCount {
        self.max_write_buffer_size.value
    }

    /// Longest pause between two attempts.
    #[must_use]
    pub fn max_retry_delay(&self) -> Duration {
        self.max_retry_delay.value
    }

    /// How long the leader may hold back an empty answer. Also how late a change of aliases or settings is seen on an idle leader.
    #[must_use]
    pub fn read_poll_timeout(&self) -> Duration {
        self.read_poll_timeout.value
    }

    /// All ten as they were written, defaults filled in.
    #[must_use]
    pub fn to_raw(&self) -> RawFollowParameters {
        RawFollowParameters {
            max_read_request_operation_count: Some(self.max_read_request_operation_count.into()),
            max_write_request_operation_count: Some(self.max_write_request_operation_count.into()),
            max_outstanding_read_requests: Some(self.max_outstanding_read_requests.into()),
            max_outstanding_write_requests: Some(self.max_outstanding_write_requests.into()),
            max_read_request_size: Some(self.max_read_request_size.text.clone()),
            max_write_request_size: Some(self.max_write_request_size.text.clone()),
            max_write_buffer_count: Some(self.max_write_buffer_count.into()),
            max_write_buffer_size: Some(self.max_write_buffer_size.text.clone()),
            max_retry_delay: Some(self.max_retry_delay.text.clone()),
            read_poll_timeout: Some(self.read_poll_timeout.text.clone()),
        }
    }
}

impl TryFrom<RawFollowParameters> for FollowParameters {
    /// Every failure, in the order of the fields.
    type Error = Vec<String>;

    fn try_from(raw: RawFollowParameters) -> Result<Self, Vec<String>> {
        let mut check = Check::default();
        let mut result = Self::default();
        check.count(
            "max_read_request_operation_count",
            raw.max_read_request_operation_count,
            &mut result.max_read_request_operation_count,
        );
        check.count(
            "max_write_request_operation_count",
            raw.max_write_request_operation_count,
            &mut result.max_write_request_operation_count,
        );
        check.count(
            "max_outstanding_read_requests",
            raw.max_outstanding_read_requests,
            &mut result.max_outstanding_read_requests,
        );
        check.count(
            "max_outstanding_write_requests",
            raw.max_outstanding_write_requests,
            &mut result.max_outstanding_write_requests,
        );
        check.size(
            "max_read_request_size",
            raw.max_read_request_size,
            &mut result.max_read_request_size,
        );
        check.size(
            "max_write_request_size",
            raw.max_write_request_size,
            &mut result.max_write_request_size,
        );
        check.count(
            "max_write_buffer_count",
            raw.max_write_buffer_count,
            &mut result.max_write_buffer_count,
        );
        check.size(
            "max_write_buffer_size",
            raw.max_write_buffer_size,
            &mut result.max_write_buffer_size,
        );
        check.retry_delay(raw.max_retry_delay, &mut result.max_retry_delay);
        check.time(
            "read_poll_timeout",
            raw.read_poll_timeout,
            &mut result.read_poll_timeout,
        );
        if check.failures.is_empty() {
            Ok(result)
        } else {
            Err(check.failures)
        }
    }
}

/// Collects what is wrong, so that a user sees all of it at once.
#[derive(Default)]
struct Check {
    failures: Vec<String>,
}

impl Check {
    fn count(&mut self, name: &str, given: Option<i64>, target: &mut u32) {
        let Some(given) = given else { return };
        if given < 1 {
            self.failures.push(format!("{name} must be larger than 0"));
        } else if let Ok(value) = i32::try_from(given) {
            *target = value.unsigned_abs();
        } else {
            self.failures
                .push(format!("{name} must be at most {} but was {given}", i32::MAX));
        }
    }

    fn size(&mut self, name: &str, given: Option<String>, target: &mut Written<ByteCount>) {
        let Some(text) = given else { return };
        let trimmed = text.trim();
        // Elasticsearch takes "0" and "-1" without a unit; both fail the range check, not the parser.
        let parsed = match trimmed {
            "0" => Some(0),
            _ if trimmed.starts_with('-') => Some(0),
            _ if trimmed.ends_with(|last: char| last.is_ascii_digit()) => None,
            _ => trimmed.parse::<ByteCount>().ok().map(ByteCount::get),
        };
        match parsed {
            None => self.failures.push(format!(
                "failed to parse setting [{name}] with value [{text}] as a size in bytes: unit is missing or unrecognized"
            )),
            Some(0) => self.failures.push(format!("{name} must be larger than 0")),
            Some(bytes) => *target = Written { text, value: ByteCount::new(bytes) },
        }
    }

    fn time(&mut self, name: &str, given: Option<String>, target: &mut Written<Duration>) {
        let Some(text) = given else { return };
        match parse_time_value(&text) {
            Some(value) => *target = Written { text, value },
            None => self.failures.push(format!(
                "failed to parse setting [{name}] with value [{text}] as a time value: unit is missing or unrecognized"
            )),
        }
    }

    fn retry_delay(&mut self, given: Option<String>, target: &mut Written<Duration>) {
        let Some(text) = &given else { return };
        if text.trim().starts_with('-') || parse_time_value(text).is_some_and(|value| value.is_zero()) {
            self.failures
                .push(format!("[max_retry_delay] must be positive but was [{text}]"));
        } else if parse_time_value(text).is_some_and(|value| value > RETRY_DELAY_LIMIT) {
            self.failures.push(format!(
                "[max_retry_delay] must be less than [5m] but was [{text}]"
            ));
        } else {
            self.time("max_retry_delay", given, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: serde_json::Value) -> Result<FollowParameters, Vec<String>> {
        FollowParameters::try_from(serde_json::from_value::<RawFollowParameters>(body).unwrap())
    }

    #[test]
    fn an_empty_body_means_the_defaults_in_print_order() {
        let printed = serde_json::to_string(&parse(json!({})).unwrap().to_raw()).unwrap();
        let expected = concat!(
            r#"{"max_read_request_operation_count":5120,"max_write_request_operation_count":5120,"#,
            r#""max_outstanding_read_requests":12,"max_outstanding_write_requests":9,"#,
            r#""max_read_request_size":"32mb","max_write_request_size":"9223372036854775807b","#,
            r#""max_write_buffer_count":2147483647,"max_write_buffer_size":"512mb","#,
            r#""max_retry_delay":"500ms","read_poll_timeout":"1m"}"#,
        );
        assert_eq!(printed, expected);
        let raw: RawFollowParameters = serde_json::from_str(expected).unwrap();
        assert_eq!(
            FollowParameters::try_from(raw).unwrap(),
            FollowParameters::default()
        );
        assert_eq!(
            serde_json::to_value(RawFollowParameters::default()).unwrap(),
            json!({})
        );
    }

    #[test]
    fn values_are_kept_as_written() {
        let body =
            json!({"max_read_request_size": "1024k", "max_retry_delay": "300s", "max_write_buffer_count": 3});
        let parameters = parse(body).unwrap();
        assert_eq!(parameters.max_read_request_size(), ByteCount::new(1 << 20));
        assert_eq!(parameters.max_retry_delay(), Duration::from_secs(300));
        assert_eq!(parameters.max_write_buffer_count(), 3);
        let raw = parameters.to_raw();
        assert_eq!(
            (
                raw.max_read_request_size.as_deref(),
                raw.max_retry_delay.as_deref()
            ),
            (Some("1024k"), Some("300s"))
        );
    }

    #[test]
    fn every_failure_is_told() {
        let failures = parse(json!({
            "max_read_request_operation_count": 0,
            "max_write_request_operation_count": -1,
            "max_outstanding_read_requests": 0,
            "max_outstanding_write_requests": 2_147_483_648_i64,
            "max_read_request_size": "0b",
            "max_write_request_size": "17",
            "max_write_buffer_count": 0,
            "max_write_buffer_size": "-1",
            "max_retry_delay": "0ms",
            "read_poll_timeout": "soon",
        }))
        .unwrap_err();
        let parts = [
            "max_read_request_operation_count must be larger than 0",
            "max_write_request_operation_count must be larger than 0",
            "max_outstanding_read_requests must be larger than 0",
            "max_outstanding_write_requests must be at most 2147483647",
            "max_read_request_size must be larger than 0",
            "[max_write_request_size] with value [17] as a size in bytes",
            "max_write_buffer_count must be larger than 0",
            "max_write_buffer_size must be larger than 0",
            "[max_retry_delay] must be positive but was [0ms]",
            "[read_poll_timeout] with value [soon] as a time value",
        ];
        assert_eq!(failures.len(), parts.len(), "{failures:#?}");
        for (failure, part) in failures.iter().zip(parts) {
            assert!(failure.contains(part), "{failure:?} lacks {part:?}");
        }
    }

    #[test]
    fn the_retry_delay_is_positive_and_at_most_five_minutes() {
        let cases = [
            ("5m", None),
            ("300s", None),
            ("301s", Some("must be less than [5m] but was [301s]")),
            ("10m", Some("must be less than [5m] but was [10m]")),
            ("-5ms", Some("must be positive but was [-5ms]")),
            ("0", Some("must be positive but was [0]")),
            ("5", Some("as a time value")),
        ];
        for (text, failure) in cases {
            let result = parse(json!({ "max_retry_delay": text }));
            match failure {
                None => assert!(result.is_ok(), "{text}: {result:?}"),
                Some(part) => assert!(result.unwrap_err()[0].contains(part), "{text}"),
            }
        }
    }

    #[test]
    fn a_resume_body_changes_only_what_it_names() {
        let existing =
            parse(json!({"max_read_request_size": "1024k", "max_outstanding_read_requests": 3})).unwrap();
        let body = RawFollowParameters {
            max_outstanding_read_requests: Some(7),
            ..Default::default()
        };
        let merged = FollowParameters::try_from(body.merged_over(&existing)).unwrap();
        assert_eq!(merged.max_outstanding_read_requests(), 7);
        assert_eq!(merged.to_raw().max_read_request_size.as_deref(), Some("1024k"));
        assert_eq!(merged.to_raw().read_poll_timeout.as_deref(), Some("1m"));
    }
}
