//! The formula.

use tantivy::Score;

/// Source: Elasticsearch's defaults of the similarity `BM25`.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// How rare a term is: the rarer, the more it says of a document.
///
/// `documents` have the field, `with_term` of them the term.
pub(super) fn idf(documents: u64, with_term: u64) -> f64 {
    let (documents, with_term) = (documents as f64, with_term as f64);
    (1.0 + (documents - with_term + 0.5).max(0.0) / (with_term + 0.5)).ln()
}

/// The formula for one term, or phrase, of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bm25 {
    idf: f64,
    average_length: f64,
}

impl Bm25 {
    /// `idf` of the term, or the sum of those of a phrase's terms; lengths of the field are `average_length` on average.
    pub(super) fn new(idf: f64, average_length: f64) -> Self {
        Self { idf, average_length }
    }

    /// Of a document that has the term `frequency` times in a field of `length` tokens.
    pub(super) fn score(&self, frequency: f64, length: u32, boost: Score) -> Score {
        let length = f64::from(told_apart(length));
        let norm = K1 * (1.0 - B + B * length / self.average_length);
        // Scores are 32-bit numbers, as in Lucene.
        (f64::from(boost) * self.idf * (K1 + 1.0) * frequency / (frequency + norm)) as Score
    }
}

/// The largest length that is not above `length` and that one byte can hold.
///
/// Source: Lucene's norms: lengths below 24 as they are; above, what they are more by the four highest bits.
fn told_apart(length: u32) -> u32 {
    const EXACT: u32 = 24;
    let Some(more) = length.checked_sub(EXACT) else {
        return length;
    };
    let dropped = (u32::BITS - more.leading_zeros()).saturating_sub(4);
    EXACT + ((more >> dropped) << dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_apart_as_by_one_byte() {
        for (length, expected) in [
            (0, 0),
            (1, 1),
            (23, 23),
            (24, 24),
            (39, 39),
            (40, 40),
            (41, 40),
            (42, 42),
            (56, 56),
            (59, 56),
            (60, 60),
            (1_000, 984),
            (u32::MAX, 4_026_531_864),
        ] {
            assert_eq!(told_apart(length), expected, "{length}");
        }
        let different: std::collections::BTreeSet<u32> = (0..2_000_000).map(told_apart).collect();
        assert!(different.len() < 256);
    }

    #[test]
    fn a_rare_term_often_in_a_short_text_scores_most() {
        // Computed by hand: ln(1 + 9.5 / 1.5) * 2.2 * 1 / (1 + 1.2 * (0.25 + 0.75 * 5 / 10)).
        let weight = Bm25::new(idf(10, 1), 10.0);
        assert!((weight.score(1.0, 5, 1.0) - 2.504_769_3).abs() < 1e-6);
        assert!(weight.score(2.0, 5, 1.0) > weight.score(1.0, 5, 1.0));
        assert!(weight.score(1.0, 20, 1.0) < weight.score(1.0, 5, 1.0));
        assert!(idf(10, 2) < idf(10, 1));
        assert!(idf(3, 3) > 0.0);
    }
}
