//! Documents that are ordered by their sequence number alone, as in every search that neither scores nor sorts. Those that are worth a closer look are
//! found a block at a time.

use tantivy::columnar::Column;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId};

use super::criterion::{Criterion, Key};
use super::values::{Values, seq_no_of_shard_doc};

/// See the module.
pub(super) struct BySeqNo {
    /// The first sequence number that is wanted.
    from: u64,
    seq_nos: Column<u64>,
    numbers: [Option<u64>; COLLECT_BLOCK_BUFFER_LEN],
}

impl BySeqNo {
    /// `None` where the order is another one. `all_score_alike` tells that relevance orders nothing.
    pub(super) fn new(
        criteria: &[Criterion],
        values: &[Values],
        after: Option<&[Key]>,
        all_score_alike: bool,
        seq_nos: &Column<u64>,
    ) -> Option<Self> {
        let ([criterion], [values]) = (criteria, values) else {
            return None;
        };
        let after = match after {
            None => None,
            Some([Key { rank: 1, bits }]) => Some(*bits),
            Some(_) => return None,
        };
        let before = match (values, after) {
            (Values::Score, None) if all_score_alike => None,
            (Values::SeqNo(_), after) if !criterion.descending => after,
            (Values::ShardDoc(_, position), after) if !criterion.descending => {
                after.and_then(|bits| seq_no_of_shard_doc(*position, bits))
            }
            _ => return None,
        };
        Some(Self {
            from: before.map_or(0, |seq_no| seq_no.saturating_add(1)),
            seq_nos: seq_nos.clone(),
            numbers: [None; COLLECT_BLOCK_BUFFER_LEN],
        })
    }

    /// The documents of a block that come after the last page and before `end`: a bit for each, the first document's is the lowest.
    ///
    /// # Panics
    /// If there are more documents than tantivy has in a block.
    pub(super) fn wanted(&mut self, docs: &[DocId], end: Option<u64>) -> u64 {
        let numbers = &mut self.numbers[..docs.len()];
        numbers.fill(None);
        self.seq_nos.first_vals(docs, numbers);
        let end = end.unwrap_or(u64::MAX);
        let mut wanted = 0;
        for (position, seq_no) in numbers.iter().enumerate() {
            let is_wanted = seq_no.is_some_and(|seq_no| self.from <= seq_no && seq_no < end);
            wanted |= u64::from(is_wanted) << position;
        }
        wanted
    }
}

const _: () = assert!(COLLECT_BLOCK_BUFFER_LEN <= u64::BITS as usize);
