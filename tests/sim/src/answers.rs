//! What answers of the leader mean for a follower, and how its metadata follows. The rules are those of `crates/ccr/src/follower`, but for
//! one: a settings sync that a crash cut off leaves the follower open.

use es_exception::{Exception, ExceptionKind};
use follow_task::{Event, HealOutcome, MetadataId, MetadataKind};
use oplog::IndexUuid;

use crate::copies::{CopyId, Meta, NodeId, Purpose};
use crate::happening::Happening;
use crate::mutant::Mutant;
use crate::wire::{Answer, Response};
use crate::world::{MILLI, World};

impl World {
    pub(crate) fn on_answer(&mut self, to: NodeId, boot: u64, rpc: u64, place: Option<u32>, answer: Answer) {
        let node = &self.nodes[to.0];
        if node.boot != boot || !node.up {
            return;
        }
        // Kept until its timeout: the same answer may come twice.
        let Some(call) = node.calls.get(&rpc).cloned() else {
            return;
        };
        if !self.is_current(call.copy, call.epoch) {
            return;
        }
        // The answers of one read come in order and once, as over HTTP/2: where one is missing the line has broken.
        let answer = match place {
            Some(place) if place < call.answered => return,
            Some(place) if place > call.answered => Err(Exception::new(
                ExceptionKind::ConnectTransport,
                "an answer was lost on the way",
            )),
            _ => answer,
        };
        if matches!(&answer, Ok(Response::Read(read)) if read.stays_open)
            && let Some(call) = self.nodes[to.0].calls.get_mut(&rpc)
        {
            call.answered += 1;
        }
        self.note(
            if answer.is_ok() { "answered" } else { "refused" },
            [call.copy.0 as u64, rpc, 0],
        );
        let answer = match answer {
            Err(error)
                if error.kind() == ExceptionKind::Security && self.plan.is(Mutant::TreatsRefusalAsFatal) =>
            {
                Err(Exception::new(ExceptionKind::IllegalState, "refused"))
            }
            answer => answer,
        };
        let copy = call.copy;
        match call.purpose {
            Purpose::Read(id) => {
                let result = answer.and_then(|response| match response {
                    Response::Read(read) => Ok(*read),
                    _ => Err(unexpected()),
                });
                self.step(copy, Event::ReadAnswered { id, result });
            }
            Purpose::Heal(id) => {
                let result = answer.and_then(|response| match response {
                    Response::Held(held) => Ok(HealOutcome::Held(*held)),
                    Response::LiveSet(set) => Ok(HealOutcome::LiveSet(set)),
                    _ => Err(unexpected()),
                });
                self.step(copy, Event::HealFinished { id, result });
            }
            Purpose::Lease(id) => {
                let result = answer.map(|_| ());
                self.step(copy, Event::LeaseFinished { id, result });
            }
            Purpose::Sync { id, kind, required } => {
                let answer = answer.and_then(|response| match response {
                    Response::Metadata { index, meta } => Ok((index, meta)),
                    _ => Err(unexpected()),
                });
                match answer {
                    Ok((index, meta)) => self.apply_metadata(copy, (id, kind, required), &index, meta),
                    Err(error) => self.step(
                        copy,
                        Event::MetadataSynced {
                            id,
                            result: Err(error),
                        },
                    ),
                }
            }
            Purpose::Boot => {
                self.nodes[to.0].calls.remove(&rpc);
                self.on_copy_answer(copy, answer);
            }
            Purpose::Courtesy => {}
        }
    }

    fn apply_metadata(
        &mut self,
        copy: CopyId,
        (id, kind, required): (MetadataId, MetadataKind, u64),
        index: &IndexUuid,
        meta: Meta,
    ) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        if following.leader_uuid != *index && !self.plan.is(Mutant::FindsTheLeaderByName) {
            let result = Err(Exception::index_not_found("leader"));
            return self.step(copy, Event::MetadataSynced { id, result });
        }
        let part = match kind {
            MetadataKind::Aliases => meta.aliases,
            MetadataKind::Settings => meta.settings,
            MetadataKind::Mapping => meta.mapping,
        };
        if part.version < required {
            let result = Err(Exception::new(
                ExceptionKind::UnavailableShards,
                "metadata is too old",
            ));
            return self.step(copy, Event::MetadataSynced { id, result });
        }
        let mine = &mut self.copies[copy.0].meta;
        match kind {
            MetadataKind::Aliases => mine.aliases.take_over(part.content),
            MetadataKind::Mapping if self.plan.is(Mutant::PretendsToSyncTheMapping) => {}
            MetadataKind::Mapping => mine.mapping.take_over(part.content),
            MetadataKind::Settings => {
                // Each third change is of settings that need a closed index.
                let needs_cycle = part.content / 3 > mine.settings.content / 3;
                mine.settings.take_over(part.content);
                if needs_cycle && self.begin_cycle(copy, id, part.version) {
                    return;
                }
            }
        }
        let result = Ok(part.version);
        self.step(copy, Event::MetadataSynced { id, result });
    }

    /// Closes the follower for settings that are not dynamic; false when it is closed already.
    fn begin_cycle(&mut self, copy: CopyId, id: MetadataId, version: u64) -> bool {
        if !self.copies[copy.0].open {
            return false;
        }
        self.note("cycle begins", [copy.0 as u64, version, 0]);
        self.close_log(copy);
        let state = &mut self.copies[copy.0];
        (state.open, state.in_cycle) = (false, true);
        let boot = self.nodes[state.node.0].boot;
        if let Some(run) = self.run_of(copy) {
            run.cycle = Some((id, version));
        }
        let takes = self.random.between(5 * MILLI..300 * MILLI);
        self.after(takes, Happening::EndCycle { copy, boot });
        true
    }

    pub(crate) fn end_cycle(&mut self, copy: CopyId, boot: u64) {
        let state = &mut self.copies[copy.0];
        if self.nodes[state.node.0].boot != boot || !state.in_cycle {
            return;
        }
        (state.open, state.in_cycle) = (true, false);
        self.open_log(copy);
        if let Some((id, version)) = self.run_of(copy).and_then(|run| run.cycle.take()) {
            let result = Ok(version);
            self.step(copy, Event::MetadataSynced { id, result });
        }
    }

    /// The process ended between close and reopen: what closed the index has to see to it.
    pub(crate) fn end_broken_cycle(&mut self, copy: CopyId) {
        let state = &mut self.copies[copy.0];
        if state.in_cycle && !self.plan.is(Mutant::LeavesTheCycleHalfDone) {
            (state.open, state.in_cycle) = (true, false);
        }
    }
}

fn unexpected() -> Exception {
    Exception::new(ExceptionKind::IllegalState, "an answer to another question")
}
