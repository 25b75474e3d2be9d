//! Times and sizes as Elasticsearch reads and writes them in query parameters and human-readable fields.

use std::time::Duration;

use es_exception::Exception;
use index_meta::DateFormat;
use oplog::UnixMillis;

/// Time units by suffix, longest suffix first so that `ms` is not read as `s`.
const TIME_UNITS: [(&str, u64); 7] = [
    ("nanos", 1),
    ("micros", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Size units by suffix, largest first.
const BYTE_UNITS: [(&str, u64); 5] = [
    ("pb", 1 << 50),
    ("tb", 1 << 40),
    ("gb", 1 << 30),
    ("mb", 1 << 20),
    ("kb", 1 << 10),
];

/// How long a request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// Give up after this long.
    After(Duration),
    /// Never give up (`-1`).
    Never,
}

impl Timeout {
    /// What Elasticsearch waits when a request does not say.
    pub(crate) const DEFAULT: Self = Self::After(Duration::from_secs(30));

    /// The duration to wait, where for ever is a year: long enough for any request, short enough for any timer.
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::After(duration) => duration,
            Self::Never => Duration::from_secs(365 * 24 * 3600),
        }
    }
}

/// Reads a time such as `30s`, `1.5h`, `0` or `-1`.
///
/// # Errors
/// `illegal_argument_exception` that names `parameter` when the unit is missing or unknown.
pub(crate) fn parse_timeout(parameter: &str, text: &str) -> Result<Timeout, Exception> {
    match text {
        "-1" => return Ok(Timeout::Never),
        "0" => return Ok(Timeout::After(Duration::ZERO)),
        _ => {}
    }
    let refused = || {
        Exception::illegal_argument(format!(
            "failed to parse [{parameter}] with value [{text}] as a time value: the unit is missing or not known"
        ))
    };
    let lower = text.to_ascii_lowercase();
    for (suffix, nanos) in TIME_UNITS {
        let Some(number) = lower.strip_suffix(suffix) else {
            continue;
        };
        let number = number.trim_end();
        if let Ok(whole) = number.parse::<u64>() {
            let total = whole.checked_mul(nanos).ok_or_else(refused)?;
            return Ok(Timeout::After(Duration::from_nanos(total)));
        }
        let fraction: f64 = number.parse().map_err(|_| refused())?;
        let seconds = fraction * nanos as f64 / 1e9;
        return Duration::try_from_secs_f64(seconds)
            .map(Timeout::After)
            .map_err(|_| refused());
    }
    Err(refused())
}

/// Prints milliseconds as `1.2s`, `3m` or `0s`: one decimal, cut and not rounded.
pub(crate) fn human_millis(millis: i64) -> String {
    if millis < 0 {
        return millis.to_string();
    }
    let value = millis as f64;
    for (suffix, unit) in [
        ("d", 86_400_000.0),
        ("h", 3_600_000.0),
        ("m", 60_000.0),
        ("s", 1_000.0),
    ] {
        if value >= unit {
            return one_decimal(value / unit, suffix);
        }
    }
    if millis == 0 {
        "0s".to_owned()
    } else {
        format!("{millis}ms")
    }
}

/// Prints a size as `4.8kb`, `32mb` or `17b`: one decimal, cut and not rounded.
pub(crate) fn human_bytes(bytes: u64) -> String {
    for (suffix, unit) in BYTE_UNITS {
        if bytes >= unit {
            return one_decimal(bytes as f64 / unit as f64, suffix);
        }
    }
    format!("{bytes}b")
}

/// Prints a size in the unit of the `bytes` parameter of the cat APIs, as a whole number.
///
/// # Errors
/// `illegal_argument_exception` for an unknown unit.
pub(crate) fn bytes_in_unit(bytes: u64, unit: &str) -> Result<String, Exception> {
    if unit == "b" {
        return Ok(bytes.to_string());
    }
    let factor = BYTE_UNITS
        .iter()
        .find(|(name, _)| *name == unit || name.strip_suffix('b') == Some(unit));
    match factor {
        Some((_, factor)) => Ok((bytes / factor).to_string()),
        None => Err(Exception::illegal_argument(format!(
            "[bytes] must be one of [b, kb, mb, gb, tb, pb], but was [{unit}]"
        ))),
    }
}

/// Prints milliseconds in the unit of the `time` parameter of the cat APIs, as a whole number.
///
/// # Errors
/// `illegal_argument_exception` for an unknown unit.
pub(crate) fn time_in_unit(millis: i64, unit: &str) -> Result<String, Exception> {
    match TIME_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, nanos)) => {
            let nanos = i128::from(millis) * 1_000_000 / i128::from(*nanos);
            Ok(nanos.to_string())
        }
        None => Err(Exception::illegal_argument(format!(
            "[time] must be one of [nanos, micros, ms, s, m, h, d], but was [{unit}]"
        ))),
    }
}

/// A time as Elasticsearch writes it, for instance `2024-01-31T09:00:00.000Z`.
pub(crate) fn iso_millis(time: UnixMillis) -> String {
    let millis = i64::try_from(time.get()).unwrap_or(i64::MAX);
    DateFormat::default_format().format_millis(millis)
}

fn one_decimal(value: f64, suffix: &str) -> String {
    let tenths = (value * 10.0).floor() as u64;
    match tenths % 10 {
        0 => format!("{}{suffix}", tenths / 10),
        fraction => format!("{}.{fraction}{suffix}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        let cases = [
            ("30s", Some(Timeout::After(Duration::from_secs(30)))),
            ("1.5h", Some(Timeout::After(Duration::from_secs(5400)))),
            ("500ms", Some(Timeout::After(Duration::from_millis(500)))),
            ("2micros", Some(Timeout::After(Duration::from_micros(2)))),
            ("1D", Some(Timeout::After(Duration::from_secs(86_400)))),
            ("-1", Some(Timeout::Never)),
            ("0", Some(Timeout::After(Duration::ZERO))),
            ("30", None),
            ("", None),
            ("s", None),
            ("-3s", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timeout("timeout", text).ok(), expected, "{text}");
        }
        let refused = parse_timeout("master_timeout", "5").expect_err("no unit");
        assert!(
            refused.reason().contains("master_timeout") && refused.reason().contains("[5]"),
            "{refused}"
        );
    }

    #[test]
    fn a_point_in_time_is_printed_in_utc() {
        let time = UnixMillis::new(1_706_691_600_005);
        assert_eq!(iso_millis(time), "2024-01-31T09:00:00.005Z");
    }

    #[test]
    fn times_and_sizes_are_printed_with_one_cut_decimal() {
        let times = [
            (0, "0s"),
            (14, "14ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1290, "1.2s"),
            (90_000, "1.5m"),
            (-1, "-1"),
        ];
        for (millis, expected) in times {
            assert_eq!(human_millis(millis), expected);
        }
        let sizes = [
            (0, "0b"),
            (1023, "1023b"),
            (1024, "1kb"),
            (4990, "4.8kb"),
            (32 << 20, "32mb"),
            (3 << 39, "1.5tb"),
        ];
        for (bytes, expected) in sizes {
            assert_eq!(human_bytes(bytes), expected);
        }
    }

    #[test]
    fn sizes_and_times_are_cut_to_the_unit_asked_for() {
        assert_eq!(bytes_in_unit(5000, "kb").ok().as_deref(), Some("4"));
        assert_eq!(bytes_in_unit(5000, "k").ok().as_deref(), Some("4"));
        assert_eq!(bytes_in_unit(5000, "b").ok().as_deref(), Some("5000"));
        assert!(bytes_in_unit(5000, "parsec").is_err());
        for (unit, expected) in [
            ("ms", "90500"),
            ("s", "90"),
            ("m", "1"),
            ("h", "0"),
            ("micros", "90500000"),
        ] {
            assert_eq!(
                time_in_unit(90_500, unit).ok().as_deref(),
                Some(expected),
                "{unit}"
            );
        }
        assert!(time_in_unit(1, "fortnight").is_err());
    }
}
