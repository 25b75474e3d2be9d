//! The query string of a request: decoded, checked against what its route takes, and read by type.

use std::collections::BTreeMap;
use std::time::Duration;

use es_exception::Exception;
use percent_encoding::percent_decode_str;

use crate::units::{Timeout, parse_timeout};

/// Parameters that every route takes.
pub(crate) const COMMON: &[&str] = &["pretty", "human", "error_trace", "filter_path", "format"];

/// The decoded query parameters of one request. A parameter given twice keeps its last value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Decodes a query string.
    ///
    /// # Errors
    /// `illegal_argument_exception` when a name or value is not UTF-8.
    pub(crate) fn parse(query: &str) -> Result<Self, Exception> {
        let mut params = BTreeMap::new();
        for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            params.insert(decode(name)?, decode(value)?);
        }
        Ok(Self(params))
    }

    /// Refuses parameters that are neither common nor in one of the `allowed` groups.
    ///
    /// # Errors
    /// `illegal_argument_exception` naming each one, with the nearest known names.
    pub(crate) fn check(&self, path: &str, allowed: &[&[&str]]) -> Result<(), Exception> {
        let known = || {
            allowed
                .iter()
                .flat_map(|group| group.iter())
                .chain(COMMON)
                .copied()
        };
        let unknown: Vec<String> = self
            .0
            .keys()
            .filter(|name| known().all(|known| known != name.as_str()))
            .map(|name| describe(name, known()))
            .collect();
        match unknown.len() {
            0 => Ok(()),
            1 => Err(Exception::illegal_argument(format!(
                "request [{path}] has an unrecognized parameter: {}",
                unknown[0]
            ))),
            _ => Err(Exception::illegal_argument(format!(
                "request [{path}] has unrecognized parameters: {}",
                unknown.join(", ")
            ))),
        }
    }

    /// The raw value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A flag: absent is `default`, present without a value is true.
    ///
    /// # Errors
    /// `illegal_argument_exception` for anything but `true` and `false`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Exception> {
        match self.get(name) {
            None => Ok(default),
            Some("" | "true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Exception::illegal_argument(format!(
                "failed to parse value [{other}] of [{name}]: only [true] or [false] are allowed"
            ))),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// `illegal_argument_exception` when the value is no such number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Exception> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Exception::illegal_argument(format!(
                        "failed to parse parameter [{name}] with value [{text}] as a number"
                    ))
                })
            })
            .transpose()
    }

    /// A time to wait, 30 seconds when absent.
    ///
    /// # Errors
    /// `illegal_argument_exception` when the value is not a time.
    pub(crate) fn timeout(&self, name: &str) -> Result<Timeout, Exception> {
        self.text(name)
            .map_or(Ok(Timeout::DEFAULT), |text| parse_timeout(name, text))
    }

    /// A limit of time; `None` when absent or -1.
    ///
    /// # Errors
    /// As [`timeout`](Self::timeout).
    pub(crate) fn time_limit(&self, name: &str) -> Result<Option<Duration>, Exception> {
        match self.text(name) {
            None => Ok(None),
            Some(text) => Ok(match parse_timeout(name, text)? {
                Timeout::After(time) => Some(time),
                Timeout::Never => None,
            }),
        }
    }

    /// A comma-separated list; empty when absent.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).map(split_list).unwrap_or_default()
    }
}

/// Splits at commas and drops empty parts and surrounding blanks.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn decode(text: &str) -> Result<String, Exception> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(|decoded| decoded.into_owned())
        .map_err(|_| {
            Exception::illegal_argument(format!("[{text}] in the query string is not UTF-8 once decoded"))
        })
}

/// A name that is not known, with the known ones that are like it.
pub(crate) fn describe<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(usize, &str)> = known
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| distance * 2 < name.chars().count().max(candidate.chars().count()))
        .collect();
    near.sort_unstable();
    near.dedup();
    match near.as_slice() {
        [] => format!("[{name}]"),
        [(_, one)] => format!("[{name}] -> did you mean [{one}]?"),
        many => {
            let names: Vec<&str> = many.iter().map(|(_, name)| *name).collect();
            format!("[{name}] -> did you mean any of {names:?}?").replace('"', "")
        }
    }
}

/// Levenshtein distance in characters.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_and_the_last_one_wins() {
        let params = Params::parse("q=a%2Cb+c&pretty&x=1&x=2&=").expect("valid");
        assert_eq!(
            (params.get("q"), params.get("pretty"), params.get("x")),
            (Some("a,b c"), Some(""), Some("2"))
        );
        assert!(Params::parse("a=%FF").is_err());
    }

    #[test]
    fn an_unknown_parameter_is_named_with_its_neighbours() {
        let cases = [
            ("wait_for_stats=1", Some("did you mean [wait_for_status]?")),
            ("zzz=1", Some("parameter: [zzz]")),
            (
                "prety&tiemout=1",
                Some("[prety] -> did you mean [pretty]?, [tiemout] -> did you mean [timeout]?"),
            ),
            ("pretty&timeout=1s", None),
        ];
        for (query, expected) in cases {
            let refused = Params::parse(query)
                .expect("valid")
                .check("/_x", &[&["wait_for_status"], &["timeout"]])
                .err();
            match (refused, expected) {
                (None, None) => {}
                (Some(refused), Some(part)) => assert!(refused.reason().contains(part), "{query}: {refused}"),
                (refused, expected) => panic!("{query}: {refused:?} but expected {expected:?}"),
            }
        }
    }

    #[test]
    fn flags_numbers_and_lists_are_read_by_type() {
        let params = Params::parse("on&off=false&odd=maybe&n=12&bad=1x&l=a,%20b,,").expect("valid");
        assert_eq!(params.flag("on", false).ok(), Some(true));
        assert_eq!(params.flag("off", true).ok(), Some(false));
        assert_eq!(params.flag("absent", true).ok(), Some(true));
        assert!(params.flag("odd", true).is_err());
        assert_eq!(params.number::<u64>("n").ok(), Some(Some(12)));
        assert!(params.number::<u64>("bad").is_err());
        assert_eq!(params.list("l"), ["a", "b"]);
        assert_eq!(params.timeout("absent").ok(), Some(Timeout::DEFAULT));
    }
}
