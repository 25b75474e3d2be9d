//! What a read of documents returns of each.

use std::collections::HashSet;
use std::sync::Arc;

use es_exception::Exception;
use serde_json::{Map, Value};
use shard::SourceFilter;

use super::get::source_parameters;
use crate::json_body::take_strings;
use crate::params::Params;

/// The name that stands for the source among stored fields.
const SOURCE_FIELD: &str = "_source";

/// What is asked for, by `_source` and `stored_fields`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Returned {
    filter: Option<SourceFilter>,
    /// Shared, for many documents may be read by one list.
    stored_fields: Option<Arc<[String]>>,
}

impl Returned {
    /// By the parameters of the request.
    pub(super) fn by_parameters(params: &Params) -> Self {
        let mut names = params.list("stored_fields");
        let mut known = HashSet::new();
        names.retain(|name| known.insert(*name));
        Self {
            filter: source_parameters(params),
            stored_fields: (!names.is_empty()).then(|| names.into_iter().map(str::to_owned).collect()),
        }
    }

    /// By one of the `docs` of a multi-get, whose fields are taken out of it; what it does not say is as in the request.
    ///
    /// # Errors
    /// `x_content_parse_exception` for a value of another type.
    pub(super) fn by_doc(&self, doc: &mut Map<String, Value>) -> Result<Self, Exception> {
        let filter = match doc.remove("_source") {
            Some(source) => Some(SourceFilter::from_json(&source)?),
            None => self.filter.clone(),
        };
        let stored_fields = match take_strings(doc, "stored_fields")? {
            Some(names) => Some(names.into()),
            None => self.stored_fields.clone(),
        };
        Ok(Self {
            filter,
            stored_fields,
        })
    }

    /// What is shown of the source. Source: who asks for stored fields must ask for the source, too.
    pub(super) fn source(&self) -> SourceFilter {
        match (&self.filter, &self.stored_fields) {
            (Some(filter), _) => filter.clone(),
            (None, Some(names)) if !names.iter().any(|name| name == SOURCE_FIELD) => SourceFilter::none(),
            (None, _) => SourceFilter::all(),
        }
    }

    /// The names of stored fields.
    pub(super) fn stored_fields(&self) -> Arc<[String]> {
        self.stored_fields.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_fields_leave_the_source_out_unless_it_is_asked_for() {
        let (all, none) = (SourceFilter::all(), SourceFilter::none());
        let part = SourceFilter::new(vec!["a".to_owned()], vec![]);
        for (query, doc, source, fields) in [
            ("", json!({}), &all, &[][..]),
            ("stored_fields=a,b", json!({}), &none, &["a", "b"]),
            ("stored_fields=a,_source", json!({}), &all, &["a", "_source"]),
            ("stored_fields=a&_source=a", json!({}), &part, &["a"]),
            ("_source=false", json!({}), &none, &[]),
            ("stored_fields=a", json!({"_source": true}), &all, &["a"]),
            (
                "stored_fields=_source",
                json!({"stored_fields": "b"}),
                &none,
                &["b"],
            ),
            (
                "",
                json!({"stored_fields": ["b", "_source"]}),
                &all,
                &["b", "_source"],
            ),
        ] {
            let mut body = doc.as_object().cloned().unwrap_or_default();
            let request = Returned::by_parameters(&Params::parse(query).expect("valid"));
            let returned = request.by_doc(&mut body).expect("valid");
            assert_eq!(returned.source(), *source, "{query} {doc}");
            assert_eq!(*returned.stored_fields(), *fields, "{query} {doc}");
            assert!(body.is_empty(), "{body:?}");
        }
    }
}
