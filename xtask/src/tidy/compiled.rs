//! Every Rust file is compiled: a test in a file that no module names never runs, and nothing says so.

use super::{TextFile, Violation};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const RULE: &str = "compiled files";

/// Files that cargo finds by their name, unless they are deeper in `src`.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];
/// Directories whose files cargo finds, or that a manifest names one by one.
const DIRECTORIES_OF_ROOTS: [&str; 4] = ["benches", "bin", "examples", "fuzz_targets"];

/// Finds Rust files that are no root and that no module above them names.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    let texts: HashMap<&Path, &str> = files
        .iter()
        .filter(|file| file.has_extension("rs"))
        .map(|file| (file.path.as_path(), file.text.as_str()))
        .collect();
    let is_named = |path: &Path| {
        let Some((name, parents)) = name_and_parents(path) else {
            return true;
        };
        parents
            .iter()
            .filter_map(|parent| texts.get(parent.as_path()))
            .any(|text| names(text, &name))
    };
    files
        .iter()
        .filter(|file| texts.contains_key(file.path.as_path()) && !is_named(&file.path))
        .map(|file| {
            Violation::new(
                RULE,
                file.path.display().to_string(),
                "no module names it, so it is not compiled: add a `mod` for it or remove it",
            )
        })
        .collect()
}

/// The module that a file holds, and the files that may name it; `None` for a root.
fn name_and_parents(path: &Path) -> Option<(String, Vec<PathBuf>)> {
    let file = path.file_name()?.to_str()?;
    let mut directory = path.parent()?;
    let is_among_roots = directory
        .file_name()
        .is_some_and(|name| DIRECTORIES_OF_ROOTS.iter().any(|roots| name == *roots));
    let is_deep = !directory.ends_with("src") && path.iter().any(|part| part == "src");
    if (ROOTS.contains(&file) && !is_deep) || is_among_roots {
        return None;
    }
    let mut name = file.strip_suffix(".rs")?.to_owned();
    if name == "mod" {
        name = directory.file_name()?.to_str()?.to_owned();
        directory = directory.parent()?;
    }
    let mut parents: Vec<_> = ["mod.rs", "lib.rs", "main.rs"]
        .iter()
        .map(|parent| directory.join(parent))
        .collect();
    parents.push(directory.with_extension("rs"));
    Some((name, parents))
}

fn names(text: &str, module: &str) -> bool {
    let declared = format!("mod {module};");
    text.lines().any(|line| {
        let code = line.trim_start();
        let visible = code.strip_prefix("pub").map_or(code, |rest| {
            rest.split_once(')')
                .filter(|(scope, _)| scope.starts_with('('))
                .map_or(rest, |(_, rest)| rest)
                .trim_start()
        });
        visible.starts_with(&declared)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| TextFile {
                path: path.into(),
                text: (*text).to_owned(),
            })
            .collect();
        check(&files)
            .into_iter()
            .map(|violation| violation.place)
            .collect()
    }

    #[test]
    fn files_that_no_module_names_are_found() {
        let compiled = [
            (
                "crates/a/src/lib.rs",
                "pub mod one;\n    mod two;\npub(crate) mod three;\n",
            ),
            ("crates/a/src/one.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/one/tests.rs", ""),
            ("crates/a/src/two/mod.rs", "mod inner;"),
            ("crates/a/src/two/inner.rs", ""),
            ("crates/a/src/three.rs", ""),
            ("crates/a/tests/it/main.rs", "mod case;"),
            ("crates/a/tests/it/case.rs", ""),
            ("crates/a/benches/fast.rs", ""),
            ("crates/a/build.rs", ""),
            ("docs/testing.md", ""),
        ];
        assert!(found(&compiled).is_empty(), "{:?}", found(&compiled));
        for lost in [
            "crates/a/src/four.rs",
            "crates/a/src/one/inner.rs",
            "crates/a/src/two/tests.rs",
            "crates/a/src/two/build.rs",
            "crates/a/src/five/mod.rs",
            "crates/a/tests/it/one.rs",
        ] {
            let mut files = compiled.to_vec();
            files.push((lost, "// mod four;\n"));
            assert_eq!(found(&files), [lost]);
        }
    }

    #[test]
    fn a_name_in_a_comment_or_of_another_module_names_nothing() {
        for text in ["// mod one;", "mod one_more;", "mod one {}", "pub use one;"] {
            assert!(!names(text, "one"), "{text}");
        }
    }
}
