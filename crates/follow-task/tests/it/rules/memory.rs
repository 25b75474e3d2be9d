//! Memory for an answer is set aside before it is asked for (FT-2). Elasticsearch has no such budget.

use std::time::Duration;

use follow_task::{
    Action, BudgetId, BudgetRequest, Event, HealOutcome, HealWork, LOWEST_READ_SIZE, ReadId, ReadRequest,
};
use oplog::ByteCount;

use super::heal_rig::{healing, held};
use crate::harness::{Rig, answer, fatal, reads, retryable, shape, size, writes};

/// A task whose poll was answered with a checkpoint, and which now needs memory for a range.
fn in_need(raw: follow_task::RawFollowParameters, checkpoint: i64) -> Rig {
    let mut rig = Rig::started(raw, -1);
    let (id, _) = rig.next_read();
    rig.budget_by_hand = true;
    rig.read_done(id, Ok(answer(0..0, checkpoint)));
    if rig.core.next_wake().is_some() {
        rig.wake();
    }
    rig
}

impl Rig {
    /// Takes out the only request for budget.
    fn wish(&mut self) -> (BudgetId, BudgetRequest) {
        let wanted = |action: &Action| matches!(action, Action::RequestBudget { .. });
        let at = self.actions.iter().position(wanted).expect("no wish");
        let Action::RequestBudget { id, request } = self.actions.remove(at) else {
            unreachable!()
        };
        assert!(!self.actions.iter().any(wanted), "{:?}", self.actions);
        (id, request)
    }

    fn wishes(&self) -> bool {
        self.actions
            .iter()
            .any(|action| matches!(action, Action::RequestBudget { .. }))
    }

    fn grant(&mut self, id: BudgetId, bytes: u64) {
        let bytes = ByteCount::new(bytes);
        self.step(Event::BudgetGranted { id, bytes });
    }

    /// Grants the only wish, and takes out the only read that this allows.
    fn read_for(&mut self, bytes: u64) -> (ReadId, ReadRequest) {
        let (id, _) = self.wish();
        self.grant(id, bytes);
        let mut sent = self.reads();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].1.max_response_size <= ByteCount::new(bytes));
        sent.remove(0)
    }

    /// Bytes given back since the last look.
    fn given_back(&mut self) -> u64 {
        let (back, rest): (Vec<_>, Vec<_>) = self
            .take()
            .into_iter()
            .partition(|action| matches!(action, Action::ReleaseBudget { .. }));
        self.actions = rest;
        let bytes = |action: &Action| match action {
            Action::ReleaseBudget { bytes } => bytes.get(),
            _ => 0,
        };
        back.iter().map(bytes).sum()
    }
}

fn range(needed: u64, wanted: u64) -> BudgetRequest {
    BudgetRequest::Range {
        needed: ByteCount::new(needed),
        wanted: ByteCount::new(wanted),
    }
}

const MIB: u64 = 1 << 20;

#[test]
fn a_range_is_asked_for_when_its_memory_is_granted_and_for_no_more_than_that() {
    let mut rig = in_need(reads(8, 5), 63);
    assert_eq!(rig.given_back(), MIB, "what the poll had");
    let (id, request) = rig.wish();
    assert_eq!(request, range(0, 32 * MIB));
    assert_eq!(shape(&rig.reads()), []);
    rig.step(Event::Wake);
    assert_eq!(shape(&rig.reads()), [], "not without a grant");
    assert!(!rig.wishes(), "one wish at a time");
    rig.grant(id, 5000);
    let sent = rig.reads();
    assert_eq!(shape(&sent), [(0, 8)]);
    assert_eq!(sent[0].1.max_response_size, ByteCount::new(5000));
    assert_eq!(rig.core.used_bytes(), 5000);
    let (_, next) = rig.read_for(7000);
    assert_eq!(next.from.get(), 8);
    rig.read_done(sent[0].0, Ok(answer(0..8, 63)));
    assert_eq!(
        rig.given_back(),
        5000 - size(0..8),
        "what the answer did not take goes back at once"
    );
}

#[test]
fn a_poll_goes_without_memory_and_what_it_tells_of_is_read_when_there_is_some() {
    let mut rig = in_need(reads(8, 5), -1);
    rig.given_back();
    let (id, request) = rig.wish();
    let wanted = LOWEST_READ_SIZE;
    assert_eq!(request, BudgetRequest::Poll { wanted });
    rig.grant(id, 0);
    let (poll, request) = rig.reads().remove(0);
    assert_eq!(request.max_response_size, ByteCount::ZERO);
    let mut too_large = answer(0..0, 0);
    too_large.next_operation_size = Some(ByteCount::new(5 * MIB));
    rig.read_done(poll, Ok(too_large.clone()));
    let (id, request) = rig.wish();
    assert_eq!(request, range(5 * MIB, 32 * MIB), "at once, without a pause");
    rig.grant(id, 5 * MIB);
    let (id, read) = rig.reads().remove(0);
    assert_eq!((read.from.get(), read.max_response_size.get()), (0, 5 * MIB));
    assert_eq!(rig.status().failed_read_requests, 0);
    rig.read_done(id, Ok(too_large));
    assert_eq!(
        rig.status().failed_read_requests,
        1,
        "it must fit by what the leader said itself"
    );
}

#[test]
fn a_read_that_failed_has_no_memory_while_it_pauses() {
    let mut rig = in_need(reads(8, 1), 63);
    let (id, read) = rig.read_for(5000);
    rig.given_back();
    rig.read_done(id, Err(retryable()));
    assert_eq!((rig.given_back(), rig.core.used_bytes()), (5000, 0));
    assert!(!rig.wishes(), "not before its pause is over");
    rig.wake();
    let (_, again) = rig.read_for(4000);
    assert_eq!(
        (again.from, again.max_operation_count),
        (read.from, read.max_operation_count)
    );
    assert_eq!(again.max_response_size, ByteCount::new(4000));
}

#[test]
fn every_operation_that_did_not_fit_is_remembered() {
    let mut rig = in_need(reads(1, 3), 2);
    let ids: Vec<_> = (0..3).map(|_| rig.read_for(10).0).collect();
    for (id, from) in ids.into_iter().zip(0..) {
        let mut too_large = answer(from..from, 2);
        too_large.next_operation_size = Some(ByteCount::new(1000 + from));
        rig.read_done(id, Ok(too_large));
    }
    for from in 0..3 {
        let (id, request) = rig.wish();
        // The first wish was made while only the first of them was known.
        assert!(matches!(request, BudgetRequest::Range { needed, .. } if needed.get() == 1000 + from));
        rig.grant(id, 1000 + from);
        assert_eq!(rig.reads()[0].1.from.get(), from);
    }
}

/// Operations 8 to 15 are there, the read of 0 to 7 failed and has waited for memory for almost as long as it may.
fn stuck() -> Rig {
    let mut rig = in_need(reads(8, 2), 15);
    let (low, _) = rig.read_for(5000);
    let (high, _) = rig.read_for(5000);
    rig.read_done(high, Ok(answer(8..16, 15)));
    rig.read_done(low, Err(retryable()));
    rig.wake();
    rig.given_back();
    assert_eq!(rig.status().write_buffer_operation_count, 8);
    rig.now = rig.now.after(Duration::from_millis(950));
    rig.step(Event::Wake);
    assert_eq!(
        (rig.given_back(), rig.status().write_buffer_operation_count),
        (0, 8)
    );
    rig
}

#[test]
fn a_task_that_waits_for_long_for_its_lowest_gap_gives_back_what_lies_above_it() {
    let mut rig = stuck();
    rig.wake();
    assert_eq!(rig.given_back(), size(8..16));
    assert_eq!(rig.status().write_buffer_operation_count, 0);
    let (id, _) = rig.read_for(5000);
    rig.read_done(id, Ok(answer(0..8, 15)));
    let (id, again) = rig.read_for(5000);
    assert_eq!(
        (again.from.get(), again.max_operation_count),
        (8, 8),
        "read again"
    );
    rig.read_done(id, Ok(answer(8..16, 15)));
    let written: Vec<_> = rig.appends().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(written, (0..16).collect::<Vec<_>>());
}

#[test]
fn a_grant_in_time_keeps_what_lies_above_the_gap() {
    let mut rig = stuck();
    let (id, _) = rig.read_for(5000);
    rig.now = rig.now.after(Duration::from_secs(10));
    rig.step(Event::Wake);
    assert_eq!(rig.status().write_buffer_operation_count, 8);
    rig.read_done(id, Ok(answer(0..8, 15)));
    let written: Vec<_> = rig.appends().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(written, (0..16).collect::<Vec<_>>());
}

#[test]
fn what_lies_above_a_gap_that_is_being_read_stays_however_long_others_wait() {
    let mut rig = in_need(reads(8, 3), 31);
    let (low, _) = rig.read_for(5000);
    let (high, _) = rig.read_for(5000);
    rig.read_done(high, Ok(answer(8..16, 31)));
    assert!(rig.wishes(), "for the operations from 16 on");
    rig.now = rig.now.after(Duration::from_secs(10));
    rig.step(Event::Wake);
    assert_eq!(rig.status().write_buffer_operation_count, 8);
    rig.read_done(low, Ok(answer(0..8, 31)));
    assert_eq!(rig.status().write_buffer_operation_count, 0);
}

#[test]
fn nothing_is_read_ahead_while_the_follower_takes_nothing() {
    let mut raw = writes(8, 1);
    raw.max_outstanding_read_requests = Some(3);
    raw.max_read_request_operation_count = Some(8);
    let mut rig = Rig::started(raw, -1);
    let (id, _) = rig.next_read();
    rig.read_done(id, Ok(answer(0..8, 63)));
    let ahead = rig.reads();
    assert_eq!(shape(&ahead), [(8, 8), (16, 8), (24, 8)]);
    let append = rig.appends()[0].0;
    rig.write_failed(append, retryable());
    rig.read_done(ahead[0].0, Ok(answer(8..16, 63)));
    assert_eq!(shape(&rig.reads()), [], "16 operations wait already");
    rig.wake();
    let question = rig.question();
    rig.state_known(question, Ok(crate::harness::state(-1)));
    assert_eq!(shape(&rig.reads()), [(32, 8)], "the batch is under way again");
}

#[test]
fn a_task_that_failed_holds_nothing() {
    let mut rig = in_need(reads(8, 5), 63);
    let (low, _) = rig.read_for(5000);
    let (high, _) = rig.read_for(5000);
    rig.given_back();
    rig.read_done(high, Ok(answer(8..16, 63)));
    rig.read_done(low, Err(fatal()));
    assert_eq!((rig.given_back(), rig.core.used_bytes()), (10_000, 0));
}

#[test]
fn a_heal_reads_what_its_memory_allows() {
    let mut rig = healing();
    let (id, work) = rig.next_heal();
    assert_eq!(work, HealWork::Begin);
    rig.budget_by_hand = true;
    rig.healed(id, HealOutcome::Begun(crate::harness::seq(10)));
    assert_eq!(rig.heals(), [], "not without a grant");
    let (id, _) = rig.wish();
    rig.grant(id, 5000);
    let (id, from, _) = rig.held_read();
    assert_eq!((from, rig.core.used_bytes()), (10, 5000));
    // Operations 10 and 11 are gone, 12 is too large.
    let mut too_large = held(&[], 12, 20);
    too_large.next_operation_size = Some(ByteCount::new(9000));
    rig.healed(id, HealOutcome::Held(too_large));
    let (id, work) = rig.next_heal();
    assert!(matches!(work, HealWork::Stage { .. }), "{work:?}");
    rig.healed(id, HealOutcome::Staged(crate::harness::seq(12)));
    let (id, request) = rig.wish();
    assert!(matches!(request, BudgetRequest::Range { needed, .. } if needed.get() == 9000));
    rig.grant(id, 9000);
    assert_eq!(rig.held_read().1, 12);
}

#[test]
fn a_heal_of_many_operations_that_do_not_fit_at_first_goes_on() {
    let mut rig = healing();
    let mut id = rig.begun(10);
    rig.budget_by_hand = true;
    for seq_no in 10..300 {
        let mut too_large = held(&[], seq_no, 400);
        // More than everything that was set aside before.
        let size = (32 + seq_no) * MIB;
        too_large.next_operation_size = Some(ByteCount::new(size.min(190 * MIB) + seq_no));
        rig.healed(id, HealOutcome::Held(too_large));
        let (wish, request) = rig.wish();
        let BudgetRequest::Range { needed, .. } = request else {
            panic!("{request:?}")
        };
        assert_eq!(needed.get(), size.min(190 * MIB) + seq_no);
        rig.grant(wish, needed.get());
        let (read, _, _) = rig.held_read();
        rig.healed(read, HealOutcome::Held(held(&[seq_no], seq_no + 1, 400)));
        // The next read may go beside the staging.
        let (wish, _) = rig.wish();
        rig.grant(wish, MIB);
        let mut work = rig.heals();
        let at = work
            .iter()
            .position(|(_, work)| matches!(work, HealWork::Stage { .. }))
            .unwrap();
        rig.healed(
            work.remove(at).0,
            HealOutcome::Staged(crate::harness::seq(seq_no + 1)),
        );
        id = work.remove(0).0;
    }
}

#[test]
fn a_heal_that_begins_again_waits_for_the_read_that_it_has_no_use_for() {
    let mut rig = healing();
    let first = rig.begun(10);
    rig.healed(first, HealOutcome::Held(held(&[10], 11, 40)));
    let mut work = rig.heals();
    let (stage, staging) = work.remove(0);
    let (second, _) = work.remove(0);
    assert!(matches!(staging, HealWork::Stage { .. }), "{staging:?}");
    rig.heal_failed(stage, retryable());
    assert_eq!(rig.core.used_bytes(), 32 * MIB, "its answer may come at any time");
    let (begin, work) = rig.next_heal();
    assert_eq!(work, HealWork::Begin);
    rig.healed(begin, HealOutcome::Begun(crate::harness::seq(10)));
    assert_eq!(rig.heals(), [], "no second read beside it");
    rig.healed(second, HealOutcome::Held(held(&[11], 12, 40)));
    assert_eq!(rig.held_read().1, 10);
}
