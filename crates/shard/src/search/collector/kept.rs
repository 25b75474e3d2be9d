//! The hits of a segment that are kept while it is searched.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use tantivy::DocId;

use super::criterion::Key;

/// A kept hit; the worst is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) keys: Vec<Key>,
    pub(super) seq_no: u64,
    pub(super) doc: DocId,
    pub(super) score_bits: u32,
}

/// The best hits, or the best of each group.
#[derive(Debug)]
pub(super) enum Kept {
    Best(BinaryHeap<Entry>),
    Groups(Groups),
}

/// The best hit of each group, for the groups whose best hits are the best. A group that was dropped comes back with a better hit only.
#[derive(Debug, Default)]
pub(super) struct Groups {
    entries: BTreeMap<Entry, Option<u64>>,
    /// By the group's value.
    best: HashMap<Option<u64>, Entry>,
}

impl Kept {
    pub(super) fn new(collapses: bool) -> Self {
        if collapses {
            Self::Groups(Groups::default())
        } else {
            Self::Best(BinaryHeap::new())
        }
    }

    /// The hit that a better one would replace, whatever group it is of; `None` where that depends on the group, or while there are fewer than `most`.
    pub(super) fn worst(&self, most: usize) -> Option<&Entry> {
        match self {
            Self::Best(heap) if heap.len() >= most => heap.peek(),
            Self::Best(_) | Self::Groups(_) => None,
        }
    }

    /// Whether a hit would be kept among `most`.
    pub(super) fn wants(&self, keys: &[Key], seq_no: u64, group: Option<u64>, most: usize) -> bool {
        let is_better = |entry: &Entry| (keys, seq_no) < (entry.keys.as_slice(), entry.seq_no);
        match self {
            Self::Best(_) => self.worst(most).is_none_or(is_better),
            Self::Groups(groups) => match groups.best.get(&group) {
                Some(best) => is_better(best),
                None if groups.entries.len() < most => true,
                None => groups
                    .entries
                    .last_key_value()
                    .is_some_and(|(worst, _)| is_better(worst)),
            },
        }
    }

    /// Keeps a hit that is wanted, instead of the worst if there are `most` already.
    pub(super) fn add(&mut self, entry: Entry, group: Option<u64>, most: usize) {
        match self {
            Self::Best(heap) => {
                if heap.len() >= most {
                    heap.pop();
                }
                heap.push(entry);
            }
            Self::Groups(groups) => {
                if let Some(before) = groups.best.insert(group, entry.clone()) {
                    groups.entries.remove(&before);
                } else if groups.entries.len() >= most
                    && let Some((_, dropped)) = groups.entries.pop_last()
                {
                    groups.best.remove(&dropped);
                }
                groups.entries.insert(entry, group);
            }
        }
    }

    pub(super) fn entries(&self) -> Vec<&Entry> {
        match self {
            Self::Best(heap) => heap.iter().collect(),
            Self::Groups(groups) => groups.entries.keys().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(collapses: bool, most: usize, hits: &[(u64, u64)]) -> Vec<u64> {
        let mut kept = Kept::new(collapses);
        for (seq_no, (rank, group)) in hits.iter().enumerate() {
            let keys = vec![Key { rank: 1, bits: *rank }];
            let seq_no = seq_no as u64;
            if kept.wants(&keys, seq_no, Some(*group), most) {
                let entry = Entry {
                    keys,
                    seq_no,
                    doc: 0,
                    score_bits: 0,
                };
                kept.add(entry, Some(*group), most);
            }
        }
        let mut seq_nos: Vec<u64> = kept.entries().iter().map(|entry| entry.seq_no).collect();
        seq_nos.sort_unstable();
        seq_nos
    }

    #[test]
    fn the_best_hits_or_groups_are_kept() {
        let hits = [(5, 1), (3, 1), (4, 2), (9, 3), (1, 3), (3, 2), (3, 1)];
        assert_eq!(keep(false, 3, &hits), [1, 4, 5]);
        assert_eq!(keep(true, 9, &hits), [1, 4, 5]);
        assert_eq!(keep(true, 2, &hits), [1, 4]);
        assert_eq!(keep(true, 1, &hits), [4]);
        // The third group is dropped with its first hit, and comes back with its second.
        assert_eq!(keep(true, 1, &[(1, 1), (2, 2), (0, 2)]), [2]);
    }
}
