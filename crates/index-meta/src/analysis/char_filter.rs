//! Character filters: what is done to the text before it is split.

use super::parameters::Parameters;
use super::tokenizer::PatternFlags;

/// A character filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CharFilterDefinition {
    /// `mapping`: replaces texts, the longest that fits first.
    Mapping {
        /// What is replaced, and by what.
        mappings: Vec<(String, String)>,
    },
    /// `pattern_replace`
    PatternReplace {
        /// Regular expression of what is replaced.
        pattern: String,
        /// How it is read.
        flags: PatternFlags,
        /// What takes its place; `$1` is the first group.
        replacement: String,
    },
    /// `html_strip`: takes the markup of HTML away.
    HtmlStrip {
        /// Elements, in lower case, whose tags stay.
        escaped_tags: Vec<String>,
    },
}

/// The types, for messages.
const TYPES: &str = "mapping, pattern_replace, html_strip";

impl CharFilterDefinition {
    pub(super) fn parse(name: &str, kind: &str, mut parameters: Parameters<'_>) -> Result<Self, String> {
        let parsed = match kind {
            "mapping" => {
                let Some(lines) = parameters.lines("mappings")? else {
                    return Err(parameters.problem("[mappings] is missing; [mappings_path] is not supported"));
                };
                let mappings = lines.iter().map(|line| rule(line));
                Self::Mapping {
                    mappings: mappings
                        .collect::<Result<_, _>>()
                        .map_err(|problem| parameters.problem(problem))?,
                }
            }
            "pattern_replace" => Self::PatternReplace {
                pattern: parameters.pattern("pattern", None)?,
                flags: PatternFlags::take(&mut parameters)?,
                replacement: parameters.text("replacement")?.unwrap_or_default(),
            },
            "html_strip" => {
                let tags = parameters.list("escaped_tags")?.unwrap_or_default();
                Self::HtmlStrip {
                    escaped_tags: tags.iter().map(|tag| tag.to_ascii_lowercase()).collect(),
                }
            }
            _ => {
                return Err(format!(
                    "Unknown char_filter type [{kind}] for [{name}]; this version has [{TYPES}]"
                ));
            }
        };
        parameters.finish()?;
        Ok(parsed)
    }
}

impl CharFilterDefinition {
    /// Whether a keyword's normalizer may have it. Source: one that takes markup away is for texts.
    pub(super) fn is_for_normalizers(&self) -> bool {
        !matches!(self, Self::HtmlStrip { .. })
    }
}

/// One line `from => to`.
fn rule(line: &str) -> Result<(String, String), String> {
    let Some((from, to)) = line.rsplit_once("=>") else {
        return Err(format!("Invalid Mapping Rule: [{line}]"));
    };
    let (from, to) = (unescape(from.trim())?, unescape(to.trim())?);
    if from.is_empty() {
        return Err(format!("Invalid Mapping Rule: [{line}]. Illegal mapping."));
    }
    Ok((from, to))
}

/// Source: the escapes of mapping rules, `\u0041` among them, by which blanks are written too.
fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        plain.push(match chars.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4)
                    .and_then(char::from_u32)
                    .ok_or_else(|| format!("Invalid escaped char in [{text}]"))?
            }
            Some(other) => other,
            None => return Err(format!("Invalid escaped char in [{text}]")),
        });
    }
    Ok(plain)
}
