//! The fragments of the unified highlighter: sentences, or several of them up to the size of a fragment.
//!
//! Source: how Lucene's unified highlighter cuts and scores passages, and Elasticsearch bounds their size.

use super::boundaries::{before, behind, sentences, word_before, word_behind};
use super::matcher::Match;
use super::measured::Measured;
use super::options::{Options, Scanner};
use super::snippet::{Snippet, mark};

/// The values of a field, one after the other.
pub(super) struct Value<'t> {
    pub(super) text: Measured<'t>,
    pub(super) matches: Vec<Match>,
}

/// Cuts a text at a match.
struct Cutter<'v, 't> {
    text: &'v Measured<'t>,
    sentences: Vec<usize>,
    scanner: Scanner,
    /// In characters; 0: whole sentences.
    most: usize,
    /// The sentences of the last fragment, which may be longer than it.
    window: (usize, usize),
    /// The end of the last fragment.
    end: usize,
}

impl Cutter<'_, '_> {
    /// Beginning and end of the fragment for a match that begins here.
    fn cut(&mut self, at: usize) -> (usize, usize) {
        if self.scanner == Scanner::Word {
            return (word_before(self.text, at + 1), word_behind(self.text, at));
        }
        if self.most == 0 {
            let end = behind(&self.sentences, at).unwrap_or(self.text.len());
            return (before(&self.sentences, at + 1), end);
        }
        let (mut start, mut end);
        if at + 1 > self.window.0 && at + 1 < self.window.1 {
            // The rest of what the last fragment was cut from.
            (start, end) = (self.end, self.window.1);
        } else {
            start = before(&self.sentences, at + 1);
            end = behind(&self.sentences, at).unwrap_or(self.text.len());
            // As many sentences as there is room for.
            while end - start < self.most {
                match behind(&self.sentences, end) {
                    Some(longer) if longer - start <= self.most => end = longer,
                    _ => break,
                }
            }
            self.window = (start, end);
        }
        if end - start > self.most {
            // Too long for a fragment: some of it on the left of the match, and what room is left on the right.
            let offset = at + 1;
            if offset > self.most && offset - self.most > start {
                start = start.max(word_before(self.text, offset - self.most));
            }
            let room = self.most.saturating_sub(offset - start.min(offset));
            if offset + room < self.window.1 {
                end = self.window.1.min(word_behind(self.text, offset + room));
            }
        }
        self.end = end;
        (start, end)
    }
}

/// The fragments with matches.
pub(super) fn passages(values: &[Value<'_>], options: &Options) -> Vec<Snippet> {
    let length = values
        .iter()
        .map(|value| value.text.len() + 1)
        .sum::<usize>()
        .saturating_sub(1);
    let mut frequencies = std::collections::HashMap::new();
    for found in values.iter().flat_map(|value| &value.matches) {
        *frequencies.entry(found.term).or_insert(0_usize) += 1;
    }
    let mut passages = Vec::new();
    let mut base = 0;
    for Value { text, matches } in values {
        let whole = options.number_of_fragments == 0;
        let mut cutter = Cutter {
            text,
            sentences: if matches.is_empty() || whole {
                Vec::new()
            } else {
                sentences(text)
            },
            scanner: options.scanner,
            most: options.fragment_size,
            window: (0, 0),
            end: 0,
        };
        let mut rest = matches.as_slice();
        while let Some(first) = rest.first() {
            let (start, end) = if whole {
                (0, text.len())
            } else {
                cutter.cut(first.start)
            };
            let count = rest.partition_point(|found| found.start < end).max(1);
            let (in_passage, others) = rest.split_at(count);
            rest = others;
            // A match may go on behind the end of its sentence.
            let end = in_passage.iter().map(|found| found.end).fold(end, usize::max);
            passages.push(Snippet {
                text: mark(text, start, end, in_passage, options).trim().to_owned(),
                score: score(in_passage, end - start, base + start, length, &frequencies),
            });
        }
        base += text.len() + 1;
    }
    passages
}

/// As BM25, with the text for the collection and the passages for its documents; the earlier ones count more.
fn score(
    matches: &[Match],
    length: usize,
    start: usize,
    text_length: usize,
    frequencies: &std::collections::HashMap<usize, usize>,
) -> f32 {
    const K1: f32 = 1.2;
    const B: f32 = 0.75;
    /// Length of an average passage.
    const PIVOT: f32 = 87.0;
    let mut terms: Vec<usize> = matches.iter().map(|found| found.term).collect();
    terms.sort_unstable();
    let sum: f32 = terms
        .chunk_by(|left, right| left == right)
        .map(|term| {
            let passages = 1.0 + text_length as f32 / PIVOT;
            let frequency = frequencies.get(&term[0]).copied().unwrap_or(1) as f32;
            let weight = (K1 + 1.0) * (1.0 + (passages + 0.5) / (frequency + 0.5)).ln();
            let count = term.len() as f32;
            let norm = K1 * ((1.0 - B) + B * (length as f32 / PIVOT));
            weight * count / (count + norm)
        })
        .sum();
    sum * (1.0 + 1.0 / (PIVOT + start as f32).ln())
}

/// What is shown of a text without matches.
pub(super) fn without_matches(text: &Measured<'_>, options: &Options) -> String {
    let end = match options.no_match_size {
        size if size < text.len() => word_behind(text, size),
        _ => text.len(),
    };
    mark(text, 0, end, &[], options).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::options::HighlightRequest;
    use super::super::snippet::select;
    use super::*;

    /// Matches are in brackets.
    fn highlight(texts: &[&str], options: Json) -> Vec<String> {
        let mut body = json!({"pre_tags": ["["], "post_tags": ["]"], "fields": {"f": {}}});
        body.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        let request = HighlightRequest::from_json(&body, None).unwrap();
        let options = &request.fields[0].options;
        let plain: Vec<String> = texts.iter().map(|text| text.replace(['[', ']'], "")).collect();
        let values: Vec<Value<'_>> = texts
            .iter()
            .zip(&plain)
            .map(|(text, plain)| Value {
                text: Measured::new(plain),
                matches: matches(text),
            })
            .collect();
        let most = match options.number_of_fragments {
            0 => usize::MAX,
            most => most,
        };
        select(passages(&values, options), most, options.by_score)
    }

    fn matches(text: &str) -> Vec<Match> {
        let (mut matches, mut at, mut start) = (Vec::new(), 0, 0);
        let mut words = Vec::new();
        let mut word = String::new();
        for character in text.chars() {
            match character {
                '[' => (start, word) = (at, String::new()),
                ']' => {
                    let term = words
                        .iter()
                        .position(|known| *known == word)
                        .unwrap_or(words.len());
                    words.push(word.clone());
                    matches.push(Match { start, end: at, term });
                }
                other => {
                    word.push(other);
                    at += 1;
                }
            }
        }
        matches
    }

    #[test]
    fn fragments_are_sentences() {
        let text = "The [quick] fox. It is not slow. A [quick] one jumps over the [dog]. The end.";
        for (options, expected) in [
            (
                json!({"fragment_size": 20}),
                vec!["The [quick] fox.", "A [quick] one jumps over", "the [dog]."],
            ),
            (
                json!({"fragment_size": 0}),
                vec!["The [quick] fox.", "A [quick] one jumps over the [dog]."],
            ),
            (
                json!({"fragment_size": 0, "number_of_fragments": 1}),
                vec!["A [quick] one jumps over the [dog]."],
            ),
            (json!({"number_of_fragments": 0}), vec![text]),
            (json!({}), vec![text]),
            (
                json!({"boundary_scanner": "word"}),
                vec!["[quick]", "[quick]", "[dog]"],
            ),
        ] {
            assert_eq!(highlight(&[text], options.clone()), expected, "{options}");
        }
        let by_score = highlight(&[text], json!({"fragment_size": 0, "order": "score"}));
        assert_eq!(
            by_score,
            ["A [quick] one jumps over the [dog].", "The [quick] fox."]
        );
    }

    #[test]
    fn fragments_do_not_cross_values() {
        let texts = ["one [a]", "nothing", "two [a] <b>"];
        assert_eq!(highlight(&texts, json!({})), ["one [a]", "two [a] <b>"]);
        let whole = highlight(&texts, json!({"number_of_fragments": 0, "encoder": "html"}));
        assert_eq!(whole, ["one [a]", "two [a] &lt;b&gt;"]);
        assert!(highlight(&["nothing"], json!({})).is_empty());
    }

    #[test]
    fn a_text_without_matches_shows_its_beginning() {
        let body = json!({"no_match_size": 7, "fields": {"f": {}}});
        let request = HighlightRequest::from_json(&body, None).unwrap();
        let options = &request.fields[0].options;
        assert_eq!(
            without_matches(&Measured::new("some words more"), options),
            "some words"
        );
        assert_eq!(without_matches(&Measured::new("some"), options), "some");
    }
}
