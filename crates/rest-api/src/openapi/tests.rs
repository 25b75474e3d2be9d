//! The tables against the routes, and `docs/api.md` against both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::apis::{NOT_OFFERED, all};
use super::*;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");

fn operations() -> BTreeSet<String> {
    let of_route = |route: Route| {
        let verbs = route.verbs.iter();
        let operations = verbs.map(|verb| format!("{} {}", verb.name(), route.path));
        operations.collect::<Vec<_>>()
    };
    routes::all().flat_map(of_route).collect()
}

#[test]
fn every_route_is_described_once_and_nothing_else_is() {
    let mut described: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for api in all() {
        for operation in api.operations() {
            described.entry(operation).or_default().push(api.name);
        }
    }
    let twice: Vec<_> = described.iter().filter(|(_, names)| names.len() > 1).collect();
    assert!(twice.is_empty(), "described twice: {twice:?}");
    let described: BTreeSet<String> = described.into_keys().collect();
    let operations = operations();
    let missing: Vec<_> = operations.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "describe these in [openapi/apis]: {missing:#?}"
    );
    let stale: Vec<_> = described.difference(&operations).collect();
    assert!(
        stale.is_empty(),
        "no route is like these of [openapi/apis]: {stale:#?}"
    );
}

#[test]
fn every_parameter_is_described_and_nothing_else_is() {
    let groups = routes::all()
        .flat_map(|route| route.params)
        .copied()
        .chain([COMMON]);
    let taken: BTreeSet<&str> = groups.flatten().copied().collect();
    let known: BTreeSet<&str> = parameters::names().collect();
    let missing: Vec<_> = taken.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "describe these in [openapi/parameters.rs]: {missing:?}"
    );
    let stale: Vec<_> = known.difference(&taken).collect();
    assert!(
        stale.is_empty(),
        "no route takes these of [openapi/parameters.rs]: {stale:?}"
    );
    for name in routes::all().flat_map(|route| segments(route.path)) {
        assert!(
            !parameters::segment(name).1.is_empty(),
            "describe [{name}] of the paths"
        );
    }
}

#[test]
fn the_document_holds_every_operation_with_an_id_of_its_own() {
    let document = document(&RestConfig::default());
    let mut ids = BTreeSet::new();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            found.insert(format!("{} {path}", method.to_ascii_uppercase()));
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id}");
            let parameters = operation["parameters"].as_array().expect("parameters");
            let names: BTreeSet<_> = parameters
                .iter()
                .map(|parameter| (parameter["in"].to_string(), parameter["name"].to_string()))
                .collect();
            assert_eq!(
                names.len(),
                parameters.len(),
                "{method} {path} has a parameter twice"
            );
        }
    }
    let missing: Vec<_> = operations().difference(&found).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `docs/api.md`, as the tables say.
fn page() -> String {
    let mut page = String::from(
        "# The REST API\n\n\
        What this server takes of Elasticsearch's API, in the words of its specification, and where it differs. `GET /_openapi.json` says the same to programs,\n\
        parameters included. A parameter, field or value that is not known is refused by name, never passed over.\n\n\
        This page is made from the tables of `crates/rest-api/src/openapi`; `UPDATE_DOCS=1 cargo test -p rest-api --lib openapi` writes it anew.\n",
    );
    let mut groups: BTreeMap<&str, Vec<&Api>> = BTreeMap::new();
    for api in all() {
        groups.entry(api.group()).or_default().push(api);
    }
    for (group, apis) in groups {
        write!(
            page,
            "\n## {group}\n\n| API | requests | what it does | what differs |\n| --- | --- | --- | --- |\n"
        )
        .expect("a string");
        for api in apis {
            let requests: Vec<String> = api
                .requests
                .iter()
                .map(|request| format!("`{request}`"))
                .collect();
            let (name, summary, differs) = (api.name, api.summary, api.differs);
            writeln!(
                page,
                "| {name} | {} | {summary} | {differs} |",
                requests.join("<br>")
            )
            .expect("a string");
        }
    }
    page.push_str("\n## Not offered\n\n| what | why |\n| --- | --- |\n");
    for (what, why) in NOT_OFFERED {
        writeln!(page, "| {what} | {why} |").expect("a string");
    }
    page
}

#[test]
fn the_page_is_what_the_tables_say() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCS, &page).expect("written");
    }
    let written = std::fs::read_to_string(Path::new(DOCS)).unwrap_or_default();
    assert!(
        written == page,
        "docs/api.md is not what the tables say: run `UPDATE_DOCS=1 cargo test -p rest-api --lib openapi`"
    );
}
