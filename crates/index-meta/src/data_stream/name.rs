//! The names of backing indices.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the names of backing indices have in front of the name of their stream. Source: Elasticsearch's naming of backing indices.
pub const BACKING_INDEX_PREFIX: &str = ".ds-";

/// Digits of a generation at least. Source: Elasticsearch pads it to six.
const GENERATION_DIGITS: usize = 6;

/// The name that the backing index of this generation gets: `.ds-<stream>-<yyyy.MM.dd>-<generation>`, the date that of its creation in UTC.
#[must_use]
pub fn backing_index_name(stream: &str, generation: u64, created_at_millis: u64) -> String {
    let created_at = i64::try_from(created_at_millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or(Timestamp::MAX);
    let date = created_at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y.%m.%d")
        .to_string();
    format!("{BACKING_INDEX_PREFIX}{stream}-{date}-{generation:0GENERATION_DIGITS$}")
}

/// The name of a backing index, taken apart. What was made of one, by shrinking it for instance, has something in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackingIndexName<'a> {
    /// Up to the name of the stream, `.ds-` included.
    pub prefix: &'a str,
    /// The name of the stream.
    pub stream: &'a str,
    /// The dash behind it, the date, and the generation if there is one.
    pub suffix: &'a str,
}

impl<'a> BackingIndexName<'a> {
    /// Takes a name apart; `None` if it is not one of a backing index.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let stream_at = name.find(BACKING_INDEX_PREFIX)? + BACKING_INDEX_PREFIX.len();
        let (prefix, rest) = name.split_at(stream_at);
        let suffix_at = end_of_stream(rest)?;
        let (stream, suffix) = rest.split_at(suffix_at);
        Some(Self {
            prefix,
            stream,
            suffix,
        })
    }

    /// The same name for another stream.
    #[must_use]
    pub fn with_stream(&self, stream: &str) -> String {
        format!("{}{stream}{}", self.prefix, self.suffix)
    }
}

/// Where the name of the stream ends in `stream-yyyy.MM.dd` or `stream-yyyy.MM.dd-generation`.
fn end_of_stream(rest: &str) -> Option<usize> {
    let before_date = |text: &str| {
        let (stream, date) = text.rsplit_once('-')?;
        (is_date(date) && !stream.is_empty()).then_some(stream.len())
    };
    before_date(rest).or_else(|| split_generation(rest).and_then(|(before, _)| before_date(before)))
}

/// Splits `-<digits>` off the end.
fn split_generation(name: &str) -> Option<(&str, u64)> {
    let (before, digits) = name.rsplit_once('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| digits.parse().ok().map(|generation| (before, generation)))
        .flatten()
}

/// Whether this looks like `yyyy.MM.dd`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], [year, month, day] if is_number(year, 4) && is_number(month, 2) && is_number(day, 2))
}

/// What the backing indices of a replicated stream are ordered by: first those whose name does not have `.ds-<stream>-` in it, then the others by the
/// part from there on, so that what stands in front does not matter. Source: Elasticsearch's order when a backing index is followed; generations are
/// compared as numbers here, which is the same as long as they have six digits.
pub(super) fn order_key<'a>(stream: &str, index: &'a str) -> (bool, &'a str, u64) {
    let Some(at) = index.find(&format!("{BACKING_INDEX_PREFIX}{stream}-")) else {
        return (false, index, 0);
    };
    let core = &index[at..];
    let (before, generation) = split_generation(core).unwrap_or((core, 0));
    (true, before, generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backing_index_is_named_by_its_stream_its_day_and_its_generation() {
        for (stream, generation, millis, expected) in [
            ("logs", 1, 0, ".ds-logs-1970.01.01-000001"),
            (
                "logs-app",
                42,
                1_700_000_000_000,
                ".ds-logs-app-2023.11.14-000042",
            ),
            ("a", 1_234_567, 1_700_006_399_999, ".ds-a-2023.11.14-1234567"),
            ("a", 1, u64::MAX, ".ds-a-9999.12.30-000001"),
        ] {
            assert_eq!(backing_index_name(stream, generation, millis), expected);
        }
    }

    #[test]
    fn names_are_taken_apart_and_put_together_for_another_stream() {
        for (name, expected) in [
            (
                ".ds-clicks-2031.04.09-000002",
                Some(("clicks", ".ds-new-2031.04.09-000002")),
            ),
            (".ds-clicks-2031.04.09", Some(("clicks", ".ds-new-2031.04.09"))),
            (
                "shrink-xyz-.ds-a-b-2031.04.09-7",
                Some(("a-b", "shrink-xyz-.ds-new-2031.04.09-7")),
            ),
            (".ds-clicks-000002", None),
            (".ds-clicks-2031.4.9-000002", None),
            (".ds--2031.04.09-000002", None),
            ("clicks-2031.04.09-000002", None),
            (".ds-clicks-2031.04.09-x", None),
        ] {
            let parsed = BackingIndexName::parse(name);
            let found = parsed.map(|parsed| (parsed.stream, parsed.with_stream("new")));
            let expected = expected.map(|(stream, renamed)| (stream, renamed.to_owned()));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn backing_indices_are_ordered_by_what_follows_the_prefix() {
        let ordered = [
            ".ds-logs-app-2031.04.09-000009",
            "old-logs",
            ".ds-logs-2031.04.09-000001",
            "shrink-x-.ds-logs-2031.04.09-000002",
            ".ds-logs-2031.04.09-000003",
            ".ds-logs-2031.04.09-999999",
            ".ds-logs-2031.04.09-1000000",
            ".ds-logs-2031.04.10-000004",
        ];
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort_by(|left, right| order_key("logs", left).cmp(&order_key("logs", right)));
        // The backing index of another stream that begins alike stands with those of its stream: there is none such in a stream.
        assert_eq!(sorted[0], "old-logs");
        assert_eq!(sorted[1..7], ordered[2..8]);
    }
}
