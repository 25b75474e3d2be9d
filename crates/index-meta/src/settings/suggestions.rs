//! What somebody may have meant.

/// Known keys that a user may have meant by `key`, the most alike first. Groups are no suggestion.
pub(super) fn suggestions(key: &str, known: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut scored: Vec<(usize, &'static str)> = known
        .filter(|candidate| !candidate.contains('*'))
        .map(|candidate| (distance(key, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 5 <= candidate.len())
        .collect();
    scored.sort_unstable();
    scored
        .into_iter()
        .take(3)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Levenshtein distance; keys too long to be a misspelling are not compared.
fn distance(left: &str, right: &str) -> usize {
    if left.len() > 200 {
        return usize::MAX / 5;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (position, byte) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = position + 1;
        for (column, other) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
