//! Times and sizes as Elasticsearch writes them.

/// Milliseconds of a time such as `30s`, `1.5h`, `-1` (as -1), `0`; `None` for what is none.
#[must_use]
pub fn parse_time_millis(text: &str) -> Option<i64> {
    let text = text.trim();
    match text {
        "-1" => return Some(-1),
        "0" => return Some(0),
        _ => {}
    }
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_per_unit = match unit {
        "nanos" => 1e-6,
        "micros" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        _ => return None,
    };
    scaled(number, millis_per_unit)
}

/// Bytes of a size such as `512mb`, `1024`, `-1` (as -1).
pub(crate) fn parse_bytes(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    if text == "-1" {
        return Some(-1);
    }
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let kilobyte = 1024_f64;
    let bytes_per_unit = match unit {
        "" | "b" => 1.0,
        "k" | "kb" => kilobyte,
        "m" | "mb" => kilobyte.powi(2),
        "g" | "gb" => kilobyte.powi(3),
        "t" | "tb" => kilobyte.powi(4),
        "p" | "pb" => kilobyte.powi(5),
        _ => return None,
    };
    scaled(number, bytes_per_unit)
}

/// The largest unit of which `bytes` is a whole number.
pub(crate) fn print_bytes(bytes: i64) -> String {
    let units = [(40, "tb"), (30, "gb"), (20, "mb"), (10, "kb")];
    let fits = units
        .iter()
        .find(|(bits, _)| bytes > 0 && bytes % (1_i64 << bits) == 0);
    match fits {
        Some((bits, unit)) => format!("{}{unit}", bytes >> bits),
        None => format!("{bytes}b"),
    }
}

fn scaled(number: &str, factor: f64) -> Option<i64> {
    if let (Ok(whole), true) = (number.parse::<i64>(), factor >= 1.0) {
        return whole.checked_mul(factor as i64);
    }
    let value = number.parse::<f64>().ok()? * factor;
    (value < 9e18).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("100ms", Some(100)),
            ("1.5h", Some(5_400_000)),
            ("12h", Some(43_200_000)),
            ("-1", Some(-1)),
            ("0", Some(0)),
            ("5", None),
            ("s", None),
            ("5 parsecs", None),
        ] {
            assert_eq!(parse_time_millis(text), expected, "{text}");
        }
        for (text, expected) in [
            ("512mb", Some(536_870_912)),
            ("1kb", Some(1024)),
            ("77", Some(77)),
            ("-1", Some(-1)),
            ("x", None),
            ("1zb", None),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text}");
        }
    }
}
