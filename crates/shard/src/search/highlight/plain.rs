//! The fragments of the plain highlighter: parts of about the same length, cut between words.
//!
//! Source: how Lucene's highlighter and its two fragmenters cut a text.

use std::collections::HashSet;

use super::matcher::FoundIn;
use super::measured::Measured;
use super::options::Options;
use super::snippet::{Snippet, mark};

/// The fragments of a value that have matches.
pub(super) fn fragments(text: &Measured<'_>, found: &FoundIn, options: &Options) -> Vec<Snippet> {
    let bounds = match options.number_of_fragments {
        0 => vec![0, text.len()],
        _ => cut(text.len(), found, options),
    };
    let mut rest = found.matches.as_slice();
    let mut fragments = Vec::new();
    for pair in bounds.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let (matches, others) = rest.split_at(rest.partition_point(|found| found.start < end));
        rest = others;
        let terms: HashSet<usize> = matches.iter().map(|found| found.term).collect();
        if !terms.is_empty() {
            fragments.push(Snippet {
                text: mark(text, start, end, matches, options),
                score: terms.len() as f32,
            });
        }
    }
    fragments
}

/// Where fragments begin, and the end of the text.
fn cut(length: usize, found: &FoundIn, options: &Options) -> Vec<usize> {
    let phrases = Phrases::of(&found.phrases);
    let mut bounds = vec![0];
    let mut last_end = 0;
    for (start, end) in &found.tokens {
        let is_full = *end >= options.fragment_size.saturating_mul(bounds.len());
        // A token over the last one is in its fragment.
        let is_apart = *start >= last_end && last_end > 0;
        let is_good = || {
            let rest = length.saturating_sub(*end);
            options.simple_fragmenter || (rest >= options.fragment_size / 2 && !phrases.part(*start))
        };
        if is_full && is_apart && is_good() {
            bounds.push(last_end);
        }
        last_end = last_end.max(*end);
    }
    bounds.push(length);
    bounds
}

/// Where phrases begin, in order, each with the end of the longest up to it.
struct Phrases(Vec<(usize, usize)>);

impl Phrases {
    fn of(phrases: &[(usize, usize)]) -> Self {
        let mut phrases = phrases.to_vec();
        phrases.sort_unstable();
        let mut longest = 0;
        for (_, end) in &mut phrases {
            longest = longest.max(*end);
            *end = longest;
        }
        Self(phrases)
    }

    /// Whether a cut here goes through a phrase.
    fn part(&self, at: usize) -> bool {
        let before = self.0.partition_point(|(start, _)| *start < at);
        before > 0 && self.0[before - 1].1 > at
    }
}

/// What is shown of a text without matches: whole words.
pub(super) fn without_matches(text: &Measured<'_>, found: &FoundIn, options: &Options) -> String {
    let fits = found
        .tokens
        .iter()
        .map(|(_, end)| *end)
        .take_while(|end| *end <= options.no_match_size);
    let end = match (fits.last(), found.tokens.first()) {
        (Some(end), _) => end,
        // The first word is longer than what may be shown.
        (None, Some((start, _))) => *start,
        (None, None) => 0,
    };
    mark(text, 0, end, &[], options)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::matcher::Match;
    use super::super::options::HighlightRequest;
    use super::*;

    #[test]
    fn fragments_have_about_the_same_length() {
        let text = "some message with the number 1 in it, and the number 2";
        let mut found = FoundIn::default();
        let mut at = 0;
        for word in text.split(' ') {
            let token = (at, at + word.trim_end_matches(',').len());
            found.tokens.push(token);
            if word == "number" {
                found.matches.push(Match {
                    start: token.0,
                    end: token.1,
                    term: 1,
                });
                found.phrases.push((token.0, token.1 + 2));
            }
            at += word.len() + 1;
        }
        let measured = Measured::new(text);
        let read = |options: serde_json::Value| {
            let request = HighlightRequest::from_json(&json!({"fields": {"f": options}}), None).unwrap();
            let fragments = fragments(&measured, &found, &request.fields[0].options);
            fragments
                .into_iter()
                .map(|fragment| fragment.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read(json!({"fragment_size": 15, "fragmenter": "simple"})),
            [" with the <em>number</em>", " the <em>number</em> 2"]
        );
        assert_eq!(
            read(json!({"fragment_size": 15})),
            [" with the <em>number</em> 1", " the <em>number</em> 2"]
        );
        assert_eq!(read(json!({"number_of_fragments": 0})).len(), 1);
    }
}
