//! What `html_strip` takes out of a text, and what it puts in its place.
//!
//! Source: Lucene's filter. Tags of elements within a line vanish, any other tag becomes a line break; comments, declarations and processing
//! instructions vanish; scripts and styles become a line break as a whole; entities become their characters. What is no markup stays as it is.

use super::html_entities;

/// Source: the elements that Lucene takes to stand within a line.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "basefont", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "img",
    "input", "kbd", "label", "q", "s", "samp", "select", "small", "span", "strike", "strong", "sub", "sup",
    "textarea", "tt", "u", "var",
];
/// Most bytes between `&` and `;`, so that a text full of `&` costs little.
const LONGEST_ENTITY: usize = 12;

/// A piece of markup.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Markup {
    /// Bytes that it takes.
    pub(super) length: usize,
    /// What stands in its place.
    pub(super) with: String,
}

impl Markup {
    fn of(length: usize, with: &str) -> Self {
        Self {
            length,
            with: with.to_owned(),
        }
    }
}

/// The ends that were looked for in vain: what is not found after one place is not found after a later one either, so that a text full of `<!--` is not read
/// over and over again.
#[derive(Debug, Default)]
pub(super) struct Missing {
    ends: Vec<&'static str>,
}

impl Missing {
    /// Bytes up to and with `end`, in any case of its letters; `None` if there is none.
    fn find(&mut self, text: &str, end: &'static str) -> Option<usize> {
        if self.ends.contains(&end) {
            return None;
        }
        let found = text
            .as_bytes()
            .windows(end.len())
            .position(|window| window.eq_ignore_ascii_case(end.as_bytes()));
        if found.is_none() {
            self.ends.push(end);
        }
        found.map(|at| at + end.len())
    }
}

/// The markup that `text` begins with; `None` if it is text. `escaped` are the elements, in lower case, whose tags stay.
pub(super) fn markup(text: &str, escaped: &[String], missing: &mut Missing) -> Option<Markup> {
    match text.as_bytes().first()? {
        b'&' => entity(text),
        b'<' => {
            if let Some(rest) = text.strip_prefix("<!--") {
                return Some(Markup::of(4 + missing.find(rest, "-->")?, ""));
            }
            if let Some(rest) = text.strip_prefix("<![CDATA[") {
                let length = missing.find(rest, "]]>")?;
                return Some(Markup::of(9 + length, &rest[..length - 3]));
            }
            if let Some(rest) = text.strip_prefix("<?") {
                return Some(Markup::of(2 + missing.find(rest, "?>")?, ""));
            }
            if let Some(rest) = text.strip_prefix("<!") {
                if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    return None;
                }
                return Some(Markup::of(2 + missing.find(rest, ">")?, ""));
            }
            tag(text, escaped, missing)
        }
        _ => None,
    }
}

fn tag(text: &str, escaped: &[String], missing: &mut Missing) -> Option<Markup> {
    let is_end = text.starts_with("</");
    let after = &text[1 + usize::from(is_end)..];
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, ':' | '-' | '_');
    let name = &after[..after.find(|character| !is_name(character)).unwrap_or(after.len())];
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let rest = &after[name.len()..];
    let name = name.to_ascii_lowercase();
    if escaped.contains(&name) {
        return None;
    }
    let start = text.len() - rest.len();
    let length = start + tag_tail(rest)?;
    let content_end = match name.as_str() {
        "script" => Some("</script>"),
        "style" => Some("</style>"),
        _ => None,
    };
    if let (Some(end), false) = (content_end, is_end) {
        let inside = missing.find(&text[length..], end);
        return Some(Markup::of(length + inside.unwrap_or(0), "\n"));
    }
    let with = if INLINE.contains(&name.as_str()) { "" } else { "\n" };
    Some(Markup::of(length, with))
}

/// Bytes from behind the name of a tag to behind its `>`; one in a quoted value is no end. `None`: it is no tag. Looks no further than to the next `<`,
/// but for quotes that do not end, of which there is one of each kind in a text.
fn tag_tail(rest: &str) -> Option<usize> {
    let first = rest.as_bytes().first()?;
    if !(first.is_ascii_whitespace() || matches!(first, b'>' | b'/')) {
        return None;
    }
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            // Another tag begins: the first one was none.
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn entity(text: &str) -> Option<Markup> {
    let end = text.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';')?;
    let body = &text[1..end];
    let character = match body.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        None => html_entities::named(body)?,
    };
    // Source: Lucene puts a plain blank for one that does not break.
    let character = if character == '\u{a0}' { ' ' } else { character };
    Some(Markup {
        length: end + 1,
        with: character.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str, escaped: &[&str]) -> String {
        let escaped: Vec<String> = escaped.iter().map(|name| (*name).to_owned()).collect();
        let mut missing = Missing::default();
        let (mut stripped, mut at) = (String::new(), 0);
        while let Some(character) = text[at..].chars().next() {
            match markup(&text[at..], &escaped, &mut missing) {
                Some(found) => {
                    stripped.push_str(&found.with);
                    at += found.length;
                }
                None => {
                    stripped.push(character);
                    at += character.len_utf8();
                }
            }
        }
        stripped
    }

    #[test]
    fn markup_goes_and_text_stays() {
        for (text, expected) in [
            ("<p>I&apos;m so <b>happy</b>!</p>", "\nI'm so happy!\n"),
            ("a<br/>b<BR>c", "a\nb\nc"),
            ("<a href=\"x>y\" title='<'>link</a>", "link"),
            ("x <!-- a <b> comment --> y", "x  y"),
            ("<!DOCTYPE html><?xml version=\"1.0\"?>z", "z"),
            ("<![CDATA[a < b]]>", "a < b"),
            (
                "<script type=\"x\">if (a < b) {}</SCRIPT>d<style>p {}</style>",
                "\nd\n",
            ),
            ("&lt;&amp;&#65;&#x42;&eacute;&nbsp;&Eacute;", "<&ABé É"),
            (
                "a < b > c & d &none; &; &#; 3<4",
                "a < b > c & d &none; &; &#; 3<4",
            ),
            ("<b unfinished", "<b unfinished"),
            ("<b <i>x</i>", "<b x"),
            ("<!-- no end", "<!-- no end"),
            ("<xyz-1>x</xyz-1>", "\nx\n"),
            ("<>é<é>", "<>é<é>"),
        ] {
            assert_eq!(strip(text, &[]), expected, "{text}");
        }
        assert_eq!(strip("<p>a <B>c</b></p>", &["b"]), "\na <B>c</b>\n");
    }

    #[test]
    fn markup_without_an_end_is_looked_for_once() {
        let many =
            "<!--".repeat(200_000) + &"<!1".repeat(200_000) + &"<a ".repeat(200_000) + &"&".repeat(200_000);
        assert_eq!(strip(&many, &[]), many);
        let ended = many.clone() + "<b>";
        assert_eq!(strip(&ended, &[]), many);
    }
}
