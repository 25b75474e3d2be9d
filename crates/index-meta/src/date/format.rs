//! Date formats: lists of alternatives, by name or by pattern.

use std::sync::{Arc, LazyLock};

use super::math::{Rounding, anchor};
use super::pattern::{self, DateParts, Item};
use super::zone::DateZone;

/// How a date field reads text: alternatives tried in order.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFormat {
    pattern: String,
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, PartialEq)]
enum Alternative {
    EpochMillis,
    EpochSecond,
    Items(Vec<Item>),
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParsedDate {
    /// A point in time, and the last millisecond that the text may mean.
    Instant {
        first: i64,
        last: i64,
    },
    Parts(DateParts),
}

static DEFAULT_FORMAT: LazyLock<Arc<DateFormat>> = LazyLock::new(|| {
    Arc::new(DateFormat::parse(DateFormat::DEFAULT).expect("the default format is well-formed"))
});

impl DateFormat {
    /// What a date field reads unless told otherwise.
    pub const DEFAULT: &'static str = "strict_date_optional_time||epoch_millis";

    /// [`DEFAULT`](Self::DEFAULT), read once.
    #[must_use]
    pub fn default_format() -> &'static Arc<DateFormat> {
        &DEFAULT_FORMAT
    }

    /// Reads a format list: names and Java patterns separated by `||`.
    ///
    /// # Errors
    /// A sentence that says which part is not understood.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let alternatives = pattern
            .split("||")
            .map(|part| {
                alternative(part.trim()).map_err(|problem| format!("invalid format: [{pattern}]: {problem}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            pattern: pattern.to_owned(),
            alternatives,
        })
    }

    /// The format list as written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Reads `text` as milliseconds since 1970, in UTC unless it says otherwise; missing parts are the smallest.
    #[must_use]
    pub fn parse_millis(&self, text: &str) -> Option<i64> {
        Some(match self.parse_date(text)? {
            ParsedDate::Instant { first, .. } => first,
            ParsedDate::Parts(parts) => {
                parts.local_millis(false) - i64::from(parts.offset_seconds.unwrap_or(0)) * 1000
            }
        })
    }

    /// Reads `text` as [`parse_millis`](Self::parse_millis) does, on the clocks of `zone` unless it says otherwise.
    #[must_use]
    pub fn parse_millis_in(&self, text: &str, zone: &DateZone) -> Option<i64> {
        anchor(text, self, zone.rules(), Rounding::Down).ok()
    }

    /// Writes milliseconds since 1970 in UTC, by the first alternative. A date that has no calendar form here is written as its number.
    #[must_use]
    pub fn format_millis(&self, millis: i64) -> String {
        self.format_millis_in(millis, &DateZone::UTC)
    }

    /// As [`format_millis`](Self::format_millis), as the clocks of `zone` show it.
    #[must_use]
    pub fn format_millis_in(&self, millis: i64, zone: &DateZone) -> String {
        match self.alternatives.first() {
            Some(Alternative::EpochSecond) => (millis.div_euclid(1000)).to_string(),
            Some(Alternative::Items(items)) => {
                pattern::write(items, millis, zone.rules()).unwrap_or_else(|| millis.to_string())
            }
            Some(Alternative::EpochMillis) | None => millis.to_string(),
        }
    }

    pub(crate) fn parse_date(&self, text: &str) -> Option<ParsedDate> {
        self.alternatives
            .iter()
            .find_map(|alternative| match alternative {
                Alternative::EpochMillis => epoch(text, 0).map(|millis| ParsedDate::Instant {
                    first: millis,
                    last: millis,
                }),
                Alternative::EpochSecond => {
                    let last_of_second = if text.contains('.') { 0 } else { 999 };
                    epoch(text, 3).map(|millis| ParsedDate::Instant {
                        first: millis,
                        last: millis.saturating_add(last_of_second),
                    })
                }
                Alternative::Items(items) => pattern::read(items, text).map(ParsedDate::Parts),
            })
    }
}

/// A decimal number times ten to the power of `scale`, the rest of its fraction cut off.
fn epoch(text: &str, scale: usize) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut number: i64 = whole.parse().ok()?;
    for position in 0..scale {
        let digit = fraction
            .as_bytes()
            .get(position)
            .map_or(0, |digit| i64::from(digit - b'0'));
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(if negative { -number } else { number })
}

/// A named format, or a Java pattern. Strict and lenient names read the same text except for `date_optional_time`.
fn alternative(name: &str) -> Result<Alternative, String> {
    match name {
        "epoch_millis" => return Ok(Alternative::EpochMillis),
        "epoch_second" => return Ok(Alternative::EpochSecond),
        "strict_date_optional_time" | "strict_date_optional_time_nanos" | "iso8601" => {
            return Ok(Alternative::Items(pattern::optional_time(true)));
        }
        "date_optional_time" => return Ok(Alternative::Items(pattern::optional_time(false))),
        _ => {}
    }
    let pattern = match name.strip_prefix("strict_").unwrap_or(name) {
        "basic_date" => "yyyyMMdd",
        "basic_date_time" => "yyyyMMdd'T'HHmmss.SSSX",
        "basic_date_time_no_millis" => "yyyyMMdd'T'HHmmssX",
        "date" | "year_month_day" => "yyyy-MM-dd",
        "date_hour" => "yyyy-MM-dd'T'HH",
        "date_hour_minute" => "yyyy-MM-dd'T'HH:mm",
        "date_hour_minute_second" => "yyyy-MM-dd'T'HH:mm:ss",
        "date_hour_minute_second_millis" | "date_hour_minute_second_fraction" => "yyyy-MM-dd'T'HH:mm:ss.SSS",
        "date_time" => "yyyy-MM-dd'T'HH:mm:ss.SSSX",
        "date_time_no_millis" => "yyyy-MM-dd'T'HH:mm:ssX",
        "hour" => "HH",
        "hour_minute" => "HH:mm",
        "hour_minute_second" => "HH:mm:ss",
        "hour_minute_second_millis" => "HH:mm:ss.SSS",
        "year" => "yyyy",
        "year_month" => "yyyy-MM",
        _ => name,
    };
    pattern::compile(pattern).map(Alternative::Items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: Option<i64>) {
        let format = DateFormat::parse(pattern).expect(pattern);
        assert_eq!(format.parse_millis(text), expected, "{text} by {pattern}");
    }

    #[test]
    fn dates_are_written_by_the_first_alternative() {
        for (pattern, millis, expected) in [
            (DateFormat::DEFAULT, 1_420_114_230_005, "2015-01-01T12:10:30.005Z"),
            (DateFormat::DEFAULT, -1, "1969-12-31T23:59:59.999Z"),
            ("epoch_millis||yyyy", 7, "7"),
            ("epoch_second", -1, "-1"),
            ("yyyy-MM-dd", 1_420_114_230_005, "2015-01-01"),
            (
                "dd MMM yy HH:mm:ss.SSSXXX",
                1_420_114_230_005,
                "01 Jan 15 12:10:30.005Z",
            ),
            (DateFormat::DEFAULT, i64::MAX, "9223372036854775807"),
        ] {
            let format = DateFormat::parse(pattern).expect(pattern);
            assert_eq!(format.format_millis(millis), expected, "{millis} by {pattern}");
        }
    }

    #[test]
    fn the_default_reads_iso_dates_and_milliseconds() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1970", Some(0)),
            ("2015", Some(1_420_070_400_000)),
            ("2015-01", Some(1_420_070_400_000)),
            ("2015-01-01T", Some(1_420_070_400_000)),
            ("2015-01-01T12:10:30Z", Some(1_420_114_230_000)),
            ("2015-01-01T12:10:30.5Z", Some(1_420_114_230_500)),
            ("2015-01-01T12:10:30,123456789Z", Some(1_420_114_230_123)),
            ("2015-01-01T12:10:30+01:00", Some(1_420_110_630_000)),
            ("2015-01-01T12:10:30-0130", Some(1_420_119_630_000)),
            ("2015-01-01T12+02", Some(1_420_106_400_000)),
            ("1420070400001", Some(1_420_070_400_001)),
            ("-1", Some(-1)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("0000-03-01", Some(-62_162_035_200_000)),
            ("2016-02-29", Some(1_456_704_000_000)),
            ("2015-02-29", None),
            ("2015-13-01", None),
            ("2015-01-32", None),
            ("2015-01-01T24:00", None),
            ("2015-1-1", None),
            ("2015-01-01 12:00", None),
            ("", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            check(DateFormat::DEFAULT, text, expected);
        }
    }

    #[test]
    fn named_and_custom_patterns() {
        let noon = Some(1_420_113_600_000);
        for (pattern, text, expected) in [
            ("date_optional_time", "2015-1-1T12:0", noon),
            ("epoch_second", "1420113600", noon),
            ("epoch_second", "1420113600.5", Some(1_420_113_600_500)),
            ("basic_date", "20150101", Some(1_420_070_400_000)),
            ("basic_date_time", "20150101T120000.000Z", noon),
            (
                "yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z",
                "2015/01/01 12:00:00 +0000",
                noon,
            ),
            (
                "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis",
                "2015/01/01",
                Some(1_420_070_400_000),
            ),
            ("dd.MM.yyyy h 'o''clock' a", "01.01.2015 12 o'clock PM", noon),
            ("d MMM yy HH:mm:ss.SSSXXX", "1 Jan 15 13:00:00.000+01:00", noon),
            (
                "EEE MMM dd HH:mm:ss Z yyyy",
                "Thu Jan 01 12:00:00 +0000 2015",
                noon,
            ),
            ("yyyy-MM-dd[ HH:mm]", "2015-01-01 12:00", noon),
            ("yyyy-MM-dd[ HH:mm]", "2015-01-01", Some(1_420_070_400_000)),
            ("yyyy-MM-dd", "2015-01-01T12", None),
            ("yyyyMMdd", "2015010", None),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn unknown_patterns_are_refused() {
        for pattern in [
            "",
            "nosuchformat",
            "yyyy-QQ",
            "yyyy'T",
            "yyyy[-MM",
            "yyyy-MM-dd||",
        ] {
            assert!(DateFormat::parse(pattern).is_err(), "{pattern}");
        }
    }
}
