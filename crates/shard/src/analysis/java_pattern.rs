//! Java's regular expressions, as far as the `regex` crate has them.

use index_meta::PatternFlags;
use regex::{Regex, RegexBuilder};

/// Most bytes that a compiled pattern may take.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Compiles a pattern. Look-around and references back have no counterpart, and are refused.
///
/// Source: in Java `\w`, `\d` and `\s` are of ASCII unless a flag says otherwise.
pub(super) fn compile(pattern: &str, flags: PatternFlags) -> Result<Regex, String> {
    let translated = if flags.unicode_character_class {
        pattern.to_owned()
    } else {
        with_ascii_classes(pattern)
    };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.case_insensitive)
        .ignore_whitespace(flags.comments)
        .multi_line(flags.multiline)
        .dot_matches_new_line(flags.dot_all)
        .size_limit(MAX_COMPILED_BYTES)
        .build()
        .map_err(|error| format!("pattern [{pattern}] cannot be used: {error}"))
}

fn with_ascii_classes(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(character) = chars.next() {
        if character != '\\' {
            translated.push(character);
            continue;
        }
        // In a class of its own each of them may also stand within a class.
        match chars.next() {
            Some('w') => translated.push_str("[0-9A-Za-z_]"),
            Some('W') => translated.push_str("[^0-9A-Za-z_]"),
            Some('d') => translated.push_str("[0-9]"),
            Some('D') => translated.push_str("[^0-9]"),
            Some('s') => translated.push_str(r"[\t-\r\x20]"),
            Some('S') => translated.push_str(r"[^\t-\r\x20]"),
            Some(other) => translated.extend(['\\', other]),
            None => translated.push('\\'),
        }
    }
    translated
}
