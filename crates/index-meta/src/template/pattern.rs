//! Patterns of names, in which `*` stands for any number of characters.

/// Whether `text` matches `pattern`, in which `*` stands for any number of characters.
#[must_use]
pub fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(position) => rest = &rest[position + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether the pattern matches every name.
pub(super) fn is_match_all(pattern: &str) -> bool {
    pattern == "*"
}

/// Whether there is a name that both patterns match.
///
/// With a star in both, beginnings and ends decide alone: the longer beginning, the middle parts of both one after the other, and the longer end make
/// a name that both match.
pub(super) fn overlap(left: &str, right: &str) -> bool {
    match (left.contains('*'), right.contains('*')) {
        (_, false) => matches_wildcard(left, right),
        (false, true) => matches_wildcard(right, left),
        (true, true) => {
            let first = |pattern: &str| pattern.split('*').next().unwrap_or_default().to_owned();
            let last = |pattern: &str| pattern.rsplit('*').next().unwrap_or_default().to_owned();
            let (left_first, right_first) = (first(left), first(right));
            let (left_last, right_last) = (last(left), last(right));
            (left_first.starts_with(&right_first) || right_first.starts_with(&left_first))
                && (left_last.ends_with(&right_last) || right_last.ends_with(&left_last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match() {
        let cases = [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("abc", "abc", true),
            ("ab", "abc", false),
            ("*b*", "abc", true),
            ("a**c", "ac", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches_wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_overlap_when_one_name_matches_both() {
        let cases = [
            ("logs-*", "logs-app-*", true),
            ("logs-*", "metrics-*", false),
            ("*", "anything", true),
            ("*-prod", "logs-*", true),
            ("*-prod", "*-test", false),
            ("a*b*c", "a*c*c", true),
            ("a*c", "ab*bc", true),
            ("a", "a", true),
            ("a", "b", false),
            ("ab", "a*b*", true),
            ("ab", "a*bb", false),
            ("a*a", "a", false),
        ];
        for (left, right, expected) in cases {
            assert_eq!(overlap(left, right), expected, "{left} {right}");
            assert_eq!(overlap(right, left), expected, "{right} {left}");
        }
    }
}
