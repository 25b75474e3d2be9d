//! A text measured in characters.

use std::borrow::Cow;

/// See the module. Elasticsearch measures in UTF-16 units, which are the same but for rare characters.
#[derive(Debug)]
pub(super) struct Measured<'t> {
    pub(super) text: &'t str,
    /// The byte at which each character begins; `None` for a text where these are the same.
    starts: Option<Vec<u32>>,
}

impl<'t> Measured<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts = (!text.is_ascii()).then(|| {
            // A document, and so its text, is shorter than 4 GiB by far.
            text.char_indices()
                .map(|(start, _)| u32::try_from(start).unwrap_or(u32::MAX))
                .collect()
        });
        Self { text, starts }
    }

    /// In characters.
    pub(super) fn len(&self) -> usize {
        self.starts.as_ref().map_or(self.text.len(), Vec::len)
    }

    /// The character that a byte belongs to. Character filters may shift an offset into a character; it is its beginning then.
    pub(super) fn character_of(&self, byte: usize) -> usize {
        match &self.starts {
            None => byte.min(self.text.len()),
            Some(_) if byte >= self.text.len() => self.len(),
            Some(starts) => starts
                .partition_point(|start| *start as usize <= byte)
                .saturating_sub(1),
        }
    }

    /// Where the character begins in bytes; the length behind the last one.
    pub(super) fn byte_of(&self, character: usize) -> usize {
        match &self.starts {
            None => character.min(self.text.len()),
            Some(starts) => starts
                .get(character)
                .map_or(self.text.len(), |start| *start as usize),
        }
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'t str {
        let (start, end) = (self.byte_of(start), self.byte_of(end));
        self.text.get(start..end.max(start)).unwrap_or_default()
    }

    pub(super) fn char_at(&self, character: usize) -> Option<char> {
        self.text.get(self.byte_of(character)..)?.chars().next()
    }
}

/// A text that is safe in HTML. Source: what Elasticsearch's encoder replaces.
pub(super) fn encode_html(text: &str) -> Cow<'_, str> {
    if !text.contains(['"', '&', '<', '>', '\'', '/']) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '"' => encoded.push_str("&quot;"),
            '&' => encoded.push_str("&amp;"),
            '<' => encoded.push_str("&lt;"),
            '>' => encoded.push_str("&gt;"),
            '\'' => encoded.push_str("&#x27;"),
            '/' => encoded.push_str("&#x2F;"),
            other => encoded.push(other),
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted() {
        let text = Measured::new("aäö b");
        assert_eq!(
            (text.len(), text.slice(1, 3), text.char_at(2)),
            (5, "äö", Some('ö'))
        );
        assert_eq!(
            [0, 1, 2, 3, 5, 7, 99].map(|byte| text.character_of(byte)),
            [0, 1, 1, 2, 3, 5, 5]
        );
        let text = Measured::new("ab");
        assert_eq!(
            (text.len(), text.slice(1, 9), text.char_at(2), text.byte_of(1)),
            (2, "b", None, 1)
        );
    }

    #[test]
    fn html_is_made_safe() {
        assert_eq!(
            encode_html(r#"<a href="x">'&/"#),
            "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;&#x2F;"
        );
        assert!(matches!(encode_html("plain"), Cow::Borrowed("plain")));
    }
}
