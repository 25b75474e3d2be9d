//! Intervals and offsets of `date_histogram`, in milliseconds.

use es_exception::Exception;

use super::options::{malformed, unsupported};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const FIRST_MONDAY: i64 = 4 * DAY;

/// Reads a fixed interval such as `12h`.
pub(super) fn fixed(text: &str) -> Result<i64, Exception> {
    time(text)
        .filter(|millis| *millis > 0)
        .ok_or_else(|| {
            Exception::illegal_argument(format!(
                "failed to parse setting [date_histogram.fixedInterval] with value [{text}] as a time value: unit is missing or unrecognized, or it is not positive"
            ))
        })
}

/// Reads a calendar interval; answers its length and where its buckets begin. In UTC every unit up to a week has one length.
pub(super) fn calendar(text: &str) -> Result<(i64, i64), Exception> {
    match text {
        "second" | "1s" => Ok((SECOND, 0)),
        "minute" | "1m" => Ok((MINUTE, 0)),
        "hour" | "1h" => Ok((HOUR, 0)),
        "day" | "1d" => Ok((DAY, 0)),
        "week" | "1w" => Ok((WEEK, FIRST_MONDAY)),
        "month" | "1M" | "quarter" | "1q" | "year" | "1y" => Err(unsupported(format!(
            "[calendar_interval] of [{text}] is not supported here: use [week], [day] or shorter, a [fixed_interval], or a [date_range]"
        ))),
        _ => Err(Exception::illegal_argument(format!(
            "The supplied interval [{text}] could not be parsed as a calendar interval."
        ))),
    }
}

/// Reads an offset such as `+6h`.
pub(super) fn offset(text: &str) -> Result<i64, Exception> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    time(rest).map(|millis| sign * millis).ok_or_else(|| {
        malformed(format!(
            "failed to parse [offset] with value [{text}] as a time value"
        ))
    })
}

/// Refuses time zones other than UTC, in which days have other beginnings and lengths.
pub(super) fn check_time_zone(zone: &str) -> Result<(), Exception> {
    match zone {
        "UTC" | "Etc/UTC" | "GMT" | "Z" | "+00:00" | "-00:00" => Ok(()),
        _ => Err(unsupported(format!(
            "[time_zone] of [{zone}] is not supported in aggregations here, only [UTC]"
        ))),
    }
}

fn time(text: &str) -> Option<i64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_with_their_units() {
        assert_eq!(fixed("90m").unwrap(), 90 * MINUTE);
        assert_eq!(fixed("10ms").unwrap(), 10);
        assert_eq!(calendar("week").unwrap(), (WEEK, FIRST_MONDAY));
        assert_eq!(offset("-1h").unwrap(), -HOUR);
        assert_eq!(offset("+2d").unwrap(), 2 * DAY);
    }

    #[test]
    fn what_has_no_constant_length_is_refused() {
        for bad in ["0h", "1M", "h", "", "5", "999999999999999d"] {
            assert!(fixed(bad).is_err(), "{bad}");
        }
        for bad in ["month", "1y", "2d", "fortnight"] {
            assert!(calendar(bad).is_err(), "{bad}");
        }
        assert!(check_time_zone("Europe/Paris").is_err());
    }
}
