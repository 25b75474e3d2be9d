//! Puts the hits of several shard copies in one order.

use std::cmp::Ordering;

use crate::search::collapse::firsts;
use crate::search::hits::{MergedHit, MergedHits, ShardHit, ShardHits, SortValue, TotalRelation};
use crate::search::request::{SearchRequest, TrackTotalHits};
use crate::search::sort::{SortClause, SortMissing, SortOrder};
use crate::view::ip_term;

/// The page that `request` asks for, out of the best hits of every shard.
///
/// The order is total and does not depend on timing: equal hits are ordered by the shard's position, then by sequence number.
#[must_use]
pub fn merge_top_hits(request: &SearchRequest, shards: Vec<ShardHits>) -> MergedHits {
    let mut total = Some(0_u64);
    let mut total_relation = TotalRelation::Equal;
    let mut max_score: Option<f32> = None;
    let mut terminated_early = None;
    let mut timed_out = false;
    let mut all = Vec::new();
    for (shard, hits) in shards.into_iter().enumerate() {
        total = total.zip(hits.total).map(|(sum, more)| sum + more);
        if hits.total_relation == TotalRelation::GreaterOrEqual {
            total_relation = TotalRelation::GreaterOrEqual;
        }
        terminated_early = terminated_early.max(hits.terminated_early);
        timed_out |= hits.timed_out;
        max_score = match (max_score, hits.max_score) {
            (Some(left), Some(right)) => Some(left.max(right)),
            (left, right) => left.or(right),
        };
        all.extend(hits.hits.into_iter().map(|hit| MergedHit { shard, hit }));
    }
    if let (TrackTotalHits::UpTo(limit), Some(sum)) = (request.track_total_hits, total)
        && sum > limit
    {
        (total, total_relation) = (Some(limit), TotalRelation::GreaterOrEqual);
    }
    all.sort_by(|left, right| {
        compare_hits(&request.sort, &left.hit, &right.hit)
            .then(left.shard.cmp(&right.shard))
            .then(left.hit.seq_no.cmp(&right.hit.seq_no))
    });
    firsts(&mut all, |merged| &merged.hit);
    // Source: a search that wants no hits scores none.
    max_score = max_score.filter(|_| request.size > 0);
    let hits = all.into_iter().skip(request.from).take(request.size).collect();
    MergedHits {
        total,
        total_relation,
        max_score,
        terminated_early,
        timed_out,
        hits,
    }
}

/// Order of two hits by the sort clauses alone; by relevance when there are none.
pub(crate) fn compare_hits(sort: &[SortClause], left: &ShardHit, right: &ShardHit) -> Ordering {
    if sort.is_empty() {
        let (left, right) = (left.score.unwrap_or(0.0), right.score.unwrap_or(0.0));
        return right.total_cmp(&left);
    }
    for (clause, (left, right)) in sort.iter().zip(left.sort.iter().zip(&right.sort)) {
        let order = compare_values(clause, left, right);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_values(clause: &SortClause, left: &SortValue, right: &SortValue) -> Ordering {
    let missing_first = clause.missing == SortMissing::First;
    if let (Some(left), Some(right)) = (left.as_long(), right.as_long()) {
        return in_order(clause, left.cmp(&right));
    }
    let order = match (left, right) {
        (SortValue::Null, SortValue::Null) => return Ordering::Equal,
        (SortValue::Null, _) => {
            return if missing_first {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        (_, SortValue::Null) => {
            return if missing_first {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        (SortValue::Double(left), SortValue::Double(right)) => left.total_cmp(right),
        (SortValue::Text(left), SortValue::Text(right)) => left.cmp(right),
        // One field may be an integer in one index and a floating point number in another.
        (SortValue::Long(left) | SortValue::Formatted { number: left, .. }, SortValue::Double(right)) => {
            (*left as f64).total_cmp(right)
        }
        (SortValue::Double(left), SortValue::Long(right) | SortValue::Formatted { number: right, .. }) => {
            left.total_cmp(&(*right as f64))
        }
        (SortValue::Ip(left), SortValue::Ip(right)) => ip_term(*left).cmp(&ip_term(*right)),
        (SortValue::Ip(_), _) => Ordering::Greater,
        (_, SortValue::Ip(_)) => Ordering::Less,
        (SortValue::Text(_), _) => Ordering::Greater,
        (_, SortValue::Text(_)) => Ordering::Less,
        // Two whole numbers were compared before.
        _ => Ordering::Equal,
    };
    in_order(clause, order)
}

fn in_order(clause: &SortClause, order: Ordering) -> Ordering {
    match clause.order {
        SortOrder::Ascending => order,
        SortOrder::Descending => order.reverse(),
    }
}

#[cfg(test)]
mod tests {
    use oplog::SeqNo;

    use super::*;
    use crate::search::hits::SearchSnapshot;

    fn hits(values: &[(Option<i64>, u64)]) -> ShardHits {
        let hits = values
            .iter()
            .map(|(value, seq_no)| ShardHit {
                score: None,
                sort: vec![value.map_or(SortValue::Null, SortValue::Long)],
                seq_no: SeqNo::new(*seq_no),
                group: None,
            })
            .collect();
        ShardHits {
            snapshot: SearchSnapshot::empty(),
            total: Some(values.len() as u64),
            total_relation: TotalRelation::Equal,
            max_score: None,
            hits,
            timed_out: false,
            terminated_early: None,
            aggregations: None,
        }
    }

    fn check(missing: SortMissing, order: SortOrder, expected: &[(usize, u64)]) {
        let clause = SortClause {
            missing,
            order,
            ..SortClause::by("n")
        };
        let request = SearchRequest {
            sort: vec![clause],
            ..SearchRequest::default()
        };
        let merged = merge_top_hits(
            &request,
            vec![
                hits(&[(Some(1), 5), (Some(3), 6), (None, 7)]),
                hits(&[(Some(1), 1), (Some(2), 2)]),
            ],
        );
        let read: Vec<_> = merged
            .hits
            .iter()
            .map(|hit| (hit.shard, hit.hit.seq_no.get()))
            .collect();
        assert_eq!(read, expected);
        assert_eq!(merged.total, Some(5));
    }

    #[test]
    fn shards_merge_by_value_then_position_with_missing_values_where_asked() {
        check(
            SortMissing::Last,
            SortOrder::Ascending,
            &[(0, 5), (1, 1), (1, 2), (0, 6), (0, 7)],
        );
        check(
            SortMissing::First,
            SortOrder::Ascending,
            &[(0, 7), (0, 5), (1, 1), (1, 2), (0, 6)],
        );
        check(
            SortMissing::Last,
            SortOrder::Descending,
            &[(0, 6), (1, 2), (0, 5), (1, 1), (0, 7)],
        );
    }

    #[test]
    fn a_page_is_cut_after_merging_and_totals_above_the_limit_become_lower_bounds() {
        let request = SearchRequest {
            sort: vec![SortClause::by("n")],
            from: 1,
            size: 2,
            track_total_hits: TrackTotalHits::UpTo(3),
            ..SearchRequest::default()
        };
        let merged = merge_top_hits(
            &request,
            vec![
                hits(&[(Some(1), 1), (Some(4), 2)]),
                hits(&[(Some(2), 1), (Some(3), 2)]),
            ],
        );
        let read: Vec<_> = merged
            .hits
            .iter()
            .map(|hit| (hit.shard, hit.hit.seq_no.get()))
            .collect();
        assert_eq!(read, [(1, 1), (1, 2)]);
        assert_eq!(
            (merged.total, merged.total_relation),
            (Some(3), TotalRelation::GreaterOrEqual)
        );
    }
}
