//! The options of `histogram` and `date_histogram`.

use es_exception::Exception;
use index_meta::DateRounding;
use serde_json::Value;

use super::interval;
use super::options::Options;
use super::terms::{Order, parse_order};

/// `histogram` or `date_histogram`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    pub(super) field: String,
    pub(super) steps: Steps,
    pub(super) min_doc_count: u64,
    pub(super) keyed: bool,
    pub(super) order: Vec<Order>,
    pub(super) format: Option<String>,
    pub(super) missing: Option<Value>,
    pub(super) extended_bounds: Option<Bounds>,
    pub(super) hard_bounds: Option<Bounds>,
}

/// Where the buckets of a histogram begin.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Steps {
    Numbers { interval: f64, offset: f64 },
    Dates(DateRounding),
}

/// Bounds of a histogram as they were sent: dates are read by the field's format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub(super) min: Option<Value>,
    pub(super) max: Option<Value>,
}

impl Histogram {
    pub(super) fn parse(body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new("histogram", body)?;
        let steps = take_numbers(&mut options)?;
        Self::parse_common(options, steps)
    }

    pub(super) fn parse_dates(body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new("date_histogram", body)?;
        let rounding = interval::take_rounding(&mut options)?;
        Self::parse_common(options, Steps::Dates(rounding))
    }

    fn parse_common(mut options: Options<'_>, steps: Steps) -> Result<Self, Exception> {
        let histogram = Self {
            field: options.field()?,
            steps,
            min_doc_count: options.count("min_doc_count")?.unwrap_or(0),
            keyed: options.flag("keyed")?.unwrap_or(false),
            order: match options.take("order") {
                Some(order) => parse_order(&order)?,
                None => Vec::new(),
            },
            format: options.text("format")?,
            missing: options.take("missing"),
            extended_bounds: take_bounds(&mut options, "extended_bounds")?,
            hard_bounds: take_bounds(&mut options, "hard_bounds")?,
        };
        options.finish()?;
        Ok(histogram)
    }

    pub(super) const fn is_date(&self) -> bool {
        matches!(self.steps, Steps::Dates(_))
    }

    /// As it is called in requests.
    pub(super) const fn kind(&self) -> &'static str {
        self.steps.kind()
    }
}

impl Steps {
    /// What histograms of such steps are called.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Numbers { .. } => "histogram",
            Self::Dates(_) => "date_histogram",
        }
    }

    /// Length and first start, if all buckets have one length.
    pub(super) fn constant(&self) -> Option<(f64, f64)> {
        match self {
            Self::Numbers { interval, offset } => Some((*interval, *offset)),
            // Milliseconds of dates are far below 2^53.
            Self::Dates(rounding) => rounding
                .constant()
                .map(|(length, first)| (length as f64, first as f64)),
        }
    }

    /// The start of the bucket of a number.
    pub(super) fn start(&self, number: f64) -> f64 {
        match self {
            Self::Numbers { interval, offset } => {
                let position = position(number, *interval, *offset);
                match position.abs() < MAX_POSITION {
                    true => position * interval + offset,
                    // The next number is farther away than the next bucket.
                    false => number,
                }
            }
            Self::Dates(rounding) => rounding.round(number as i64) as f64,
        }
    }

    /// The start after this one.
    pub(super) fn next(&self, start: f64) -> f64 {
        match self {
            // A start of fractions is a multiple of the interval, give or take the last bits.
            Self::Numbers { interval, offset } => {
                (((start - offset) / interval).round() + 1.0) * interval + offset
            }
            Self::Dates(rounding) => rounding.next(start as i64) as f64,
        }
    }

    /// The first number of the bucket that begins here, and the first of the next: a start is computed with other roundings than what bucket a
    /// number belongs to. For dates, the starts.
    pub(super) fn numbers_from(&self, start: f64) -> (f64, f64) {
        let Self::Numbers { interval, offset } = self else {
            return (start, self.next(start));
        };
        let here = ((start - offset) / interval).round();
        if here.abs() >= MAX_POSITION {
            return (start, start.next_up());
        }
        let first = |wanted: f64| {
            let mut number = wanted * interval + offset;
            for _ in 0..ROUNDINGS {
                if position(number.next_down(), *interval, *offset) < wanted {
                    break;
                }
                number = number.next_down();
            }
            for _ in 0..ROUNDINGS {
                if position(number, *interval, *offset) >= wanted {
                    break;
                }
                number = number.next_up();
            }
            number
        };
        (first(here), first(here + 1.0))
    }

    /// The least and the greatest number of the buckets that lie within these bounds.
    ///
    /// Source: buckets are in if their key is, with the maximum for numbers and without it for dates, whose bounds are rounded themselves.
    pub(super) fn hard_bounds(&self, min: Option<f64>, max: Option<f64>) -> (f64, f64) {
        match self {
            Self::Numbers { interval, offset } => {
                let start = |position: f64| position * interval + offset;
                let least = min.map(|min| self.numbers_from(start(((min - offset) / interval).ceil())).0);
                let greatest = max.map(|max| {
                    self.numbers_from(start(position(max, *interval, *offset)))
                        .1
                        .next_down()
                });
                (least.unwrap_or(f64::MIN), greatest.unwrap_or(f64::MAX))
            }
            Self::Dates(_) => (
                min.map_or(f64::MIN, |min| self.start(min)),
                max.map_or(f64::MAX, |max| self.start(max) - 1.0),
            ),
        }
    }
}

/// Positions from here on are not told apart: 2^53.
const MAX_POSITION: f64 = 9_007_199_254_740_992.0;
/// Neighbours of a computed start that may belong to its bucket, or not.
const ROUNDINGS: usize = 8;

/// The number of the bucket, as tantivy computes it.
fn position(number: f64, interval: f64, offset: f64) -> f64 {
    ((number - offset) / interval).floor()
}

/// Refuses buckets that are so small that the numbers of the index cannot be told apart.
///
/// # Errors
/// `illegal_argument_exception`.
pub(super) fn check_keys(steps: &Steps, mut keys: impl Iterator<Item = f64>) -> Result<(), Exception> {
    let Steps::Numbers { interval, offset } = steps else {
        return Ok(());
    };
    match keys.find(|key| ((key - offset) / interval).abs() >= MAX_POSITION) {
        None => Ok(()),
        Some(_) => Err(Exception::illegal_argument(format!(
            "[interval] of [{interval}] is too small for the values of the field: they cannot be told apart in such buckets"
        ))),
    }
}

/// Takes `interval` and `offset` of numbers.
pub(super) fn take_numbers(options: &mut Options<'_>) -> Result<Steps, Exception> {
    let interval = options.number("interval")?.unwrap_or(0.0);
    if interval <= 0.0 {
        return Err(Exception::illegal_argument(
            "[interval] must be >0 for histogram aggregation",
        ));
    }
    let offset = options.number("offset")?.unwrap_or(0.0);
    Ok(Steps::Numbers { interval, offset })
}

fn take_bounds(options: &mut Options<'_>, key: &str) -> Result<Option<Bounds>, Exception> {
    let Some(value) = options.take(key) else {
        return Ok(None);
    };
    let mut options = Options::new("bounds", &value)?;
    let bounds = Bounds {
        min: options.take("min"),
        max: options.take("max"),
    };
    options.finish()?;
    Ok(Some(bounds))
}
