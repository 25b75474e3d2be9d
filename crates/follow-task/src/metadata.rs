//! Keeps the follower's metadata at least as new as the operations received.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};

use crate::event::{Action, MetadataKind};
use crate::ids::{IdSource, MetadataId};
use crate::ports::MetadataVersions;
use crate::status::MetadataException;
use crate::time::Timestamp;

/// The order of syncing; operations come after all of them.
const ORDER: [MetadataKind; 3] = [
    MetadataKind::Aliases,
    MetadataKind::Settings,
    MetadataKind::Mapping,
];

/// One sync at a time, for the first kind in order that is behind. Answers that need newer metadata wait until all of it is there.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    components: [Component; ORDER.len()],
    current: Option<Current>,
    not_before: Timestamp,
    failures: u32,
    last_failure: Option<Exception>,
}

/// Versions are the leader's; both only go up.
#[derive(Debug, Default, Clone, Copy)]
struct Component {
    held: u64,
    required: u64,
    synced: bool,
}

impl Component {
    fn is_behind(self) -> bool {
        !self.synced || self.held < self.required
    }
}

#[derive(Debug, Clone, Copy)]
struct Current {
    id: MetadataId,
    kind: MetadataKind,
    required: u64,
}

fn index(kind: MetadataKind) -> usize {
    match kind {
        MetadataKind::Aliases => 0,
        MetadataKind::Settings => 1,
        MetadataKind::Mapping => 2,
    }
}

fn in_order(versions: MetadataVersions) -> [u64; ORDER.len()] {
    [versions.aliases, versions.settings, versions.mapping]
}

/// How a sync ended.
#[derive(Debug)]
pub(crate) enum SyncEnd {
    /// The task does not wait for it.
    Unknown,
    /// It succeeded, or failed and will be tried again.
    Handled,
    /// It failed for good.
    Fatal(Exception),
}

impl Metadata {
    /// The leader's version that is applied here.
    pub(crate) fn held(&self, kind: MetadataKind) -> u64 {
        self.components[index(kind)].held
    }

    /// Why the last sync failed, if it did and is tried again.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        self.last_failure.as_ref()
    }

    /// The sync that keeps failing, if the last one failed.
    pub(crate) fn exception(&self) -> Option<MetadataException> {
        Some(MetadataException {
            kind: self.behind()?,
            retries: self.failures,
            exception: self.last_failure.clone()?,
        })
    }

    /// Whether each kind was synced at least once; before that nothing is read.
    pub(crate) fn is_initialised(&self) -> bool {
        self.components.iter().all(|component| component.synced)
    }

    /// Whether a sync is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.current.is_some()
    }

    /// The newest versions that the leader has told of, applied here or not.
    pub(crate) fn known(&self) -> MetadataVersions {
        let known = |kind| {
            let component = self.components[index(kind)];
            component.held.max(component.required)
        };
        MetadataVersions {
            aliases: known(MetadataKind::Aliases),
            settings: known(MetadataKind::Settings),
            mapping: known(MetadataKind::Mapping),
        }
    }

    /// Notes what an answer of the leader needs.
    pub(crate) fn require(&mut self, versions: MetadataVersions) {
        for (component, version) in self.components.iter_mut().zip(in_order(versions)) {
            component.required = component.required.max(version);
        }
    }

    /// Whether an answer's operations may go on.
    pub(crate) fn covers(&self, versions: MetadataVersions) -> bool {
        self.components
            .iter()
            .zip(in_order(versions))
            .all(|(component, version)| component.held >= version)
    }

    /// Starts the next sync if one is due.
    pub(crate) fn advance(&mut self, now: Timestamp, ids: &mut IdSource, actions: &mut Vec<Action>) {
        if self.current.is_some() || now < self.not_before {
            return;
        }
        let Some(kind) = self.behind() else { return };
        let required = self.components[index(kind)].required;
        let id = ids.next();
        self.current = Some(Current { id, kind, required });
        actions.push(Action::SyncMetadata { id, kind, required });
    }

    /// Takes note of the end of a sync; `delay` gives the pause for a number of failures.
    pub(crate) fn finish(
        &mut self,
        now: Timestamp,
        id: MetadataId,
        result: Result<u64, Exception>,
        delay: impl FnOnce(u32) -> Duration,
    ) -> SyncEnd {
        let Some(current) = self.current.take_if(|current| current.id == id) else {
            return SyncEnd::Unknown;
        };
        let component = &mut self.components[index(current.kind)];
        let failure = match result {
            Ok(version) => {
                component.held = component.held.max(version);
                component.synced |= version >= current.required;
                (version < current.required).then(|| too_old(current, version))
            }
            Err(exception) => Some(exception),
        };
        match failure {
            None => {
                self.failures = 0;
                self.last_failure = None;
            }
            Some(exception) if exception.is_retryable() => {
                self.failures = self.failures.saturating_add(1);
                self.not_before = now.after(delay(self.failures));
                self.last_failure = Some(exception);
            }
            Some(exception) => return SyncEnd::Fatal(exception),
        }
        SyncEnd::Handled
    }

    /// When the next sync is to be tried again.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        (self.current.is_none() && self.behind().is_some()).then_some(self.not_before)
    }

    fn behind(&self) -> Option<MetadataKind> {
        ORDER
            .into_iter()
            .find(|kind| self.components[index(*kind)].is_behind())
    }
}

/// A sync that gave less than it had to: the leader's answer came from a node that lags. Applying operations now would break FT-3.
fn too_old(current: Current, version: u64) -> Exception {
    let Current { kind, required, .. } = current;
    let reason = format!("sync of {kind:?} reached version [{version}], and [{required}] is needed");
    Exception::new(ExceptionKind::UnavailableShards, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(actions: &mut Vec<Action>) -> Option<(MetadataId, MetadataKind, u64)> {
        match actions.pop() {
            Some(Action::SyncMetadata { id, kind, required }) => Some((id, kind, required)),
            _ => None,
        }
    }

    #[test]
    fn kinds_are_synced_in_order_and_versions_never_go_down() {
        let (mut metadata, mut ids, mut actions) = (Metadata::default(), IdSource::default(), Vec::new());
        let now = Timestamp::default();
        for (expected, version) in [
            (MetadataKind::Aliases, 4),
            (MetadataKind::Settings, 5),
            (MetadataKind::Mapping, 6),
        ] {
            assert!(!metadata.is_initialised());
            metadata.advance(now, &mut ids, &mut actions);
            let (id, kind, required) = started(&mut actions).unwrap();
            assert_eq!((kind, required), (expected, 0));
            assert!(matches!(
                metadata.finish(now, id, Ok(version), |_| Duration::ZERO),
                SyncEnd::Handled
            ));
            assert!(matches!(
                metadata.finish(now, id, Ok(99), |_| Duration::ZERO),
                SyncEnd::Unknown
            ));
            assert_eq!(metadata.held(kind), version);
        }
        metadata.components[2].required = 8;
        metadata.advance(now, &mut ids, &mut actions);
        let (id, ..) = started(&mut actions).unwrap();
        let pause = Duration::from_millis(50);
        assert!(matches!(
            metadata.finish(now, id, Ok(3), |_| pause),
            SyncEnd::Handled
        ));
        assert_eq!(
            (metadata.held(MetadataKind::Mapping), metadata.next_wake()),
            (6, Some(now.after(pause)))
        );
        metadata.advance(now, &mut ids, &mut actions);
        assert!(actions.is_empty(), "tried again before the pause was over");
        metadata.advance(now.after(pause), &mut ids, &mut actions);
        assert_eq!(
            started(&mut actions).map(|(_, kind, required)| (kind, required)),
            Some((MetadataKind::Mapping, 8))
        );
    }

    #[test]
    fn the_pauses_of_one_sync_grow_until_it_succeeds() {
        let (mut metadata, mut ids, mut actions) = (Metadata::default(), IdSource::default(), Vec::new());
        let now = Timestamp::default();
        for _ in 0..ORDER.len() {
            for expected in 1..=5 {
                metadata.advance(now, &mut ids, &mut actions);
                let (id, ..) = started(&mut actions).unwrap();
                let busy = Exception::new(ExceptionKind::EsRejectedExecution, "busy");
                metadata.finish(now, id, Err(busy), |failures| {
                    assert_eq!(failures, expected);
                    Duration::ZERO
                });
            }
            metadata.advance(now, &mut ids, &mut actions);
            let (id, ..) = started(&mut actions).unwrap();
            metadata.finish(now, id, Ok(1), |_| unreachable!("it succeeded"));
        }
        assert!(metadata.is_initialised());
    }
}
