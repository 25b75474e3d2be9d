//! Every Rust file begins by saying what it is for.

use super::{TextFile, Violation};

const RULE: &str = "module docs";

/// Finds Rust files that do not begin with `//!`.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    files
        .iter()
        .filter(|file| file.has_extension("rs") && !begins_with_docs(&file.text))
        .map(|file| {
            Violation::new(
                RULE,
                file.path.display().to_string(),
                "must begin with a `//!` comment that says what the module is for",
            )
        })
        .collect()
}

/// Inner attributes may stand before the docs.
fn begins_with_docs(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_some_and(|line| {
        line.strip_prefix("//!")
            .is_some_and(|words| !words.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[TextFile {
            path: path.into(),
            text: text.into(),
        }])
        .len()
    }

    #[test]
    fn files_without_words_at_the_top_are_found() {
        assert_eq!(
            found("crates/oplog/src/frame.rs", "//! Frames.\nuse std::fs;\n"),
            0
        );
        assert_eq!(
            found(
                "crates/oplog/src/lib.rs",
                "#![forbid(unsafe_code)]\n\n//! The log.\n"
            ),
            0
        );
        assert_eq!(
            found("crates/oplog/src/frame.rs", "use std::fs;\n//! Frames.\n"),
            1
        );
        assert_eq!(found("crates/oplog/src/frame.rs", "//!\nuse std::fs;\n"), 1);
        assert_eq!(found("crates/oplog/src/frame.rs", ""), 1);
        assert_eq!(found("docs/testing.md", "# Testing\n"), 0);
    }
}
