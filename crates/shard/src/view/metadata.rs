//! The mapping and settings that are in force, read without a lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use index_meta::{IndexSettings, Mapping};

#[derive(Debug)]
struct VersionedMapping {
    mapping: Arc<Mapping>,
    version: u64,
}

/// Advanced by whoever applies cluster state; never goes back.
#[derive(Debug)]
pub(crate) struct Metadata {
    mapping: ArcSwap<VersionedMapping>,
    settings: ArcSwap<IndexSettings>,
}

impl Metadata {
    pub(crate) fn new(mapping: Arc<Mapping>, version: u64, settings: Arc<IndexSettings>) -> Self {
        Self {
            mapping: ArcSwap::from_pointee(VersionedMapping { mapping, version }),
            settings: ArcSwap::new(settings),
        }
    }

    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.mapping.load().mapping)
    }

    pub(crate) fn mapping_version(&self) -> u64 {
        self.mapping.load().version
    }

    pub(crate) fn settings(&self) -> Arc<IndexSettings> {
        self.settings.load_full()
    }

    /// Takes the mapping unless the one in force is newer.
    pub(crate) fn update_mapping(&self, mapping: Arc<Mapping>, version: u64) {
        let next = Arc::new(VersionedMapping { mapping, version });
        self.mapping.rcu(|current| {
            if current.version > version {
                Arc::clone(current)
            } else {
                Arc::clone(&next)
            }
        });
    }

    pub(crate) fn update_settings(&self, settings: Arc<IndexSettings>) {
        self.settings.store(settings);
    }
}
