//! Intervals, offsets and time zones of `date_histogram`.

use es_exception::Exception;
use index_meta::{CalendarUnit, DateInterval, DateRounding, DateZone};

use super::options::{Options, malformed};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Takes the options that say how dates are put into buckets.
///
/// # Errors
/// `illegal_argument_exception` without exactly one interval, and for what is none; `parsing_exception` for an offset that is none.
pub(super) fn take_rounding(options: &mut Options<'_>) -> Result<DateRounding, Exception> {
    let interval = match (
        options.text("fixed_interval")?,
        options.text("calendar_interval")?,
    ) {
        (Some(text), None) => DateInterval::Fixed(fixed(&text)?),
        (None, Some(text)) => DateInterval::Calendar(calendar(&text)?),
        (Some(_), Some(_)) => {
            return Err(Exception::illegal_argument(
                "Cannot use [fixed_interval] with [calendar_interval] configuration option.",
            ));
        }
        (None, None) => {
            return Err(Exception::illegal_argument(
                "Invalid interval specified, must be non-null and non-empty",
            ));
        }
    };
    let zone = match options.text("time_zone")? {
        Some(name) => zone(&name)?,
        None => DateZone::UTC,
    };
    let offset = match options.take("offset") {
        Some(serde_json::Value::String(text)) => offset(&text)?,
        // Source: a number is of milliseconds.
        Some(other) => other
            .as_i64()
            .ok_or_else(|| malformed(format!("failed to parse [offset] with value [{other}]")))?,
        None => 0,
    };
    Ok(DateRounding::new(interval, zone, offset))
}

/// The time zone of this name.
///
/// # Errors
/// `illegal_argument_exception` if there is none.
pub(super) fn zone(name: &str) -> Result<DateZone, Exception> {
    DateZone::parse(name).map_err(|error| Exception::illegal_argument(error.to_string()))
}

/// Reads a fixed interval such as `12h`.
fn fixed(text: &str) -> Result<i64, Exception> {
    time(text)
        .filter(|millis| *millis > 0)
        .ok_or_else(|| {
            Exception::illegal_argument(format!(
                "failed to parse setting [date_histogram.fixedInterval] with value [{text}] as a time value: unit is missing or unrecognized, or it is not positive"
            ))
        })
}

/// Reads a calendar interval.
fn calendar(text: &str) -> Result<CalendarUnit, Exception> {
    Ok(match text {
        "second" | "1s" => CalendarUnit::Second,
        "minute" | "1m" => CalendarUnit::Minute,
        "hour" | "1h" => CalendarUnit::Hour,
        "day" | "1d" => CalendarUnit::Day,
        "week" | "1w" => CalendarUnit::Week,
        "month" | "1M" => CalendarUnit::Month,
        "quarter" | "1q" => CalendarUnit::Quarter,
        "year" | "1y" => CalendarUnit::Year,
        _ => {
            return Err(Exception::illegal_argument(format!(
                "The supplied interval [{text}] could not be parsed as a calendar interval."
            )));
        }
    })
}

/// Reads an offset such as `+6h`.
fn offset(text: &str) -> Result<i64, Exception> {
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
        assert_eq!(calendar("week").unwrap(), CalendarUnit::Week);
        assert_eq!(calendar("1M").unwrap(), CalendarUnit::Month);
        assert_eq!(calendar("1m").unwrap(), CalendarUnit::Minute);
        assert_eq!(offset("-1h").unwrap(), -HOUR);
        assert_eq!(offset("+2d").unwrap(), 2 * DAY);
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for bad in ["0h", "1M", "h", "", "5", "999999999999999d"] {
            assert!(fixed(bad).is_err(), "{bad}");
        }
        for bad in ["2d", "2M", "fortnight", ""] {
            assert!(calendar(bad).is_err(), "{bad}");
        }
        for bad in ["Europe/Atlantis", "+25:00", ""] {
            assert!(zone(bad).is_err(), "{bad}");
        }
    }
}
