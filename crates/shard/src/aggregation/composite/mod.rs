//! `composite`: a bucket for each combination of values of several sources, page by page.
//!
//! Tantivy has a `composite` too, which reads neither months, time zones, offsets nor other computed values. So the combinations are computed
//! here, as the terms of a column that no segment has (`keys`), and tantivy counts those. A segment keeps the first `size` combinations after the
//! one that the page begins after: what belongs to the page in any other segment is among these here, so the counts of a page are exact.

mod key;
mod keys;
mod print;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

use super::histogram::{Steps, take_numbers};
use super::interval::take_rounding;
use super::options::{Options, malformed, unsupported};
use super::resolve::resolve;
use super::shape::Shape;
use super::terms::MAX_BUCKETS;
use crate::query::BuildContext;
use key::{KeyValue, parse_after};
pub(super) use keys::CompositeKeys;
use keys::SourcePlan;

/// Source: the default `size`.
const DEFAULT_SIZE: u64 = 10;
/// Most sources of one aggregation.
const MAX_SOURCES: usize = 16;

/// A `composite` aggregation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Composite {
    pub(super) sources: Vec<Source>,
    /// Buckets of a page.
    pub(super) size: u64,
    /// The key that the page begins after, by the names of the sources.
    after: Option<Map<String, Value>>,
}

/// One part of the keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) field: String,
    /// What values are put into; without, they are taken as they are.
    pub(super) steps: Option<Steps>,
    descending: bool,
    /// Where documents without a value come; left out without one.
    missing: Option<MissingPlace>,
    pub(super) format: Option<String>,
}

/// Where something missing comes among values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingPlace {
    First,
    Last,
}

impl Composite {
    pub(super) fn parse(body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new("composite", body)?;
        let size = options.count("size")?.unwrap_or(DEFAULT_SIZE);
        if size == 0 {
            return Err(Exception::illegal_argument(
                "[size] must be a positive integer greater than 0, found [0] in [composite]",
            ));
        }
        if size > MAX_BUCKETS {
            return Err(Exception::new(
                ExceptionKind::TooManyBuckets,
                format!(
                    "Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}] but was [{size}], the [size] of a [composite]."
                ),
            ));
        }
        let after = match options.take("after") {
            Some(Value::Object(after)) => Some(after),
            Some(other) => {
                return Err(malformed(format!(
                    "[composite] failed to parse field [after]: it must be an object, got [{other}]"
                )));
            }
            None => None,
        };
        let sources = options.take("sources");
        options.finish()?;
        let sources = match &sources {
            Some(Value::Array(sources)) => sources.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => &[],
        };
        if sources.is_empty() || sources.len() > MAX_SOURCES {
            return Err(Exception::illegal_argument(format!(
                "[composite] must have from 1 to {MAX_SOURCES} [sources], got [{}]",
                sources.len()
            )));
        }
        let sources: Vec<Source> = sources.iter().map(Source::parse).collect::<Result<_, _>>()?;
        for (position, source) in sources.iter().enumerate() {
            if sources
                .iter()
                .take(position)
                .any(|other| other.name == source.name)
            {
                return Err(Exception::illegal_argument(format!(
                    "Composite source names must be unique, found duplicates: [{}]",
                    source.name
                )));
            }
        }
        if let Some(after) = &after {
            let missing = sources.iter().find(|source| !after.contains_key(&source.name));
            if after.len() != sources.len() || missing.is_some() {
                return Err(Exception::illegal_argument(format!(
                    "[after] has {} value(s) but [sources] has {}: it must have one of each source, by its name",
                    after.len(),
                    sources.len()
                )));
            }
        }
        Ok(Self { sources, size, after })
    }

    /// For one shard; without one, only the shape says something.
    pub(super) fn plan(
        &self,
        context: Option<&BuildContext<'_>>,
    ) -> Result<(CompositeKeys, Shape), Exception> {
        let mut shape = Shape::none();
        let mut plans = Vec::with_capacity(self.sources.len());
        let mut after = Vec::new();
        for source in &self.sources {
            let field = resolve(&source.field, context)?;
            let is_date = matches!(source.steps, Some(Steps::Dates(_)));
            if let Some(steps) = &source.steps {
                field.require_numbers(&source.field, steps.kind())?;
            }
            let mut own = field.shape(source.format.as_deref(), is_date)?;
            if let Some(Steps::Dates(rounding)) = &source.steps {
                own.zone = rounding.zone().clone();
            }
            if let (Some(values), Some(_)) = (&self.after, context) {
                let value = values.get(&source.name).unwrap_or(&Value::Null);
                if value.is_null() && source.missing.is_none() {
                    return Err(Exception::illegal_argument(format!(
                        "[after.{}] is null, which no bucket of a source without [missing_bucket] is",
                        source.name
                    )));
                }
                after.push(parse_after(&source.name, value, &own)?);
            }
            plans.push(SourcePlan {
                column: field.column.clone(),
                kind: field.kind,
                steps: source.steps.clone(),
                descending: source.descending,
                missing: source.missing,
            });
            shape.sources.push(own);
        }
        let keys = CompositeKeys::new(plans, self.after.is_some().then_some(after), self.size);
        Ok((keys, shape))
    }
}

impl Source {
    fn parse(value: &Value) -> Result<Self, Exception> {
        let one = |object: &Map<String, Value>| match object.iter().next() {
            Some((name, value)) if object.len() == 1 => Some((name.clone(), value.clone())),
            _ => None,
        };
        let named = value.as_object().and_then(one);
        let typed = named
            .as_ref()
            .and_then(|(_, body)| body.as_object())
            .and_then(one);
        let (Some((name, _)), Some((kind, body))) = (named, typed) else {
            return Err(malformed(format!(
                "a source of [composite] must be an object such as {{\"NAME\": {{\"terms\": {{\"field\": \"FIELD\"}}}}}}, got [{value}]"
            )));
        };
        let mut options = Options::new(&kind, &body)?;
        let field = options.field()?;
        let steps = match kind.as_str() {
            "terms" => None,
            "histogram" => Some(take_numbers(&mut options)?),
            "date_histogram" => Some(Steps::Dates(take_rounding(&mut options)?)),
            "geotile_grid" => {
                return Err(unsupported(
                    "sources of [composite] of type [geotile_grid] are not supported here",
                ));
            }
            other => {
                return Err(malformed(format!(
                    "[composite] source [{name}] has the unknown type [{other}]"
                )));
            }
        };
        let descending = match options
            .text("order")?
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(malformed(format!("Unknown order direction [{other}]"))),
        };
        let missing_bucket = options.flag("missing_bucket")?.unwrap_or(false);
        let missing = match options.text("missing_order")?.as_deref() {
            Some(_) if !missing_bucket => {
                return Err(Exception::illegal_argument(format!(
                    "[missing_order] of source [{name}] requires [missing_bucket] to be true"
                )));
            }
            // Source: something missing is less than any value, unless told otherwise.
            None | Some("default") if descending => MissingPlace::Last,
            None | Some("default" | "first") => MissingPlace::First,
            Some("last") => MissingPlace::Last,
            Some(other) => {
                return Err(malformed(format!(
                    "Unknown missing order [{other}], known are [first], [last] and [default]"
                )));
            }
        };
        let format = options.text("format")?;
        options.ignore(&["value_type"]);
        options.finish()?;
        Ok(Self {
            name,
            field,
            steps,
            descending,
            missing: missing_bucket.then_some(missing),
            format,
        })
    }
}
