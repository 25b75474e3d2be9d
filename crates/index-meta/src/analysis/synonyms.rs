//! Lists of synonyms in Solr's format.

use super::parameters::Parameters;

/// Rules, not analyzed yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Synonyms {
    /// In the order given.
    pub rules: Vec<SynonymRule>,
    /// Whether equivalent texts stand for each other, and not for the first of them.
    pub expand: bool,
    /// Whether a rule that cannot be analyzed is left out instead of refused.
    pub lenient: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SynonymRule {
    /// `a, b, c`
    Equivalent(Vec<String>),
    /// `a, b => c, d`
    Explicit {
        /// Each is replaced.
        from: Vec<String>,
        /// By all of these.
        to: Vec<String>,
    },
}

/// Most pairs of a text and its synonym that the rules may stand for together.
const MAX_PAIRS: usize = 100_000;

impl Synonyms {
    pub(super) fn take(parameters: &mut Parameters<'_>) -> Result<Self, String> {
        parameters.only("format", "solr")?;
        parameters.only("updateable", "false")?;
        let Some(lines) = parameters.lines("synonyms")? else {
            return Err(parameters.problem(
                "synonym requires `synonyms` to be configured; [synonyms_path] and [synonyms_set] are not supported",
            ));
        };
        let expand = parameters.flag("expand", true)?;
        let lenient = parameters.flag("lenient", false)?;
        let mut rules = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let rule = parse_line(line).map_err(|problem| {
                parameters.problem(format_args!(
                    "Invalid synonym rule at line {}: {problem}",
                    number + 1
                ))
            })?;
            rules.extend(rule);
        }
        let pairs: usize = rules.iter().map(SynonymRule::pairs).sum();
        if pairs > MAX_PAIRS {
            let problem = format!("the rules stand for {pairs} pairs of synonyms, the limit is {MAX_PAIRS}");
            return Err(parameters.problem(problem));
        }
        Ok(Self {
            rules,
            expand,
            lenient,
        })
    }
}

impl SynonymRule {
    fn pairs(&self) -> usize {
        match self {
            Self::Equivalent(texts) => texts.len() * texts.len(),
            Self::Explicit { from, to } => from.len() * to.len(),
        }
    }
}

/// `None` for a line without a rule: empty, or a comment.
fn parse_line(line: &str) -> Result<Option<SynonymRule>, String> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let sides = split(line, "=>");
    match sides.as_slice() {
        [texts] => Ok(Some(SynonymRule::Equivalent(texts_of(texts)?))),
        [from, to] => Ok(Some(SynonymRule::Explicit {
            from: texts_of(from)?,
            to: texts_of(to)?,
        })),
        _ => Err("more than one explicit mapping specified on the same line".to_owned()),
    }
}

fn texts_of(side: &str) -> Result<Vec<String>, String> {
    let texts: Vec<String> = split(side, ",")
        .into_iter()
        .map(|text| unescape(text.trim()))
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() {
        return Err("a side of the rule is empty".to_owned());
    }
    Ok(texts)
}

/// The parts between separators that no backslash stands before.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(character) = text[at..].chars().next() {
        if character == '\\' {
            at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
        } else if text[at..].starts_with(separator) {
            parts.push(&text[start..at]);
            at += separator.len();
            start = at;
        } else {
            at += character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
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

    #[test]
    fn lines_are_read_as_solr_writes_them() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (line, expected) in [
            (
                "a, b c ,d",
                Ok(Some(SynonymRule::Equivalent(texts(&["a", "b c", "d"])))),
            ),
            (
                "a,b => c",
                Ok(Some(SynonymRule::Explicit {
                    from: texts(&["a", "b"]),
                    to: texts(&["c"]),
                })),
            ),
            (
                r"a\,b, c\=>d",
                Ok(Some(SynonymRule::Equivalent(texts(&["a,b", "c=>d"])))),
            ),
            ("# nothing", Ok(None)),
            ("  ", Ok(None)),
            ("a => b => c", Err(())),
            ("a => ", Err(())),
            (r"ä\", Ok(Some(SynonymRule::Equivalent(texts(&["ä"]))))),
        ] {
            assert_eq!(parse_line(line).map_err(drop), expected, "{line}");
        }
    }
}
