//! What values settings take.

use std::fmt;

use super::{SettingValue, units};

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingKind {
    /// A whole number between both, inclusive.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number not below `min`.
    Float {
        /// Smallest.
        min: f64,
    },
    /// `true` or `false`.
    Boolean,
    /// A time such as `30s`, or `-1`, not below `min_millis`.
    Time {
        /// Smallest, in milliseconds; -1 allows `-1`.
        min_millis: i64,
    },
    /// A size such as `512mb`, or `-1`, between both, inclusive.
    Bytes {
        /// Smallest; -1 allows `-1`.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Bytes in a second; `-1` and 0 are no limit.
    Rate,
    /// How full a disk may be: a percentage, a ratio from 0 to 1, or the bytes that stay free.
    Watermark,
    /// Bytes that are enough whatever a watermark says, or `-1` for no such bound.
    Headroom,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// `false`, or a range of replicas such as `0-1` or `0-all`.
    ReplicaRange,
    /// `all`, or a number of copies.
    ActiveShardCount,
    /// `true`, `false`, or patterns of names of indices with `+` or `-` in front, between commas.
    AutoCreate,
    /// Any text.
    Text,
    /// Any list of texts, also comma-separated.
    List,
    /// A list of these words, also comma-separated.
    EnumList(&'static [&'static str]),
}

impl fmt::Display for SettingKind {
    /// What the documentation says of the values.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        };
        match self {
            Self::Integer { min, max } if min == max => write!(formatter, "`{min}`"),
            Self::Integer { min, max } if *max >= i64::from(i32::MAX) => {
                write!(formatter, "whole number from {min}")
            }
            Self::Integer { min, max } => write!(formatter, "whole number from {min} to {max}"),
            Self::Float { min } => write!(formatter, "number from {min}"),
            Self::Boolean => formatter.write_str("`true`, `false`"),
            Self::Time { min_millis: ..=-1 } => formatter.write_str("time, `-1` for none"),
            Self::Time { min_millis: 0 } => formatter.write_str("time"),
            Self::Time { min_millis } => write!(formatter, "time from {min_millis}ms"),
            Self::Bytes { min: ..=-1, .. } => formatter.write_str("size, `-1` for none"),
            Self::Bytes { min, max: i64::MAX } if *min <= 0 => formatter.write_str("size"),
            Self::Bytes { min, max: i64::MAX } => write!(formatter, "size from {min}b"),
            Self::Bytes { min, max } => write!(
                formatter,
                "size from {} to {}",
                units::print_bytes(*min),
                units::print_bytes(*max)
            ),
            Self::Rate => formatter.write_str("size, `-1` or `0` for no limit"),
            Self::Watermark => formatter.write_str("percentage, ratio or size"),
            Self::Headroom => formatter.write_str("size, `-1` for none"),
            Self::AutoCreate => formatter.write_str("`true`, `false`, or list of patterns"),
            Self::Enum(all) => formatter.write_str(&words(all)),
            Self::ReplicaRange => formatter.write_str("`false`, or a range such as `0-1` or `0-all`"),
            Self::ActiveShardCount => formatter.write_str("`all`, or a number of copies"),
            Self::Text => formatter.write_str("text"),
            Self::List => formatter.write_str("list"),
            Self::EnumList(all) => write!(formatter, "list of {}", words(all)),
        }
    }
}

impl SettingKind {
    /// Whether a value may be a list.
    pub(crate) fn takes_lists(self) -> bool {
        matches!(self, Self::Text | Self::List | Self::EnumList(_))
    }

    /// A default as it is shown: a list for lists; `None` if there is none.
    #[must_use]
    pub fn default_value(self, default: &str) -> Option<SettingValue> {
        let items = || {
            default
                .split(',')
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
        };
        match (self, default) {
            (Self::List | Self::EnumList(_), _) => Some(SettingValue::List(items().collect())),
            (_, "") => None,
            _ => Some(SettingValue::String(default.to_owned())),
        }
    }

    /// What is wrong with `text` as a value.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        let at_least = |number: Option<i64>, min: i64, what: &str| match number {
            Some(number) if number >= min => Ok(()),
            Some(_) => Err(format!(
                "it must not be below [{min}{}]",
                if what == "time" { "ms" } else { "" }
            )),
            None if what == "time" => Err("a time needs a unit, such as [30s]".to_owned()),
            None => Err(format!("it is not a {what}")),
        };
        match self {
            Self::Integer { min, max } => match text.trim().parse::<i64>() {
                Ok(number) if number < min => Err(format!("it must be >= {min}")),
                Ok(number) if number > max => Err(format!("it must be <= {max}")),
                Ok(_) => Ok(()),
                Err(_) => Err("it is not a whole number".to_owned()),
            },
            Self::Float { min } => match text.trim().trim_end_matches('%').parse::<f64>() {
                Ok(number) if number >= min => Ok(()),
                _ => Err(format!("it is not a number >= {min}")),
            },
            Self::Boolean if matches!(text, "true" | "false") => Ok(()),
            Self::Boolean => Err("only [true] or [false] are allowed".to_owned()),
            Self::Time { min_millis } => at_least(units::parse_time_millis(text), min_millis, "time"),
            Self::Bytes { min, max } => match units::parse_bytes(text) {
                Some(size) if size > max || size < min && max < i64::MAX => Err(format!(
                    "it must be from [{}] to [{}]",
                    units::print_bytes(min),
                    units::print_bytes(max)
                )),
                size => at_least(size, min, "size"),
            },
            Self::Rate | Self::Headroom => at_least(units::parse_bytes(text), -1, "size"),
            Self::Watermark if is_watermark(text) => Ok(()),
            Self::Watermark => Err(
                "it must be a percentage, a ratio from 0 to 1, or the bytes that must stay free".to_owned(),
            ),
            Self::AutoCreate => check_auto_create(text),
            Self::Enum(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
            Self::Enum(words) => Err(format!("it must be one of [{}]", words.join(", "))),
            Self::ReplicaRange => {
                let is_range = text.split_once('-').is_some_and(|(low, high)| {
                    let low: Option<u32> = low.parse().ok();
                    low.is_some_and(|low| high == "all" || high.parse::<u32>().is_ok_and(|high| low <= high))
                });
                if is_range || text == "false" {
                    Ok(())
                } else {
                    Err("it is not a range such as [0-1]".to_owned())
                }
            }
            Self::ActiveShardCount if text == "all" || text.parse::<u32>().is_ok() => Ok(()),
            Self::ActiveShardCount => Err("it must be [all] or a number of copies".to_owned()),
            Self::Text | Self::List => Ok(()),
            Self::EnumList(words) => {
                match text.split(',').map(str::trim).find(|item| !words.contains(item)) {
                    None => Ok(()),
                    Some(item) => Err(format!("[{item}] is not one of [{}]", words.join(", "))),
                }
            }
        }
    }
}

fn is_watermark(text: &str) -> bool {
    let ratio = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse::<f64>().ok(),
    };
    match ratio {
        Some(ratio) => (0.0..=1.0).contains(&ratio),
        None => units::parse_bytes(text).is_some_and(|size| size >= 0),
    }
}

/// Source: how Elasticsearch reads `action.auto_create_index`.
fn check_auto_create(text: &str) -> Result<(), String> {
    if matches!(text.trim(), "true" | "false") {
        return Ok(());
    }
    for pattern in text.split(',').map(str::trim) {
        match pattern {
            "" => return Err("it must be [true], [false] or a list of patterns of indices".to_owned()),
            "+" | "-" => return Err(format!("it must contain an index name after [{pattern}]")),
            _ => {}
        }
    }
    Ok(())
}
