//! Words that must not reach the repository: paths that exist on one machine only, and leftovers of a merge.

use super::{TextFile, Violation};

const RULE: &str = "words";

/// A forbidden beginning or word, in two halves so that this file does not hold it, and the reason.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("<<<<", "<<< ", "a merge that was not finished"),
    (">>>>", ">>> ", "a merge that was not finished"),
];

/// Finds forbidden words in every text file.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for (first, second, reason) in FORBIDDEN {
                let word = [*first, *second].concat();
                if occurs(line, &word) {
                    let place = format!("{}:{}", file.path.display(), index + 1);
                    violations.push(Violation::new(RULE, place, format!("`{word}` is {reason}")));
                }
            }
        }
    }
    violations
}

/// Whether the word occurs with nothing before it that makes it the tail of a longer path.
fn occurs(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&[TextFile {
            path: "docs/testing.md".into(),
            text: text.into(),
        }])
        .len()
    }

    #[test]
    fn machine_paths_and_merge_marks_are_found() {
        let (mine, merge) = (["cd /ho", "me/someone"].concat(), ["<<<<", "<<< ours"].concat());
        assert_eq!(found(&mine), 1);
        assert_eq!(found(&merge), 1);
        assert_eq!(found(&format!("fine\n{mine}\n{merge}\n")), 2);
    }

    #[test]
    fn longer_paths_that_end_alike_pass() {
        assert_eq!(found(&["target/ho", "me/cargo"].concat()), 0);
        assert_eq!(found("tests/e2e/src/network.rs"), 0);
    }
}
