//! Where words and sentences begin and end, in characters.
//!
//! Source: the rules of Unicode's text segmentation, as far as they matter for where a fragment is cut.

use super::measured::Measured;

/// The places at which sentences begin, and the end of the text.
pub(super) fn sentences(text: &Measured<'_>) -> Vec<usize> {
    let mut boundaries = vec![0];
    let mut characters = text.text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\u{2029}' {
            boundaries.push(at + 1);
            continue;
        }
        if !ends_sentence(character) {
            continue;
        }
        let mut is_full_stop = character == '.';
        let mut end = at + 1;
        while let Some((next, other)) = characters.next_if(|(_, other)| ends_sentence(*other)) {
            is_full_stop &= other == '.';
            end = next + 1;
        }
        while let Some((next, _)) = characters.next_if(|(_, other)| closes(*other)) {
            end = next + 1;
        }
        let begin = end;
        while let Some((next, _)) = characters.next_if(|(_, other)| other.is_whitespace()) {
            end = next + 1;
        }
        // A full stop within a word or before a small letter ends no sentence.
        let goes_on = characters.peek().is_some_and(|(_, next)| next.is_lowercase());
        if !is_full_stop || (end > begin && !goes_on) {
            boundaries.push(end);
        }
    }
    let length = text.len();
    if boundaries.last() != Some(&length) {
        boundaries.push(length);
    }
    boundaries
}

fn ends_sentence(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '?' | '\u{2026}' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}'
    )
}

fn closes(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | ')' | ']' | '}' | '\u{2019}' | '\u{201d}' | '\u{bb}'
    )
}

/// The last of `boundaries` before `offset`; 0 if there is none.
pub(super) fn before(boundaries: &[usize], offset: usize) -> usize {
    let after = boundaries.partition_point(|boundary| *boundary < offset);
    after.checked_sub(1).map_or(0, |place| boundaries[place])
}

/// The first of `boundaries` behind `offset`; `None` behind the last.
pub(super) fn behind(boundaries: &[usize], offset: usize) -> Option<usize> {
    boundaries
        .get(boundaries.partition_point(|boundary| *boundary <= offset))
        .copied()
}

/// The last place before `offset` at which a word begins or ends.
pub(super) fn word_before(text: &Measured<'_>, offset: usize) -> usize {
    let mut at = offset.min(text.len() + 1).saturating_sub(1);
    while at > 0 && !is_word_boundary(text, at) {
        at -= 1;
    }
    at
}

/// The first place behind `offset` at which a word begins or ends.
pub(super) fn word_behind(text: &Measured<'_>, offset: usize) -> usize {
    let mut at = offset.saturating_add(1).min(text.len());
    while at < text.len() && !is_word_boundary(text, at) {
        at += 1;
    }
    at
}

fn is_word_boundary(text: &Measured<'_>, at: usize) -> bool {
    let get = |at: Option<usize>| at.and_then(|at| text.char_at(at));
    let (Some(left), Some(right)) = (get(at.checked_sub(1)), get(Some(at))) else {
        return true;
    };
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    match (in_word(left), in_word(right)) {
        (true, true) => false,
        (false, false) => !(left.is_whitespace() && right.is_whitespace()),
        // An apostrophe or a full stop between two letters is in their word.
        (true, false) => !(joins(right) && get(Some(at + 1)).is_some_and(in_word)),
        (false, true) => !(joins(left) && get(at.checked_sub(2)).is_some_and(in_word)),
    }
}

fn joins(character: char) -> bool {
    matches!(character, '\'' | '\u{2019}' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_they_should() {
        for (text, expected) in [
            ("", vec![""; 0]),
            ("One. Two", vec!["One. ", "Two"]),
            ("One! Two? Three.", vec!["One! ", "Two? ", "Three."]),
            (
                "See e.g. this. Version 3.14 is out.",
                vec!["See e.g. this. ", "Version 3.14 is out."],
            ),
            (
                "He said \"Go.\" Then (he) went... Äh",
                vec!["He said \"Go.\" ", "Then (he) went... ", "Äh"],
            ),
            ("no end", vec!["no end"]),
        ] {
            let measured = Measured::new(text);
            let boundaries = sentences(&measured);
            let read: Vec<&str> = boundaries
                .windows(2)
                .map(|pair| measured.slice(pair[0], pair[1]))
                .collect();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn neighbours_are_found() {
        let boundaries = [0, 5, 9];
        assert_eq!(
            [0, 1, 5, 6, 99].map(|offset| before(&boundaries, offset)),
            [0, 0, 0, 5, 9]
        );
        assert_eq!(
            [0, 4, 5, 9].map(|offset| behind(&boundaries, offset)),
            [Some(5), Some(5), Some(9), None]
        );
        let text = Measured::new("It's 2.5  über");
        let after: Vec<usize> = [0, 4, 5, 8, 10, 13, 99]
            .map(|offset| word_behind(&text, offset))
            .to_vec();
        assert_eq!(after, [4, 5, 8, 10, 14, 14, 14]);
        assert_eq!(
            [0, 3, 5, 9, 14].map(|offset| word_before(&text, offset)),
            [0, 0, 4, 8, 10]
        );
    }
}
