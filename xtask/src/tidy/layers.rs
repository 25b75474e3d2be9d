//! A crate depends on lower layers only, development dependencies included, and no crate turns on another's `testing`
//! feature outside its tests.

use super::Violation;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

const RULE: &str = "layers";

/// The layer of every crate. A crate may use crates of smaller numbers and no others.
const LAYERS: &[(&str, u32)] = &[
    ("es-exception", 0),
    ("oplog", 0),
    ("transport", 1),
    ("follow-task", 2),
    ("index-meta", 3),
    ("shard", 4),
    ("cluster", 5),
    ("indices", 6),
    ("ccr", 7),
    ("rest-api", 8),
    ("ccr-node", 9),
];

/// A package of the workspace, as `cargo metadata` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: String,
    /// Where its manifest lies, as cargo says.
    pub(crate) manifest: String,
    dependencies: Vec<Dependency>,
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dependency {
    name: String,
    development: bool,
    features: Vec<String>,
}

impl Dependency {
    /// A crate may name itself among its development dependencies, to turn on its own `testing` feature.
    fn is_self(&self, package: &Package) -> bool {
        self.development && self.name == package.name
    }
}

impl Package {
    /// Reads the packages out of the answer of `cargo metadata`.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Vec<Package>> {
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata names no packages")?;
        packages.iter().map(Package::from_json).collect()
    }

    fn from_json(package: &Value) -> Result<Package> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| {
            value
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect::<Vec<_>>()
        };
        let dependencies = package["dependencies"]
            .as_array()
            .context("a package without a list of dependencies")?;
        let features = package["features"]
            .as_object()
            .context("a package without a table of features")?;
        Ok(Package {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]),
            dependencies: dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    development: dependency["kind"] == "dev",
                    features: texts(&dependency["features"]),
                })
                .collect(),
            features: features
                .iter()
                .map(|(name, turned_on)| (name.clone(), texts(turned_on)))
                .collect(),
        })
    }

    /// Whether the package is one of the product's crates, not a tool or a test package.
    pub(crate) fn is_crate(&self) -> bool {
        self.manifest.contains("/crates/")
    }

    /// Whether the package is one of those that only test.
    fn is_of_tests(&self) -> bool {
        self.manifest.contains("/tests/")
    }
}

/// Finds forbidden edges, crates without a layer and `testing` features outside tests.
pub(crate) fn check(packages: &[Package]) -> Vec<Violation> {
    let layers: BTreeMap<&str, u32> = LAYERS.iter().copied().collect();
    let members: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in packages {
        violations.extend(testing_features(package));
        let layer = layers.get(package.name.as_str()).copied();
        if layer.is_none() && package.is_crate() {
            violations.push(Violation::new(
                RULE,
                &package.name,
                "has no layer: add it to the table of layers and to docs/architecture.md",
            ));
            continue;
        }
        let inner = |dependency: &&Dependency| {
            members.contains(&dependency.name.as_str()) && !dependency.is_self(package)
        };
        for dependency in package.dependencies.iter().filter(inner) {
            violations.extend(edge(
                package,
                layer,
                dependency,
                layers.get(dependency.name.as_str()).copied(),
            ));
        }
    }
    violations
}

/// Judges one edge between packages of the workspace. Tools may use any crate; no crate may use a tool.
fn edge(
    from: &Package,
    from_layer: Option<u32>,
    to: &Dependency,
    to_layer: Option<u32>,
) -> Option<Violation> {
    let from_layer = from_layer?;
    let problem = match to_layer {
        Some(to_layer) if to_layer < from_layer => return None,
        Some(to_layer) => format!(
            "layer {from_layer} may not depend on `{}` of layer {to_layer}",
            to.name
        ),
        None => format!(
            "may not depend on `{}`, which is no crate of the product",
            to.name
        ),
    };
    Some(Violation::new(RULE, &from.name, problem))
}

/// A package of tests may turn it on: nothing depends on it, and it is not built with what is shipped.
fn testing_features(package: &Package) -> Vec<Violation> {
    let mut violations = Vec::new();
    if package.is_of_tests() {
        return violations;
    }
    for dependency in package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.development)
    {
        if dependency.features.iter().any(|feature| feature == "testing") {
            let problem = format!(
                "turns on `testing` of `{}` outside [dev-dependencies]",
                dependency.name
            );
            violations.push(Violation::new(RULE, &package.name, problem));
        }
    }
    for (feature, turned_on) in package
        .features
        .iter()
        .filter(|(feature, _)| *feature != "testing")
    {
        if let Some(testing) = turned_on
            .iter()
            .find(|name| *name == "testing" || name.ends_with("/testing"))
        {
            violations.push(Violation::new(
                RULE,
                &package.name,
                format!("feature `{feature}` turns on `{testing}`"),
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, dependencies: &[(&str, Value, &[&str])]) -> Value {
        let folder = if LAYERS.iter().any(|(known, _)| *known == name) || name == "stray" {
            "crates"
        } else {
            "tests"
        };
        json!({
            "name": name,
            "manifest_path": format!("/somewhere/{folder}/{name}/Cargo.toml"),
            "features": {},
            "dependencies": dependencies.iter().map(|(name, kind, features)| json!({
                "name": name, "kind": kind, "features": features,
            })).collect::<Vec<_>>(),
        })
    }

    fn check_json(packages: Vec<Value>) -> Vec<String> {
        let packages = Package::from_metadata(&json!({ "packages": packages })).unwrap();
        check(&packages).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn edges_downward_and_to_foreign_crates_are_allowed() {
        let none: &[&str] = &[];
        let found = check_json(vec![
            package(
                "oplog",
                &[
                    ("serde", Value::Null, &["derive"]),
                    ("oplog", json!("dev"), &["testing"]),
                ],
            ),
            package("transport", &[("oplog", Value::Null, none)]),
            package(
                "ccr-node",
                &[
                    ("transport", Value::Null, none),
                    ("oplog", json!("dev"), &["testing"]),
                ],
            ),
            package("e2e", &[("ccr-node", Value::Null, none)]),
            package("sim", &[("oplog", Value::Null, &["testing"])]),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn edges_up_sideways_and_to_tools_are_found_of_every_kind() {
        let none: &[&str] = &[];
        let found = check_json(vec![
            package("oplog", &[("es-exception", Value::Null, none)]),
            package("es-exception", &[]),
            package("shard", &[("indices", json!("dev"), none)]),
            package(
                "indices",
                &[("ccr", json!("build"), none), ("e2e", json!("dev"), none)],
            ),
            package("ccr", &[]),
            package("e2e", &[]),
        ]);
        assert_eq!(
            found,
            [
                "layers: oplog: layer 0 may not depend on `es-exception` of layer 0",
                "layers: shard: layer 4 may not depend on `indices` of layer 6",
                "layers: indices: layer 6 may not depend on `ccr` of layer 7",
                "layers: indices: may not depend on `e2e`, which is no crate of the product",
            ]
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let found = check_json(vec![package("stray", &[])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("layers: stray: has no layer"), "{found:?}");
    }

    #[test]
    fn testing_features_outside_tests_are_found() {
        let mut by_feature = package("shard", &[]);
        by_feature["features"] = json!({ "default": ["oplog/testing"], "testing": ["oplog/testing"] });
        let found = check_json(vec![
            by_feature,
            package("transport", &[("oplog", Value::Null, &["testing"])]),
        ]);
        assert_eq!(
            found,
            [
                "layers: shard: feature `default` turns on `oplog/testing`",
                "layers: transport: turns on `testing` of `oplog` outside [dev-dependencies]",
            ]
        );
    }
}
