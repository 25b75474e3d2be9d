//! The syntax of `query_string`: words, `"phrases"`, `field:word`, `AND`, `OR`, `NOT`, `+`, `-`, parentheses, ranges, patterns.
//!
//! Source: the classic query syntax of Lucene, with Elasticsearch's `_exists_:`, `field:>1` and fields with wildcards.

use index_meta::RangeEdge;

use super::super::pattern::Fuzziness;
use super::expression::{Expression, Occurs, What};
use super::{MAX_CLAUSES, MAX_DEPTH};

/// What ends a word, unless it is escaped by a backslash.
const ENDS: &str = "()[]{}\":^~";

/// Reads a line; `all` says whether words that nothing connects must all match.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(line: &str, all: bool) -> Result<Expression, String> {
    let mut parser = Parser {
        rest: line,
        all,
        clauses: 0,
    };
    let parts = parser.parts(None, 0)?;
    match parser.rest.chars().next() {
        None => Ok(Expression::Group { parts, boost: 1.0 }),
        Some(other) => Err(format!("[{other}] closes nothing")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    all: bool,
    clauses: usize,
}

/// What stands between two parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conjunction {
    None,
    And,
    Or,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes an operator that is a word of its own.
    fn take_word(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest)
                if rest.is_empty()
                    || rest.starts_with(|next: char| next.is_whitespace() || "()".contains(next)) =>
            {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Parts up to the end of the line or a closing parenthesis.
    fn parts(&mut self, field: Option<&str>, depth: usize) -> Result<Vec<(Occurs, Expression)>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("parentheses are nested more than [{MAX_DEPTH}] deep"));
        }
        let mut parts: Vec<(Occurs, Expression)> = Vec::new();
        loop {
            self.skip_blanks();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return Ok(parts);
            }
            self.clauses += 1;
            if self.clauses > MAX_CLAUSES {
                return Err(format!("there are more than [{MAX_CLAUSES}] clauses"));
            }
            let conjunction = self.conjunction();
            self.skip_blanks();
            let (required, prohibited) = self.modifier();
            self.skip_blanks();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return Err("it ends with an operator".to_owned());
            }
            let part = self.part(field, depth)?;
            // What is connected by AND must match on both sides; OR frees the part before, where all must match.
            if let Some((before, _)) = parts.last_mut()
                && *before != Occurs::MustNot
            {
                match conjunction {
                    Conjunction::And => *before = Occurs::Must,
                    Conjunction::Or if self.all => *before = Occurs::Should,
                    Conjunction::Or | Conjunction::None => {}
                }
            }
            let must = match self.all {
                true => conjunction != Conjunction::Or,
                false => conjunction == Conjunction::And,
            };
            let occurs = match (prohibited, required || must) {
                (true, _) => Occurs::MustNot,
                (false, true) => Occurs::Must,
                (false, false) => Occurs::Should,
            };
            parts.push((occurs, part));
        }
    }

    fn conjunction(&mut self) -> Conjunction {
        if self.take_word("AND") || self.take("&&") {
            Conjunction::And
        } else if self.take_word("OR") || self.take("||") {
            Conjunction::Or
        } else {
            Conjunction::None
        }
    }

    /// Whether the part is required, or prohibited.
    fn modifier(&mut self) -> (bool, bool) {
        if self.take("+") {
            (true, false)
        } else if self.take("-") || self.take("!") || self.take_word("NOT") {
            (false, true)
        } else {
            (false, false)
        }
    }

    fn part(&mut self, field: Option<&str>, depth: usize) -> Result<Expression, String> {
        if self.take("(") {
            let parts = self.parts(field, depth + 1)?;
            if !self.take(")") {
                return Err("a parenthesis is not closed".to_owned());
            }
            let boost = self.boost()?;
            return Ok(Expression::Group { parts, boost });
        }
        let before = self.rest;
        if let Some(name) = self.field_name()? {
            self.skip_blanks();
            if self.rest.is_empty() {
                return Err(format!("nothing is said of field [{name}]"));
            }
            if self.rest.starts_with('(') {
                return self.part(Some(&name), depth);
            }
            return self.found(Some(&name));
        }
        self.rest = before;
        self.found(field)
    }

    /// The name before a colon, if there is one.
    fn field_name(&mut self) -> Result<Option<String>, String> {
        if self.rest.starts_with(['"', '/', '[', '{', '(']) {
            return Ok(None);
        }
        let word = self.raw_word()?;
        Ok((!word.is_empty() && self.take(":")).then(|| unescaped(&word)))
    }

    /// A word as it is written, with its backslashes. It may be empty.
    fn raw_word(&mut self) -> Result<String, String> {
        let mut word = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, character)) = chars.next() {
            if character == '\\' {
                let Some((_, escaped)) = chars.next() else {
                    return Err("it ends with an escape character".to_owned());
                };
                word.extend([character, escaped]);
            } else if character.is_whitespace() || ENDS.contains(character) {
                end = at;
                break;
            } else {
                word.push(character);
            }
        }
        self.rest = &self.rest[end..];
        Ok(word)
    }

    fn found(&mut self, field: Option<&str>) -> Result<Expression, String> {
        let what = self.what(field)?;
        let boost = self.boost()?;
        Ok(Expression::Found {
            field: field.map(str::to_owned),
            what,
            boost,
        })
    }

    fn what(&mut self, field: Option<&str>) -> Result<What, String> {
        if self.take("\"") {
            let text = self.until('"', "a quotation mark is not closed")?;
            let slop = if self.take("~") { self.number()? } else { None };
            return Ok(What::Phrase(unescaped(&text), slop.map(|slop| slop as u32)));
        }
        if self.take("/") {
            return Ok(What::Regexp(
                self.until('/', "a regular expression is not closed")?,
            ));
        }
        if self.rest.starts_with(['[', '{']) {
            return self.range();
        }
        if field.is_some() {
            for (sign, edge, is_lower) in [
                (">=", RangeEdge::Gte, true),
                (">", RangeEdge::Gt, true),
                ("<=", RangeEdge::Lte, false),
                ("<", RangeEdge::Lt, false),
            ] {
                if self.take(sign) {
                    self.skip_blanks();
                    let bound = Some((edge, self.bound()?));
                    let (lower, upper) = if is_lower { (bound, None) } else { (None, bound) };
                    return Ok(What::Range { lower, upper });
                }
            }
        }
        let word = self.raw_word()?;
        if word.is_empty() {
            let sign = self.rest.chars().next().unwrap_or(' ');
            return Err(format!(
                "[{sign}] is not expected there, write [\\{sign}] to find it"
            ));
        }
        if self.take("~") {
            let edits = self.number()?;
            let fuzziness = edits.map(|edits| match edits {
                // Before edits were counted, likeness was a fraction.
                edits if edits > 0.0 && edits < 1.0 => Fuzziness::Edits(2),
                edits => Fuzziness::Edits((edits as usize).min(2)),
            });
            return Ok(What::Fuzzy(unescaped(&word), fuzziness));
        }
        Ok(of_word(&word))
    }

    /// What stands before an unescaped `end`, with its backslashes.
    fn until(&mut self, end: char, problem: &str) -> Result<String, String> {
        let mut escaped = false;
        for (at, character) in self.rest.char_indices() {
            if character == end && !escaped {
                let text = self.rest[..at].to_owned();
                self.rest = &self.rest[at + end.len_utf8()..];
                return Ok(text);
            }
            escaped = character == '\\' && !escaped;
        }
        Err(problem.to_owned())
    }

    fn range(&mut self) -> Result<What, String> {
        let included = self.take("[");
        if !included {
            self.take("{");
        }
        self.skip_blanks();
        let lower = self.bound()?;
        self.skip_blanks();
        if !self.take_word("TO") {
            return Err("a range is written [from TO to]".to_owned());
        }
        self.skip_blanks();
        let upper = self.bound()?;
        self.skip_blanks();
        let lower_edge = if included { RangeEdge::Gte } else { RangeEdge::Gt };
        let upper_edge = match (self.take("]"), self.take("}")) {
            (true, _) => RangeEdge::Lte,
            (false, true) => RangeEdge::Lt,
            (false, false) => return Err("a range is not closed".to_owned()),
        };
        let open = |bound: String, edge| (bound != "*").then_some((edge, bound));
        Ok(What::Range {
            lower: open(lower, lower_edge),
            upper: open(upper, upper_edge),
        })
    }

    /// An end of a range: a word, in which colons are allowed as in dates, or a text in quotation marks.
    fn bound(&mut self) -> Result<String, String> {
        if self.take("\"") {
            return Ok(unescaped(&self.until('"', "a quotation mark is not closed")?));
        }
        let ends = |character: char| character.is_whitespace() || "]})".contains(character);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (bound, rest) = self.rest.split_at(end);
        if bound.is_empty() {
            return Err("an end of a range is missing".to_owned());
        }
        self.rest = rest;
        Ok(unescaped(bound))
    }

    fn boost(&mut self) -> Result<f32, String> {
        if !self.take("^") {
            return Ok(1.0);
        }
        match self.number()? {
            // Relevance is a 32-bit number.
            Some(boost) if (boost as f32).is_finite() => Ok(boost as f32),
            _ => Err("a boost is a number after [^]".to_owned()),
        }
    }

    /// A number that is not negative, if one follows.
    fn number(&mut self) -> Result<Option<f64>, String> {
        let end = self
            .rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        if digits.is_empty() {
            return Ok(None);
        }
        let number = digits.parse().map_err(|_| format!("[{digits}] is no number"))?;
        self.rest = rest;
        Ok(Some(number))
    }
}

/// A word with or without wildcards.
fn of_word(word: &str) -> What {
    let mut escaped = false;
    let mut wildcards = Vec::new();
    for (at, character) in word.char_indices() {
        if !escaped && matches!(character, '*' | '?') {
            wildcards.push((at, character));
        }
        escaped = character == '\\' && !escaped;
    }
    match wildcards.as_slice() {
        [] => What::Word(unescaped(word)),
        [(0, '*')] if word.len() == 1 => What::Anything,
        [(at, '*')] if *at + 1 == word.len() => What::Prefix(unescaped(&word[..*at])),
        _ => What::Wildcard(word.to_owned()),
    }
}

/// The text without the backslashes that escape.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        match character {
            '\\' => plain.extend(chars.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short way to write what was read.
    fn show(expression: &Expression) -> String {
        let boosted = |text: String, boost: f32| match boost {
            1.0 => text,
            boost => format!("{text}^{boost}"),
        };
        match expression {
            Expression::Group { parts, boost } => {
                let parts = parts.iter().map(|(occurs, part)| {
                    let sign = match occurs {
                        Occurs::Must => "+",
                        Occurs::Should => "",
                        Occurs::MustNot => "-",
                    };
                    format!("{sign}{}", show(part))
                });
                boosted(format!("({})", parts.collect::<Vec<_>>().join(" ")), *boost)
            }
            Expression::Found { field, what, boost } => {
                let field = field.as_ref().map_or(String::new(), |field| format!("{field}:"));
                boosted(format!("{field}{what:?}"), *boost)
            }
        }
    }

    fn check(line: &str, all: bool, expected: &str) {
        let read = parse(line, all).map(|expression| show(&expression));
        assert_eq!(read.as_deref(), Ok(expected), "{line}");
    }

    #[test]
    fn operators_say_what_must_match() {
        check("a b", false, r#"(Word("a") Word("b"))"#);
        check("a b", true, r#"(+Word("a") +Word("b"))"#);
        check("a AND b c", false, r#"(+Word("a") +Word("b") Word("c"))"#);
        check("a OR b", true, r#"(Word("a") Word("b"))"#);
        check("a OR b AND c", false, r#"(Word("a") +Word("b") +Word("c"))"#);
        check(
            "+a -b !c NOT d",
            false,
            r#"(+Word("a") -Word("b") -Word("c") -Word("d"))"#,
        );
        check(
            "a && (b || NOT c)^2",
            false,
            r#"(+Word("a") +(Word("b") -Word("c"))^2)"#,
        );
        check("ANDROID ORDER", false, r#"(Word("ANDROID") Word("ORDER"))"#);
        check("", false, "()");
    }

    #[test]
    fn words_phrases_and_patterns_are_told_apart() {
        check(r#""a b"~2^3"#, false, r#"(Phrase("a b", Some(2))^3)"#);
        check(r#"t:"a\"b""#, false, r#"(t:Phrase("a\"b", None))"#);
        check(
            "ab* a*b a?b *",
            false,
            r#"(Prefix("ab") Wildcard("a*b") Wildcard("a?b") Anything)"#,
        );
        check(r"a\*b\:c", false, r#"(Word("a*b:c"))"#);
        check(
            "/a.b/ x~ y~1",
            false,
            r#"(Regexp("a.b") Fuzzy("x", None) Fuzzy("y", Some(Edits(1))))"#,
        );
        check("f:(a b*)", false, r#"((f:Word("a") f:Prefix("b")))"#);
        check(r"book.\*:x", false, r#"(book.*:Word("x"))"#);
        check("*:*", false, "(*:Anything)");
        check("a-b c+d", false, r#"(Word("a-b") Word("c+d"))"#);
    }

    #[test]
    fn ranges_have_ends_that_count_or_not() {
        let edges = |line: &str| match parse(line, false) {
            Ok(Expression::Group { mut parts, .. }) => match parts.remove(0).1 {
                Expression::Found {
                    what: What::Range { lower, upper },
                    ..
                } => (lower, upper),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let lower = |edge, text: &str| Some((edge, text.to_owned()));
        assert_eq!(
            edges("n:[1 TO 5}"),
            (lower(RangeEdge::Gte, "1"), lower(RangeEdge::Lt, "5"))
        );
        assert_eq!(edges("n:{* TO 5]"), (None, lower(RangeEdge::Lte, "5")));
        assert_eq!(
            edges(r#"at:[2024-01-01T10:00:00Z TO "now"]"#),
            (
                lower(RangeEdge::Gte, "2024-01-01T10:00:00Z"),
                lower(RangeEdge::Lte, "now")
            )
        );
        assert_eq!(edges("n:>=3"), (lower(RangeEdge::Gte, "3"), None));
        assert_eq!(edges("n:<3"), (None, lower(RangeEdge::Lt, "3")));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (line, problem) in [
            ("(a", "a parenthesis is not closed"),
            ("a)", "[)] closes nothing"),
            ("\"a", "a quotation mark is not closed"),
            ("/a", "a regular expression is not closed"),
            ("a AND", "it ends with an operator"),
            ("f:", "nothing is said of field [f]"),
            ("n:[1 5]", "a range is written [from TO to]"),
            ("n:[1 TO 5", "a range is not closed"),
            ("a^x", "a boost is a number after [^]"),
            ("a\\", "it ends with an escape character"),
            ("a ^2", "[^] is not expected there, write [\\^] to find it"),
        ] {
            assert_eq!(parse(line, false), Err(problem.to_owned()), "{line}");
        }
        assert!(parse(&"(".repeat(100), false).is_err());
        assert!(parse(&"a ".repeat(2_000), false).is_err());
    }
}
