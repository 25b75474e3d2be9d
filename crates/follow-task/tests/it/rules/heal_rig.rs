//! Drives a core through a delta heal by hand.

use es_exception::Exception;
use follow_task::{
    Action, Event, HealId, HealOutcome, HealWork, HeldReadRequest, HeldReadResponse, LiveSetResponse,
    MetadataVersions,
};
use oplog::{Digest, LiveSet, LiveSnapshot, UnixMillis};

use crate::harness::{Rig, frame, missing, opt, reads, seq};

pub(super) fn versions(version: u64) -> MetadataVersions {
    MetadataVersions {
        mapping: version,
        settings: version,
        aliases: version,
    }
}

pub(super) fn held(seq_nos: &[u64], next: u64, checkpoint: i64) -> HeldReadResponse {
    HeldReadResponse {
        frames: seq_nos.iter().map(|seq_no| frame(*seq_no, b"{}")).collect(),
        next: seq(next),
        next_operation_size: None,
        global_checkpoint: opt(checkpoint),
        versions: versions(1),
        leader_now: UnixMillis::new(2_000_000),
    }
}

pub(super) fn snapshot(max_seq_no: u64) -> LiveSnapshot {
    LiveSnapshot {
        max_seq_no: seq(max_seq_no),
        live: LiveSet::new(),
        digest: Digest::default(),
        terms: Vec::new(),
        max_seq_no_of_updates_or_deletes: None,
    }
}

pub(super) fn live_set(max_seq_no: u64) -> LiveSetResponse {
    LiveSetResponse {
        snapshot: snapshot(max_seq_no),
        versions: versions(1),
        leader_now: UnixMillis::new(2_000_000),
    }
}

/// A follower that ends with operation 9, and whose read found that operations are gone.
pub(super) fn healing() -> Rig {
    let mut rig = Rig::started(reads(64, 2), 9);
    let id = rig.one_read(10, 64);
    rig.take();
    rig.read_done(id, Err(missing(10, 73)));
    rig
}

impl Rig {
    /// Takes out the pieces of work of a heal.
    pub(super) fn heals(&mut self) -> Vec<(HealId, HealWork)> {
        let (heals, rest) = self
            .take()
            .into_iter()
            .partition(|action| matches!(action, Action::Heal { .. }));
        self.actions = rest;
        let heal = |action| match action {
            Action::Heal { id, work } => (id, work),
            _ => unreachable!(),
        };
        Vec::into_iter(heals).map(heal).collect()
    }

    /// Lets time pass until the heal wants one piece of work, and takes it out.
    pub(super) fn next_heal(&mut self) -> (HealId, HealWork) {
        self.until(|action| matches!(action, Action::Heal { .. }));
        let mut heals = self.heals();
        assert_eq!(heals.len(), 1, "{heals:?}");
        heals.remove(0)
    }

    pub(super) fn healed(&mut self, id: HealId, outcome: HealOutcome) {
        self.step(Event::HealFinished {
            id,
            result: Ok(outcome),
        });
    }

    pub(super) fn heal_failed(&mut self, id: HealId, exception: Exception) {
        let result = Err(exception);
        self.step(Event::HealFinished { id, result });
    }

    /// Answers the beginning, and takes out the first read.
    pub(super) fn begun(&mut self, next: u64) -> HealId {
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::Begin);
        self.healed(id, HealOutcome::Begun(seq(next)));
        let (id, from, _) = self.held_read();
        assert_eq!(from, next);
        id
    }

    /// Takes out the only piece of work, a read: its id, first and last operation.
    pub(super) fn held_read(&mut self) -> (HealId, u64, Option<u64>) {
        match self.next_heal() {
            (id, HealWork::ReadHeld(HeldReadRequest { from, to, .. })) => {
                (id, from.get(), to.map(|to| to.get()))
            }
            (_, work) => panic!("no read: {work:?}"),
        }
    }

    /// Goes through a heal whose leader ends with operation `last` and holds it, up to the question for what is live.
    pub(super) fn received(&mut self, last: u64) -> HealId {
        let id = self.begun(10);
        self.healed(id, HealOutcome::Held(held(&[last], last + 1, last as i64)));
        let (id, work) = self.next_heal();
        assert!(matches!(work, HealWork::Stage { .. }), "{work:?}");
        self.healed(id, HealOutcome::Staged(seq(last + 1)));
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::ReadLiveSet);
        id
    }

    /// The same up to the installation.
    pub(super) fn installing(&mut self, last: u64) -> HealId {
        let id = self.received(last);
        self.healed(id, HealOutcome::LiveSet(Box::new(live_set(last))));
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::Install(Box::new(snapshot(last))));
        id
    }
}

/// A piece of work of a heal, by its place in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum At {
    Begin,
    Read,
    Stage,
    LiveSet,
    Install,
}

pub(super) const ALL: [At; 5] = [At::Begin, At::Read, At::Stage, At::LiveSet, At::Install];

pub(super) fn kind(work: &HealWork) -> At {
    match work {
        HealWork::Begin => At::Begin,
        HealWork::ReadHeld(_) => At::Read,
        HealWork::Stage { .. } => At::Stage,
        HealWork::ReadLiveSet => At::LiveSet,
        HealWork::Install(_) => At::Install,
    }
}

/// A heal whose next piece of work is this one.
pub(super) fn at(place: At) -> (Rig, HealId) {
    let mut rig = healing();
    let id = match place {
        At::Begin => rig.next_heal().0,
        At::Read => rig.begun(10),
        At::Stage => {
            let id = rig.begun(10);
            rig.healed(id, HealOutcome::Held(held(&[40], 41, 40)));
            rig.next_heal().0
        }
        At::LiveSet => rig.received(40),
        At::Install => rig.installing(40),
    };
    (rig, id)
}
