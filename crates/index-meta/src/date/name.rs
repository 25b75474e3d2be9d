//! Names of indices with the date in them: `<logs-{now/d}>`.

use std::borrow::Cow;

use super::format::DateFormat;
use super::math::{Rounding, resolve};
use super::zone::DateZone;

/// Source: the format of dates in names that say none.
const DEFAULT_FORMAT: &str = "yyyy.MM.dd";

/// The name that `name` stands for at `now_millis`, milliseconds since 1970. A name that is not in angle brackets stands for itself.
///
/// Source: Elasticsearch's date math in index names: `<static{expression{format|time zone}}static>`; a backslash takes the next character as it is.
///
/// # Errors
/// A sentence that says what is wrong with the expression.
pub fn resolve_date_math_name(name: &str, now_millis: i64) -> Result<Cow<'_, str>, String> {
    let Some(expression) = name.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
        return Ok(Cow::Borrowed(name));
    };
    let invalid = |problem: String| format!("invalid dynamic name expression [{expression}]. {problem}");
    let mut resolved = String::new();
    let mut rest = expression.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => resolved.extend(rest.next()),
            '{' => {
                let (placeholder, after) = placeholder(rest.as_str())
                    .ok_or_else(|| invalid("date math placeholder is open ended".to_owned()))?;
                resolved.push_str(&date(placeholder, now_millis).map_err(invalid)?);
                rest = after.chars();
            }
            '}' => {
                let problem = "invalid character at position [0]: `{` and `}` are reserved characters and should be escaped when used as part of the index name using `\\`";
                return Err(invalid(problem.to_owned()));
            }
            other => resolved.push(other),
        }
    }
    if resolved.is_empty() {
        return Err("nothing captured".to_owned());
    }
    Ok(Cow::Owned(resolved))
}

/// What stands before the brace that closes, and after it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// `expression`, `expression{format}` or `expression{format|time zone}`.
fn date(placeholder: &str, now_millis: i64) -> Result<String, String> {
    let (expression, options) = match placeholder.split_once('{') {
        None => (placeholder, ""),
        Some((expression, options)) => (
            expression,
            options
                .strip_suffix('}')
                .ok_or("missing closing `}` for date math format")?,
        ),
    };
    let (format, zone) = match options.split_once('|') {
        Some((format, zone)) => (format, Some(zone)),
        None => (options, None),
    };
    let format = if format.is_empty() { DEFAULT_FORMAT } else { format };
    let format = DateFormat::parse(format)?;
    let zone = match zone {
        Some(zone) => DateZone::parse(zone).map_err(|error| error.to_string())?,
        None => DateZone::UTC,
    };
    let millis = resolve(expression, &format, now_millis, zone.rules(), Rounding::Down)
        .map_err(|error| error.to_string())?;
    Ok(format.format_millis_in(millis, &zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-22T22:30:00Z.
    const NOW: i64 = 1_711_146_600_000;

    #[test]
    fn dates_are_put_into_names() {
        for (name, expected) in [
            ("plain", "plain"),
            ("<plain>", "plain"),
            ("<logs-{now/d}>", "logs-2024.03.22"),
            ("<logs-{now/M{yyyy.MM}}>", "logs-2024.03"),
            ("<logs-{now/d-2d}-a>", "logs-2024.03.20-a"),
            ("<logs-{now/d{yyyy.MM.dd|+12:00}}>", "logs-2024.03.23"),
            (r"<elastic\{ON\}-{now/M}>", "elastic{ON}-2024.03.01"),
            ("<a-{now{yyyy}}-{now/d{dd}}>", "a-2024-22"),
        ] {
            assert_eq!(
                resolve_date_math_name(name, NOW).as_deref(),
                Ok(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_says_why() {
        for (name, part) in [
            ("<logs-{now/d>", "open ended"),
            ("<logs-now/d}>", "reserved characters"),
            ("<logs-{now/d{yyyy}>", "open ended"),
            ("<logs-{now/d{nope}}>", "nope"),
            ("<logs-{now/z}>", "now/z"),
            ("<logs-{now/d{yyyy|Nowhere}}>", "Nowhere"),
            ("<>", "nothing captured"),
        ] {
            let problem = resolve_date_math_name(name, NOW).expect_err(name);
            assert!(problem.contains(part), "{name}: {problem}");
        }
    }
}
