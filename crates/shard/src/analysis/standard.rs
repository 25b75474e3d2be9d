//! The `standard` tokenizer: Unicode word boundaries.
//!
//! Source: Elasticsearch's standard tokenizer follows UAX #29: letters, digits and underscores form words; an apostrophe, full stop, colon or middle dot
//! between letters, and a full stop, comma, semicolon or apostrophe between digits, do not split them; every Han or Hiragana character is a word of its
//! own; words longer than `max_token_length` are split.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct StandardTokenizer {
    /// In characters.
    max_token_length: usize,
    /// Puts tokens in lower case on the way, as nearly every chain does right behind it.
    lowercase: bool,
    token: Token,
}

/// The tokens of one text.
#[derive(Debug)]
pub(super) struct StandardTokenStream<'a> {
    text: &'a str,
    offset: usize,
    max_token_length: usize,
    lowercase: bool,
    token: &'a mut Token,
}

impl StandardTokenizer {
    pub(super) fn new(max_token_length: usize, lowercase: bool) -> Self {
        Self {
            max_token_length,
            lowercase,
            token: Token::default(),
        }
    }
}

impl Tokenizer for StandardTokenizer {
    type TokenStream<'a> = StandardTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> StandardTokenStream<'a> {
        self.token.reset();
        StandardTokenStream {
            text,
            offset: 0,
            max_token_length: self.max_token_length,
            lowercase: self.lowercase,
            token: &mut self.token,
        }
    }
}

impl TokenStream for StandardTokenStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((start, end)) = next_word(self.text, self.offset, self.max_token_length) else {
            return false;
        };
        self.offset = end;
        let word = &self.text[start..end];
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = start;
        self.token.offset_to = end;
        self.token.text.clear();
        if !self.lowercase {
            self.token.text.push_str(word);
        } else if word.is_ascii() {
            self.token.text.push_str(word);
            self.token.text.make_ascii_lowercase();
        } else {
            self.token.text.extend(word.chars().flat_map(char::to_lowercase));
        }
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// Joins to letters and digits alike.
    Underscore,
    /// Continues whatever it follows: combining marks, joiners.
    Extend,
    Katakana,
    /// A word of its own.
    Single,
    Other,
}

fn class_of(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Digit,
        '_' | '\u{203f}' | '\u{2040}' => Class::Underscore,
        '\0'..='\x7f' => Class::Other,
        '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{20d0}'..='\u{20ff}' => {
            Class::Extend
        }
        '\u{3040}'..='\u{309f}' => Class::Single,
        '\u{30a0}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => Class::Katakana,
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3fffd}' => Class::Single,
        other if other.is_numeric() => Class::Digit,
        other if other.is_alphabetic() => Class::Letter,
        _ => Class::Other,
    }
}

/// Whether `middle` does not split between characters of these classes.
fn joins(before: Class, middle: char, after: Class) -> bool {
    let letters = before == Class::Letter && after == Class::Letter;
    let digits = before == Class::Digit && after == Class::Digit;
    match middle {
        '\'' | '.' | '\u{2018}' | '\u{2019}' | '\u{2024}' => letters || digits,
        ':' | '\u{b7}' | '\u{2027}' => letters,
        ',' | ';' => digits,
        _ => false,
    }
}

/// The type of a word that this tokenizer made. Source: the token types of Lucene's standard tokenizer.
pub(super) fn word_type(word: &str) -> &'static str {
    let mut numeric = false;
    let mut of_one_script = None;
    for character in word.chars() {
        let script = match character {
            '\u{3040}'..='\u{309f}' => "<HIRAGANA>",
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => "<HANGUL>",
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => "<SOUTHEAST_ASIAN>",
            other => match class_of(other) {
                Class::Single => "<IDEOGRAPHIC>",
                Class::Katakana => "<KATAKANA>",
                Class::Letter | Class::Underscore => return "<ALPHANUM>",
                Class::Digit => {
                    numeric = true;
                    continue;
                }
                Class::Extend | Class::Other => continue,
            },
        };
        match of_one_script {
            None => of_one_script = Some(script),
            Some(before) if before != script => return "<ALPHANUM>",
            Some(_) => {}
        }
    }
    match (of_one_script, numeric) {
        (Some(script), false) => script,
        (None, true) => "<NUM>",
        _ => "<ALPHANUM>",
    }
}

/// Byte range of the next word at or after `offset`.
fn next_word(text: &str, offset: usize, max_chars: usize) -> Option<(usize, usize)> {
    let starts_word = |class: Class| !matches!(class, Class::Other | Class::Extend);
    let (relative, first) = text[offset..]
        .char_indices()
        .find(|(_, character)| starts_word(class_of(*character)))?;
    let start = offset + relative;
    let first_class = class_of(first);
    let mut end = start + first.len_utf8();
    let mut last_class = first_class;
    let mut chars = 1;
    let mut rest = text[end..].chars();
    while chars < max_chars {
        let Some(character) = rest.next() else { break };
        let class = class_of(character);
        let continues = match (last_class, class) {
            (_, Class::Extend) => true,
            (Class::Single, _) | (_, Class::Single | Class::Other) => false,
            (Class::Katakana, other) | (other, Class::Katakana) => {
                matches!(other, Class::Katakana | Class::Underscore)
            }
            _ => true,
        };
        if continues {
            end += character.len_utf8();
            chars += 1;
            if class != Class::Extend {
                last_class = class;
            }
            continue;
        }
        let after = rest.clone().next().map(class_of);
        if !after.is_some_and(|after| joins(last_class, character, after)) || chars + 2 > max_chars {
            break;
        }
        end += character.len_utf8();
        chars += 1;
    }
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use tantivy::tokenizer::TextAnalyzer;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut analyzer = TextAnalyzer::from(StandardTokenizer::new(255, true));
        let mut stream = analyzer.token_stream(text);
        let mut read = Vec::new();
        while stream.advance() {
            assert_eq!(stream.token().position, read.len());
            read.push(stream.token().text.clone());
        }
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn words_split_as_elasticsearch_splits_them() {
        check(
            "The 2 QUICK Brown-Foxes jumped over the lazy dog's bone.",
            &[
                "the", "2", "quick", "brown", "foxes", "jumped", "over", "the", "lazy", "dog's", "bone",
            ],
        );
        check(
            "john.smith@example.com 1,234.5 a_b",
            &["john.smith", "example.com", "1,234.5", "a_b"],
        );
        check("héllo WÖRLD", &["héllo", "wörld"]);
        check("日本 カタカナ", &["日", "本", "カタカナ"]);
        check("... -- !", &[]);
        check("a.1 x:", &["a", "1", "x"]);
    }

    #[test]
    fn a_long_word_is_split() {
        let long = "x".repeat(600);
        check(&long, &[&long[..255], &long[..255], &long[..90]]);
    }
}
