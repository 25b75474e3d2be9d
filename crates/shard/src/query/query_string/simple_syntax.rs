//! The syntax of `simple_query_string`: `+` and, `|` or, `-` not, `"phrases"`, `prefix*`, `word~1`, parentheses. What makes no sense is passed over.
//!
//! Source: Lucene's simple query syntax. What is connected by different operators is grouped from left to right.

use es_exception::Exception;
use serde_json::Value;

use super::super::parse::{malformed, text};
use super::super::pattern::Fuzziness;
use super::expression::{Expression, Occurs, What};
use super::{MAX_CLAUSES, MAX_DEPTH};

/// Which signs mean something. Source: `flags`, joined by `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features(u16);

const NAMES: [(&str, u16); 11] = [
    ("AND", Features::AND),
    ("NOT", Features::NOT),
    ("OR", Features::OR),
    ("PREFIX", Features::PREFIX),
    ("PHRASE", Features::PHRASE),
    ("PRECEDENCE", Features::PRECEDENCE),
    ("ESCAPE", Features::ESCAPE),
    ("WHITESPACE", Features::WHITESPACE),
    ("FUZZY", Features::FUZZY),
    ("NEAR", Features::SLOP),
    ("SLOP", Features::SLOP),
];

impl Features {
    const AND: u16 = 1;
    const NOT: u16 = 1 << 1;
    const OR: u16 = 1 << 2;
    const PREFIX: u16 = 1 << 3;
    const PHRASE: u16 = 1 << 4;
    const PRECEDENCE: u16 = 1 << 5;
    const ESCAPE: u16 = 1 << 6;
    const WHITESPACE: u16 = 1 << 7;
    const FUZZY: u16 = 1 << 8;
    const SLOP: u16 = 1 << 9;

    pub(super) const ALL: Self = Self(u16::MAX);

    pub(super) fn from_json(value: &Value) -> Result<Self, Exception> {
        let mut features = Self(0);
        for name in text("flags", value)?.split('|').map(str::trim) {
            match NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, bit)) => features.0 |= bit,
                None if name.eq_ignore_ascii_case("ALL") || name.is_empty() => return Ok(Self::ALL),
                None if name.eq_ignore_ascii_case("NONE") => return Ok(Self(0)),
                None => {
                    return Err(malformed(format!("Unknown simple_query_string flag [{name}]")));
                }
            }
        }
        Ok(features)
    }

    fn has(self, feature: u16) -> bool {
        self.0 & feature != 0
    }
}

/// Reads a line; `all` says whether words that nothing connects must all match.
pub(super) fn parse(line: &str, all: bool, features: Features) -> Expression {
    let mut parser = Parser {
        chars: line.chars().collect(),
        at: 0,
        features,
        default: if all { Occurs::Must } else { Occurs::Should },
        clauses: 0,
    };
    parser.group(0)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    features: Features,
    default: Occurs,
    clauses: usize,
}

/// What was read of a group so far.
#[derive(Default)]
struct Building {
    parts: Vec<(Occurs, Expression)>,
    /// How the parts are connected, and how the next one will be.
    connected: Option<Occurs>,
    next: Option<Occurs>,
    negations: usize,
    /// How deep the parts are wrapped.
    wraps: usize,
}

impl Building {
    fn add(&mut self, part: Expression, default: Occurs) {
        let part = match self.negations % 2 {
            0 => part,
            _ => group(vec![(Occurs::MustNot, part)]),
        };
        self.negations = 0;
        let by = self.next.take().unwrap_or(default);
        let changes = self.parts.len() > 1 && self.connected.is_some_and(|before| before != by);
        // Beyond some depth, what is meant cannot be told anyway.
        if changes && self.wraps < MAX_DEPTH {
            self.wraps += 1;
            let before = std::mem::take(&mut self.parts);
            self.parts.push((by, group(before)));
        }
        if let [(only, _)] = self.parts.as_mut_slice() {
            *only = by;
        }
        self.parts.push((by, part));
        self.connected = Some(by);
    }
}

fn group(parts: Vec<(Occurs, Expression)>) -> Expression {
    Expression::Group { parts, boost: 1.0 }
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// What the sign at this place means, if its feature is on.
    fn sign(&self, character: char, feature: u16) -> bool {
        self.peek() == Some(character) && self.features.has(feature)
    }

    /// Everything up to the end or the parenthesis that closes the group.
    fn group(&mut self, depth: usize) -> Expression {
        let mut building = Building::default();
        while let Some(character) = self.peek() {
            if self.clauses >= MAX_CLAUSES {
                self.at = self.chars.len();
                break;
            }
            if self.sign('(', Features::PRECEDENCE) {
                self.at += 1;
                if depth < MAX_DEPTH {
                    let inner = self.group(depth + 1);
                    if !matches!(&inner, Expression::Group { parts, .. } if parts.is_empty()) {
                        building.add(inner, self.default);
                    }
                }
            } else if self.sign(')', Features::PRECEDENCE) {
                self.at += 1;
                if depth > 0 {
                    break;
                }
            } else if self.sign('"', Features::PHRASE) {
                self.at += 1;
                if let Some(phrase) = self.phrase() {
                    self.found(&mut building, phrase);
                }
            } else if self.sign('+', Features::AND) || self.sign('|', Features::OR) {
                self.at += 1;
                if building.next.is_none() && !building.parts.is_empty() {
                    building.next = Some(if character == '+' {
                        Occurs::Must
                    } else {
                        Occurs::Should
                    });
                }
            } else if self.sign('-', Features::NOT) {
                self.at += 1;
                building.negations += 1;
            } else if character.is_whitespace() && self.features.has(Features::WHITESPACE) {
                self.at += 1;
                // A minus before a blank negates nothing.
                building.negations = 0;
            } else if let Some(word) = self.word() {
                self.found(&mut building, word);
            }
        }
        group(building.parts)
    }

    fn found(&mut self, building: &mut Building, what: What) {
        self.clauses += 1;
        let found = Expression::Found {
            field: None,
            what,
            boost: 1.0,
        };
        building.add(found, self.default);
    }

    /// The rest of a phrase; a quotation mark that nothing closes means nothing.
    fn phrase(&mut self) -> Option<What> {
        let start = self.at;
        let mut text = String::new();
        while let Some(character) = self.peek() {
            self.at += 1;
            match character {
                '\\' if self.features.has(Features::ESCAPE) => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                '"' => {
                    let slop = if self.sign('~', Features::SLOP) {
                        self.number_after_tilde()
                    } else {
                        None
                    };
                    return (!text.is_empty()).then_some(What::Phrase(text, slop));
                }
                other => text.push(other),
            }
        }
        self.at = start;
        None
    }

    fn number_after_tilde(&mut self) -> Option<u32> {
        let digits: String = self.chars[self.at + 1..]
            .iter()
            .take_while(|character| character.is_ascii_digit())
            .collect();
        self.at += 1 + digits.len();
        digits.parse().ok()
    }

    fn word(&mut self) -> Option<What> {
        let mut word = String::new();
        let mut is_prefix = false;
        while let Some(character) = self.peek() {
            let ends = (character.is_whitespace() && self.features.has(Features::WHITESPACE))
                || self.sign('"', Features::PHRASE)
                || self.sign('|', Features::OR)
                || self.sign('+', Features::AND)
                || self.sign('(', Features::PRECEDENCE)
                || self.sign(')', Features::PRECEDENCE);
            if ends {
                break;
            }
            if self.sign('~', Features::FUZZY) && !word.is_empty() {
                let edits = self.number_after_tilde();
                return Some(What::Fuzzy(
                    word,
                    edits.map(|edits| Fuzziness::Edits(edits.min(2) as usize)),
                ));
            }
            self.at += 1;
            is_prefix = character == '*' && self.features.has(Features::PREFIX);
            if character == '\\' && self.features.has(Features::ESCAPE) {
                word.extend(self.peek());
                self.at += 1;
            } else {
                word.push(character);
            }
        }
        if is_prefix {
            word.pop();
            return Some(match word.is_empty() {
                true => What::Anything,
                false => What::Prefix(word),
            });
        }
        (!word.is_empty()).then_some(What::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(text: &str) -> Expression {
        found(What::Word(text.into()))
    }

    fn found(what: What) -> Expression {
        Expression::Found {
            field: None,
            what,
            boost: 1.0,
        }
    }

    #[test]
    fn operators_group_from_left_to_right() {
        use Occurs::{Must, MustNot, Should};
        let read = |line: &str| parse(line, false, Features::ALL);
        assert_eq!(read("a b"), group(vec![(Should, word("a")), (Should, word("b"))]));
        assert_eq!(read("a + b"), group(vec![(Must, word("a")), (Must, word("b"))]));
        let both = group(vec![(Must, word("a")), (Must, word("b"))]);
        assert_eq!(read("a+b | c"), group(vec![(Should, both), (Should, word("c"))]));
        let not_b = group(vec![(MustNot, word("b"))]);
        assert_eq!(read("a + -b"), group(vec![(Must, word("a")), (Must, not_b)]));
        let inner = group(vec![(Should, word("b")), (Should, word("c"))]);
        assert_eq!(read("a + (b | c)"), group(vec![(Must, word("a")), (Must, inner)]));
    }

    #[test]
    fn words_phrases_and_prefixes_are_told_apart() {
        let first = |line: &str, features| match parse(line, false, features) {
            Expression::Group { mut parts, .. } => parts.remove(0).1,
            found => found,
        };
        for (line, what) in [
            ("ab*", What::Prefix("ab".into())),
            ("*", What::Anything),
            ("a*b", What::Word("a*b".into())),
            ("ab~1", What::Fuzzy("ab".into(), Some(Fuzziness::Edits(1)))),
            ("\"a b\"~3", What::Phrase("a b".into(), Some(3))),
            (r"a\+b", What::Word("a+b".into())),
            ("a-b", What::Word("a-b".into())),
        ] {
            assert_eq!(first(line, Features::ALL), found(what), "{line}");
        }
        let off = Features::from_json(&json!("OR|AND")).unwrap();
        assert_eq!(first("ab*", off), word("ab*"));
    }

    #[test]
    fn operators_that_take_turns_nest_only_so_deep() {
        fn depth(expression: &Expression) -> usize {
            match expression {
                Expression::Group { parts, .. } => {
                    1 + parts.iter().map(|(_, part)| depth(part)).max().unwrap_or(0)
                }
                Expression::Found { .. } => 0,
            }
        }
        let read = parse(&"a + b | ".repeat(400), false, Features::ALL);
        assert!((10..=MAX_DEPTH + 1).contains(&depth(&read)), "{}", depth(&read));
    }

    #[test]
    fn nothing_cannot_be_read() {
        for line in [
            "",
            "((((",
            "))))",
            "\"",
            "+ | -",
            "a +",
            "~",
            "*",
            "\\",
            "- a",
            "a~",
            &"(".repeat(10_000),
            &"a + b | ".repeat(1_000),
        ] {
            parse(line, false, Features::ALL);
            parse(line, true, Features(0));
        }
    }
}
