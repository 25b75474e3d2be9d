//! A part of a text with its matches marked.

use super::matcher::Match;
use super::measured::{Measured, encode_html};
use super::options::Options;

/// A part of a text that may be shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snippet {
    pub(super) text: String,
    pub(super) score: f32,
}

/// The text from `start` to `end`, in characters, with tags around the matches, which are ordered. Matches that overlap are one.
pub(super) fn mark(
    text: &Measured<'_>,
    start: usize,
    end: usize,
    matches: &[Match],
    options: &Options,
) -> String {
    let mut marked = String::new();
    let push = |marked: &mut String, start: usize, end: usize| {
        let part = text.slice(start, end);
        match options.html {
            true => marked.push_str(&encode_html(part)),
            false => marked.push_str(part),
        }
    };
    let mut at = start;
    let mut matches = matches.iter().peekable();
    while let Some(first) = matches.next() {
        let (from, mut to) = (first.start.max(at), first.end);
        while let Some(next) = matches.next_if(|next| next.start < to) {
            to = to.max(next.end);
        }
        if to <= at {
            continue;
        }
        push(&mut marked, at, from);
        marked.push_str(&options.pre_tag);
        push(&mut marked, from, to);
        marked.push_str(&options.post_tag);
        at = to;
    }
    push(&mut marked, at, end.max(at));
    marked
}

/// The best of the snippets, in the order of the text, or by score.
pub(super) fn select(mut snippets: Vec<Snippet>, most: usize, by_score: bool) -> Vec<String> {
    let mut order: Vec<usize> = (0..snippets.len()).collect();
    order.sort_by(|left, right| {
        snippets[*right]
            .score
            .total_cmp(&snippets[*left].score)
            .then(left.cmp(right))
    });
    order.truncate(most);
    if !by_score {
        order.sort_unstable();
    }
    order
        .into_iter()
        .map(|place| std::mem::take(&mut snippets[place].text))
        .collect()
}
