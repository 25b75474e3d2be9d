//! Which segments to rewrite next: pure, so that it can be tested by tables.

use std::ops::Range;

/// A run of this many neighbours that are small is merged, dead operations or not: each segment costs an open file.
const SMALL_RUN: usize = 8;
/// A segment with less content than this share of a full one is small.
const SMALL_DIVISOR: u64 = 16;

/// What the choice depends on, for one sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentFacts {
    /// How many operations it holds.
    pub(super) count: u64,
    /// How many of them may go: dead and below the minimum retained seq_no, without those that the last rewrite had to keep.
    pub(super) removable: u64,
    pub(super) content_length: u64,
    pub(super) compressed: bool,
    /// How many seq_nos it stands for.
    pub(super) span: u64,
}

impl SegmentFacts {
    /// Bytes of content that a rewrite leaves, about.
    const fn content_left(&self) -> u64 {
        let left = self.count.saturating_sub(self.removable) as u128;
        if self.count == 0 {
            0
        } else {
            (self.content_length as u128 * left / self.count as u128) as u64
        }
    }
}

/// Why a rewrite is done now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Policy {
    /// A segment is rewritten when at least this share of its operations may go, from 0 to 1; 0: when any may go.
    pub(super) garbage_ratio: f64,
    /// Content of a full segment; what a rewrite makes is not longer.
    pub(super) segment_bytes: u64,
}

impl Policy {
    /// The neighbours to rewrite into one, the oldest that need it first: what was removed there lets later segments remove more.
    pub(super) fn choose(&self, segments: &[SegmentFacts]) -> Option<Range<usize>> {
        let needed = (0..segments.len()).find(|place| self.needs_rewrite(&segments[*place]));
        match needed {
            Some(place) => Some(self.extend(segments, place)),
            None => self.small_run(segments),
        }
    }

    fn needs_rewrite(&self, segment: &SegmentFacts) -> bool {
        let enough = segment.removable as f64 >= self.garbage_ratio * segment.count as f64;
        !segment.compressed || segment.removable > 0 && enough
    }

    /// Takes neighbours in as long as the result is no more than a full segment, if they need a rewrite themselves or are not full any more.
    fn extend(&self, segments: &[SegmentFacts], place: usize) -> Range<usize> {
        let mut total = Total::of(&segments[place]);
        let worth = |segment: &SegmentFacts| {
            self.needs_rewrite(segment) || segment.content_left() < self.segment_bytes / 2
        };
        let mut end = place + 1;
        while let Some(next) = segments.get(end).filter(|next| worth(next)) {
            if !total.take(next, self.segment_bytes) {
                break;
            }
            end += 1;
        }
        let mut start = place;
        while let Some(before) = start.checked_sub(1).map(|before| &segments[before]) {
            if !worth(before) || !total.take(before, self.segment_bytes) {
                break;
            }
            start -= 1;
        }
        start..end
    }

    fn small_run(&self, segments: &[SegmentFacts]) -> Option<Range<usize>> {
        let small = |segment: &SegmentFacts| segment.content_length < self.segment_bytes / SMALL_DIVISOR;
        let mut start = 0;
        while start < segments.len() {
            let mut total = Total::default();
            let mut end = start;
            while segments
                .get(end)
                .is_some_and(|segment| small(segment) && total.take(segment, self.segment_bytes))
            {
                end += 1;
            }
            if end - start >= SMALL_RUN {
                return Some(start..end);
            }
            start = end.max(start + 1);
        }
        None
    }
}

/// What a run adds up to.
#[derive(Debug, Default, Clone, Copy)]
struct Total {
    content: u64,
    span: u64,
}

impl Total {
    const fn of(segment: &SegmentFacts) -> Self {
        Self {
            content: segment.content_left(),
            span: segment.span,
        }
    }

    /// Adds a segment if the sum still fits one segment.
    const fn take(&mut self, segment: &SegmentFacts, most: u64) -> bool {
        let content = self.content + segment.content_left();
        let span = self.span + segment.span;
        let fits = content <= most && span <= u32::MAX as u64;
        if fits {
            *self = Self { content, span };
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 1_000;

    fn segment(content_length: u64, removable_percent: u64, compressed: bool) -> SegmentFacts {
        SegmentFacts {
            count: 100,
            removable: removable_percent,
            content_length,
            compressed,
            span: 100,
        }
    }

    fn check(garbage_ratio: f64, segments: &[SegmentFacts], expected: Option<Range<usize>>) {
        let policy = Policy {
            garbage_ratio,
            segment_bytes: FULL,
        };
        assert_eq!(policy.choose(segments), expected, "{segments:?}");
    }

    #[test]
    fn what_is_compressed_and_has_little_garbage_is_left_alone() {
        check(0.3, &[], None);
        check(0.3, &[segment(FULL, 0, true), segment(FULL, 29, true)], None);
        check(0.0, &[segment(FULL, 0, true)], None);
    }

    #[test]
    fn a_plain_segment_is_compressed_once_and_alone_when_it_is_full() {
        check(
            0.3,
            &[
                segment(FULL, 0, true),
                segment(FULL, 0, false),
                segment(FULL, 0, true),
            ],
            Some(1..2),
        );
    }

    #[test]
    fn garbage_above_the_ratio_is_rewritten_oldest_first() {
        let segments = [
            segment(FULL, 10, true),
            segment(FULL, 30, true),
            segment(FULL, 90, true),
        ];
        check(0.3, &segments, Some(1..3));
        check(0.0, &segments, Some(0..1));
        check(0.5, &segments, Some(2..3));
    }

    #[test]
    fn neighbours_join_as_far_as_one_segment_holds_them() {
        let small = segment(200, 0, true);
        check(
            0.3,
            &[small, small, segment(FULL, 60, true), small, small],
            Some(1..5),
        );
        check(0.3, &[segment(FULL, 90, true); 30], Some(0..10));
        check(0.3, &[segment(FULL, 100, true); 30], Some(0..30));
    }

    #[test]
    fn a_segment_never_stands_for_more_seq_nos_than_an_entry_can_count() {
        let wide = SegmentFacts {
            count: 0,
            removable: 0,
            content_length: 0,
            compressed: true,
            span: u64::from(u32::MAX) / 4,
        };
        check(0.3, &[wide; 20], None);
        check(
            0.3,
            &[SegmentFacts {
                span: 1 << 20,
                ..wide
            }; 20],
            Some(0..20),
        );
    }

    #[test]
    fn many_small_segments_are_merged() {
        let small = segment(FULL / 17, 0, true);
        check(0.3, &[small; 7], None);
        check(
            0.3,
            &[
                segment(FULL, 0, true),
                small,
                small,
                small,
                small,
                small,
                small,
                small,
                small,
            ],
            Some(1..9),
        );
    }
}
