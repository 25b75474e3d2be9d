//! Phrases in a text.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// A word of the text that is a word of a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) position: usize,
    /// In characters.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One word of a phrase, or several in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Where it stands in the phrase.
    pub(super) offset: usize,
    pub(super) words: HashSet<String>,
    /// Whether a word of the text may go on.
    pub(super) is_prefix: bool,
}

impl Place {
    pub(super) fn takes(&self, term: &str) -> bool {
        self.words.contains(term)
            || (self.is_prefix && self.words.iter().any(|word| term.starts_with(word.as_str())))
    }
}

/// Words of a text that are looked at for phrases, those of each one that may be counted. It bounds the time and the memory of a text that says the
/// same over and over.
pub(super) const MAX_OCCURRENCES: usize = 1_000_000;

/// Words one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) places: Vec<Place>,
    /// So far the words may be from where they should be.
    pub(super) slop: u32,
}

impl Phrase {
    /// The phrases in a text, each as the occurrences of its words by place. `found`: by place, in the order of the text.
    pub(super) fn find(&self, found: &[Vec<Occurrence>]) -> Vec<Vec<Occurrence>> {
        let mut phrases = Vec::new();
        let mut work = 0;
        if found.is_empty() || found.iter().any(Vec::is_empty) {
            return phrases;
        }
        // Where the phrase would begin by the word at this place: words that agree are a phrase.
        let beginning = |place: usize, at: usize| {
            let offset = self.places.get(place).map_or(0, |place| place.offset);
            found[place][at].position as i64 - offset as i64
        };
        let mut at = vec![0; found.len()];
        let mut open: BinaryHeap<_> = (0..found.len())
            .map(|place| Reverse((beginning(place, 0), place)))
            .collect();
        let mut last = (0..found.len())
            .map(|place| beginning(place, 0))
            .max()
            .unwrap_or(0);
        while let Some(Reverse((first, place))) = open.pop() {
            if work > MAX_OCCURRENCES {
                break;
            }
            if last - first <= i64::from(self.slop) {
                work += found.len();
                let words: Vec<_> = at.iter().zip(found).map(|(at, found)| found[*at]).collect();
                let positions: HashSet<usize> = words.iter().map(|word| word.position).collect();
                // A word of the text is one word of the phrase.
                if positions.len() == words.len() {
                    phrases.push(words);
                }
            }
            at[place] += 1;
            if at[place] == found[place].len() {
                break;
            }
            let next = beginning(place, at[place]);
            last = last.max(next);
            open.push(Reverse((next, place)));
        }
        phrases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds a phrase of words in a text of words, and answers the positions.
    fn find(phrase: &str, slop: u32, text: &str) -> Vec<Vec<usize>> {
        let places: Vec<Place> = phrase
            .split(' ')
            .enumerate()
            .map(|(offset, word)| Place {
                offset,
                words: HashSet::from([word.trim_end_matches('*').to_owned()]),
                is_prefix: word.ends_with('*'),
            })
            .collect();
        let occurrences = |place: &Place| {
            let words = text.split(' ').enumerate().filter(|(_, word)| place.takes(word));
            words
                .map(|(position, _)| Occurrence {
                    position,
                    start: position,
                    end: position + 1,
                })
                .collect()
        };
        let found: Vec<Vec<Occurrence>> = places.iter().map(occurrences).collect();
        let found = Phrase { places, slop }.find(&found);
        found
            .iter()
            .map(|words| words.iter().map(|word| word.position).collect())
            .collect()
    }

    #[test]
    fn phrases_are_found_where_their_words_follow_each_other() {
        let none: Vec<Vec<usize>> = Vec::new();
        for (phrase, slop, text, expected) in [
            ("a b", 0, "a b c a x b a b", vec![vec![0, 1], vec![6, 7]]),
            ("a b", 1, "a x b", vec![vec![0, 2]]),
            ("a b", 0, "a x b", none.clone()),
            ("a b", 1, "b a", none.clone()),
            ("a b", 2, "b a", vec![vec![1, 0]]),
            ("a a", 0, "a b a a", vec![vec![2, 3]]),
            // One word of the text is not two of the phrase.
            ("a a", 1, "a b", none.clone()),
            ("a b*", 0, "a bcd", vec![vec![0, 1]]),
            ("a b", 0, "a", none),
        ] {
            assert_eq!(find(phrase, slop, text), expected, "{phrase} ~{slop} in {text}");
        }
    }
}
