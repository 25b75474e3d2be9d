//! Date math: `now-1d/d`, `2015-01-01||+1M/d`.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};

use super::format::{DateFormat, ParsedDate};
use crate::error::ValueError;

/// Which millisecond an incomplete or rounded date stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// The first that it can mean.
    Down,
    /// The last that it can mean.
    Up,
}

/// Reads an offset such as `+01:00` or `Z`, or a name such as `Europe/Paris`.
pub(crate) fn parse_time_zone(name: &str) -> Result<TimeZone, ValueError> {
    let unknown = || ValueError::TimeZone(name.to_owned());
    if matches!(name, "Z" | "UTC" | "GMT") {
        return Ok(TimeZone::UTC);
    }
    if !name.starts_with(['+', '-']) {
        return TimeZone::get(name).map_err(|_| unknown());
    }
    let items = [super::pattern::Item::Offset {
        zulu: false,
        colon: None,
    }];
    let seconds = super::pattern::read(&items, name)
        .and_then(|parts| parts.offset_seconds)
        .ok_or_else(unknown)?;
    Offset::from_seconds(seconds)
        .map(TimeZone::fixed)
        .map_err(|_| unknown())
}

/// Reads a date or a date math expression as milliseconds since 1970.
pub(crate) fn resolve(
    text: &str,
    format: &DateFormat,
    now_millis: i64,
    zone: &TimeZone,
    rounding: Rounding,
) -> Result<i64, ValueError> {
    let (base, operations) = if let Some(operations) = text.strip_prefix("now") {
        (now_millis, operations)
    } else if let Some((date, operations)) = text.split_once("||") {
        (anchor(date, format, zone, Rounding::Down)?, operations)
    } else {
        return anchor(text, format, zone, rounding);
    };
    if operations.is_empty() {
        return Ok(base);
    }
    let malformed = |problem: &str| ValueError::DateMath {
        expression: text.to_owned(),
        problem: problem.to_owned(),
    };
    let start = Timestamp::from_millisecond(base).map_err(|_| malformed("the date is too far away"))?;
    let end =
        apply(start.to_zoned(zone.clone()), operations, rounding).map_err(|problem| malformed(&problem))?;
    Ok(end.timestamp().as_millisecond())
}

pub(super) fn anchor(
    text: &str,
    format: &DateFormat,
    zone: &TimeZone,
    rounding: Rounding,
) -> Result<i64, ValueError> {
    let not_a_date = || ValueError::NotADate {
        value: text.to_owned(),
        format: format.pattern().to_owned(),
    };
    let parts = match (format.parse_date(text).ok_or_else(not_a_date)?, rounding) {
        (ParsedDate::Instant { first, .. }, Rounding::Down) => return Ok(first),
        (ParsedDate::Instant { last, .. }, Rounding::Up) => return Ok(last),
        (ParsedDate::Parts(parts), _) => parts,
    };
    let local = parts.local_millis(rounding == Rounding::Up);
    if let Some(offset) = parts.offset_seconds {
        return Ok(local - i64::from(offset) * 1000);
    }
    if *zone == TimeZone::UTC {
        return Ok(local);
    }
    let civil = Timestamp::from_millisecond(local)
        .map_err(|_| not_a_date())?
        .to_zoned(TimeZone::UTC)
        .datetime();
    Ok(zone
        .to_ambiguous_timestamp(civil)
        .compatible()
        .map_err(|_| not_a_date())?
        .as_millisecond())
}

/// Applies operations such as `+1d-2h/M`.
fn apply(mut at: Zoned, operations: &str, rounding: Rounding) -> Result<Zoned, String> {
    let mut rest = operations;
    while let Some(operator) = rest.chars().next() {
        if !matches!(operator, '+' | '-' | '/') {
            return Err(format!("operator not supported: [{operator}]"));
        }
        rest = &rest[1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = match &rest[..digits] {
            "" => 1,
            text => text.parse().map_err(|_| "a number is too large".to_owned())?,
        };
        rest = &rest[digits..];
        let unit = rest.chars().next().ok_or("it is truncated")?;
        rest = &rest[unit.len_utf8()..];
        let step = span(unit, count)?;
        at = match operator {
            '+' => at.checked_add(step).map_err(|error| error.to_string())?,
            '-' => at.checked_sub(step).map_err(|error| error.to_string())?,
            _ if count != 1 => return Err(format!("rounding [/] takes no number, but got [{count}]")),
            _ => round(&at, unit, rounding).map_err(|error| error.to_string())?,
        };
    }
    Ok(at)
}

fn span(unit: char, count: i64) -> Result<jiff::Span, String> {
    let span = jiff::Span::new();
    match unit {
        'y' => span.try_years(count),
        'M' => span.try_months(count),
        'w' => span.try_weeks(count),
        'd' => span.try_days(count),
        'h' | 'H' => span.try_hours(count),
        'm' => span.try_minutes(count),
        's' => span.try_seconds(count),
        _ => return Err(format!("unit [{unit}] is not supported")),
    }
    .map_err(|error| error.to_string())
}

fn round(at: &Zoned, unit: char, rounding: Rounding) -> Result<Zoned, jiff::Error> {
    let civil = at.datetime();
    let date = civil.date();
    let first = match unit {
        'y' => date.first_of_year().at(0, 0, 0, 0),
        'M' => date.first_of_month().at(0, 0, 0, 0),
        'w' => {
            let days_since_monday = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(days_since_monday.days())?.at(0, 0, 0, 0)
        }
        'd' => date.at(0, 0, 0, 0),
        'h' | 'H' => date.at(civil.hour(), 0, 0, 0),
        'm' => date.at(civil.hour(), civil.minute(), 0, 0),
        _ => date.at(civil.hour(), civil.minute(), civil.second(), 0),
    };
    let zone = at.time_zone().clone();
    if rounding == Rounding::Down {
        return first.to_zoned(zone);
    }
    let step = span(unit, 1).unwrap_or_else(|_| 0.seconds());
    first
        .to_zoned(zone)?
        .checked_add(step)?
        .checked_sub(1.millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-06-17T12:34:56.789Z, a Wednesday.
    const NOW: i64 = 1_434_544_496_789;

    #[track_caller]
    fn check(expression: &str, zone: &str, rounding: Rounding, expected: &str) {
        let zone = parse_time_zone(zone).expect("a zone");
        let millis =
            resolve(expression, DateFormat::default_format(), NOW, &zone, rounding).expect(expression);
        let shown = Timestamp::from_millisecond(millis).expect("in range").to_string();
        assert_eq!(shown, expected, "{expression}");
    }

    #[test]
    fn expressions_are_resolved_in_order() {
        check("now", "Z", Rounding::Up, "2015-06-17T12:34:56.789Z");
        check("now-1d", "Z", Rounding::Down, "2015-06-16T12:34:56.789Z");
        check("now-1d/d", "Z", Rounding::Down, "2015-06-16T00:00:00Z");
        check("now/d", "Z", Rounding::Up, "2015-06-17T23:59:59.999Z");
        check("now/w", "Z", Rounding::Down, "2015-06-15T00:00:00Z");
        check("now+1M/M-1s", "Z", Rounding::Down, "2015-06-30T23:59:59Z");
        check("2015-01-31||+1M", "Z", Rounding::Down, "2015-02-28T00:00:00Z");
        check("2015-01-01||/y", "Z", Rounding::Up, "2015-12-31T23:59:59.999Z");
    }

    #[test]
    fn incomplete_dates_are_rounded() {
        check("2015-02", "Z", Rounding::Up, "2015-02-28T23:59:59.999Z");
        check("2015-02-01T10", "Z", Rounding::Up, "2015-02-01T10:59:59.999Z");
        check("2015-02", "Z", Rounding::Down, "2015-02-01T00:00:00Z");
    }

    #[test]
    fn the_time_zone_applies_to_dates_without_one_and_to_rounding() {
        check("2015-06-17", "+02:00", Rounding::Down, "2015-06-16T22:00:00Z");
        check(
            "2015-06-17T00:00:00Z",
            "+02:00",
            Rounding::Down,
            "2015-06-17T00:00:00Z",
        );
        check("now/d", "-13:00", Rounding::Down, "2015-06-16T13:00:00Z");
    }

    #[test]
    fn malformed_expressions_are_errors() {
        for expression in [
            "now+",
            "now*1d",
            "now+1x",
            "now/2d",
            "soon||+1d",
            "now+99999999999999999999d",
            "now+9999999y",
        ] {
            let result = resolve(
                expression,
                DateFormat::default_format(),
                NOW,
                &TimeZone::UTC,
                Rounding::Down,
            );
            assert!(result.is_err(), "{expression}");
        }
        assert!(parse_time_zone("Middle/Earth").is_err());
    }
}
