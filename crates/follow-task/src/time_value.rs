//! Elasticsearch's time strings.

use std::time::Duration;

/// Parses a time with a unit (`nanos`, `micros`, `ms`, `s`, `m`, `h`, `d`), as Elasticsearch's `TimeValue` does: no fractions, `0` alone is fine.
pub(crate) fn parse_time_value(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("nanos", 1),
        ("micros", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60 * 1_000_000_000),
        ("h", 3_600 * 1_000_000_000),
        ("d", 86_400 * 1_000_000_000),
    ];
    let text = text.trim().to_ascii_lowercase();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let number: u64 = number.parse().ok()?;
    let nanos = u128::from(number) * u128::from(*nanos);
    Some(Duration::new(
        u64::try_from(nanos / 1_000_000_000).ok()?,
        u32::try_from(nanos % 1_000_000_000).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_are_whole_numbers() {
        let cases = [
            ("500ms", Some(Duration::from_millis(500))),
            ("1m", Some(Duration::from_secs(60))),
            ("5 M", Some(Duration::from_secs(300))),
            ("7nanos", Some(Duration::from_nanos(7))),
            ("2micros", Some(Duration::from_micros(2))),
            ("3h", Some(Duration::from_secs(10_800))),
            ("1d", Some(Duration::from_secs(86_400))),
            ("0", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("5", None),
            ("1.5s", None),
            ("-1s", None),
            ("s", None),
            ("", None),
            ("1w", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time_value(text), expected, "{text:?}");
        }
    }
}
