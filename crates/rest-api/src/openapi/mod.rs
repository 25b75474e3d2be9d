//! What this server offers, described for programs (`GET /_openapi.json`) and for people (`docs/api.md`).
//!
//! Paths, methods, parameters and bodies come from the route table, which is what requests are checked against; names and words come from the tables
//! here. Tests compare the two, so that neither says what the other does not.

mod apis;
mod parameters;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::RestConfig;
use crate::params::COMMON;
use crate::route::{BodyRule, Route, Verb};
use crate::routes;
use apis::{Api, Field};
use parameters::{Kind, parameter};

/// The description of every route, by the version 3.1 of OpenAPI.
pub(crate) fn document(config: &RestConfig) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for route in routes::all() {
        for verb in route.verbs {
            let Some(api) = Api::of(*verb, route.path) else {
                continue;
            };
            let count = counts.entry(api.name).or_default();
            *count += 1;
            let id = match *count {
                1 => api.name.to_owned(),
                further => format!("{}_{further}", api.name),
            };
            let method = verb.name().to_ascii_lowercase();
            paths
                .entry(route.path)
                .or_default()
                .insert(method, operation(api, &route, *verb, &id));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ccr-node",
            "summary": "A search server with Elasticsearch's API, made for cross-cluster replication.",
            "version": config.version_number,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": {
            "Error": {
                "type": "object",
                "properties": {"error": {"type": ["object", "string"]}, "status": {"type": ["integer", "string"]}},
            },
        }},
    })
}

fn operation(api: &Api, route: &Route, verb: Verb, id: &str) -> Value {
    let in_path = segments(route.path).map(|name| {
        let (kind, description) = parameters::segment(name);
        described(name, "path", kind, description)
    });
    let groups = route.params.iter().copied().chain([COMMON]).flatten();
    let in_query = groups.map(|name| {
        let (kind, description) = parameter(name).unwrap_or((Kind::Text, ""));
        described(name, "query", kind, description)
    });
    let mut operation = json!({
        "operationId": id,
        "summary": api.summary,
        "tags": [api.group()],
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses(route, verb),
    });
    if let Some(body) = request_body(api, route.body) {
        operation["requestBody"] = body;
    }
    if !api.differs.is_empty() {
        operation["description"] = api.differs.into();
    }
    operation
}

/// The names in braces of a path.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn described(name: &str, place: &str, kind: Kind, description: &str) -> Value {
    let mut parameter = json!({"name": name, "in": place, "schema": kind.schema()});
    if place == "path" {
        parameter["required"] = true.into();
    }
    if !description.is_empty() {
        parameter["description"] = description.into();
    }
    parameter
}

fn request_body(api: &Api, rule: BodyRule) -> Option<Value> {
    match rule {
        BodyRule::Refused => None,
        BodyRule::Lines => Some(json!({
            "required": true,
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        })),
        BodyRule::Json => {
            let mut schema = json!({"type": "object"});
            let fields = api.body_fields();
            let properties: Map<String, Value> = fields
                .map(|Field(name, kind)| ((*name).to_owned(), kind.schema()))
                .collect();
            if !properties.is_empty() {
                schema["properties"] = properties.into();
            }
            Some(json!({"content": {"application/json": {"schema": schema}}}))
        }
    }
}

fn responses(route: &Route, verb: Verb) -> Value {
    if verb == Verb::Head {
        return json!({"200": {"description": "it is there"}, "default": {"description": "it is not there, or the request is refused"}});
    }
    let mut content = json!({"application/json": {"schema": {"type": ["object", "array"]}}});
    if route.path.starts_with("/_cat") {
        content["text/plain"] = json!({"schema": {"type": "string"}});
    }
    json!({
        "200": {"description": "done", "content": content},
        "default": {
            "description": "refused, failed or not found; the error says why",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        },
    })
}
