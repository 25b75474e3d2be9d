//! The APIs by the names that Elasticsearch's specification and clients give them.

mod cluster;
mod documents;
mod indices;
mod metadata;
#[cfg(test)]
mod not_offered;
mod replication;
mod search;
mod tables;
mod templates;

#[cfg(test)]
pub(super) use not_offered::NOT_OFFERED;

use super::parameters::Kind;
use crate::route::Verb;

/// One API: one or more requests that do the same.
pub(super) struct Api {
    group: &'static str,
    pub(super) name: &'static str,
    /// `METHOD,METHOD /path`
    pub(super) requests: &'static [&'static str],
    pub(super) summary: &'static str,
    /// How it differs from Elasticsearch, if it does.
    pub(super) differs: &'static str,
    /// Fields of its body.
    body: &'static [Field],
    /// Fields that it shares with other APIs.
    shared_body: &'static [Field],
}

/// A field of a body.
pub(super) struct Field(pub(super) &'static str, pub(super) Kind);

impl Api {
    const fn new(
        group: &'static str,
        name: &'static str,
        requests: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self {
            group,
            name,
            requests,
            summary,
            differs: "",
            body: &[],
            shared_body: &[],
        }
    }

    const fn differs(mut self, how: &'static str) -> Self {
        self.differs = how;
        self
    }

    const fn body(mut self, fields: &'static [Field]) -> Self {
        self.body = fields;
        self
    }

    const fn shared_body(mut self, fields: &'static [Field]) -> Self {
        self.shared_body = fields;
        self
    }

    /// What is known of the body's fields; nothing where there is no body, or any object will do.
    pub(super) fn body_fields(&self) -> impl Iterator<Item = &'static Field> {
        self.body.iter().chain(self.shared_body)
    }

    /// What the API is about.
    pub(super) fn group(&self) -> &'static str {
        self.group
    }

    /// The API of a request.
    pub(super) fn of(verb: Verb, path: &str) -> Option<&'static Self> {
        all().find(|api| api.takes(verb, path))
    }

    fn takes(&self, verb: Verb, path: &str) -> bool {
        self.requests.iter().any(|request| {
            request
                .split_once(' ')
                .is_some_and(|(verbs, of)| of == path && verbs.split(',').any(|one| one == verb.name()))
        })
    }

    /// Every `METHOD /path` of the API.
    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = String> {
        self.requests.iter().flat_map(|request| {
            let (verbs, path) = request.split_once(' ').expect("a method and a path");
            verbs.split(',').map(move |verb| format!("{verb} {path}"))
        })
    }
}

/// The body of what a query finds something for.
const QUERY_BODY: &[Field] = &[Field("query", Kind::Object)];

/// Every API of this server.
pub(super) fn all() -> impl Iterator<Item = &'static Api> {
    [
        replication::REPLICATION,
        cluster::CLUSTER,
        indices::INDICES,
        metadata::METADATA,
        templates::TEMPLATES,
        documents::DOCUMENTS,
        search::SEARCH,
        tables::TABLES,
    ]
    .into_iter()
    .flatten()
}
