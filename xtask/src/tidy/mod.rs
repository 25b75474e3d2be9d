//! Rules that no other tool checks. Each rule is a pure function over plain data in a file of its own and is tested with
//! violations put in on purpose; this file only gathers the data and prints what was found.

mod compiled;
mod docs_paths;
mod docs_tests;
mod layers;
mod lints;
mod modules;
mod words;

use crate::cargo;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// The file or package, with a line where there is one.
    pub(crate) place: String,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

impl Violation {
    fn new(rule: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Violation {
        Violation {
            rule,
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.rule, self.place, self.problem)
    }
}

/// A written text file: its path relative to the root, and its text.
pub(crate) struct TextFile {
    path: PathBuf,
    text: String,
}

impl TextFile {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }
}

/// Checks every rule and fails with the list of violations.
pub(crate) fn run(root: &Path) -> Result<()> {
    let violations = check(root)?;
    if violations.is_empty() {
        println!("tidy: nothing found");
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    bail!("tidy found {} violations", violations.len())
}

fn check(root: &Path) -> Result<Vec<Violation>> {
    let files = text_files(root)?;
    let packages = layers::Package::from_metadata(&metadata(root)?)?;
    let exists = |path: &Path| root.join(path).exists();
    let mut violations = layers::check(&packages);
    violations.extend(lints::check(&packages, &files));
    violations.extend(compiled::check(&files));
    violations.extend(modules::check(&files));
    violations.extend(docs_paths::check(&files, &exists));
    violations.extend(docs_tests::check(&files));
    violations.extend(words::check(&files));
    Ok(violations)
}

fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut texts = Vec::new();
    for path in workspace::files(root)? {
        let bytes = fs::read(root.join(&path)).with_context(|| format!("cannot read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            texts.push(TextFile { path, text });
        }
    }
    Ok(texts)
}

fn metadata(root: &Path) -> Result<serde_json::Value> {
    let output = cargo::command(
        root,
        &["metadata", "--no-deps", "--format-version", "1", "--offline"],
    )
    .output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_reads_as_data() {
        let root = workspace::root();
        let packages = layers::Package::from_metadata(&metadata(&root).unwrap()).unwrap();
        assert!(packages.iter().any(|package| package.name == "oplog"));
        assert!(packages.iter().any(|package| package.name == "xtask"));
        let files = text_files(&root).unwrap();
        assert!(
            files
                .iter()
                .any(|file| file.path == Path::new("xtask/src/main.rs"))
        );
        assert!(files.iter().all(|file| !file.path.starts_with("target")));
    }
}
