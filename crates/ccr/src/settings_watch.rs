//! The replication settings as they stand in the cluster state.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{ClusterService, ClusterState};
use es_exception::Exception;
use index_meta::SettingValue;
use transport::{ClusterAlias, RemoteClusterSettings, SettingInput};

use crate::settings::CcrSettings;

/// Reads the settings of replication from the cluster state, where they change at any time.
#[derive(Debug, Clone)]
pub(crate) struct SettingsWatch {
    cluster: Arc<ClusterService>,
}

impl SettingsWatch {
    pub(crate) fn new(cluster: Arc<ClusterService>) -> Self {
        Self { cluster }
    }

    /// The settings in force.
    pub(crate) fn current(&self) -> CcrSettings {
        CcrSettings::of(&self.cluster.state())
    }
}

impl CcrSettings {
    /// The settings of a cluster state. Values are checked before they enter it; one that does not parse counts as not set.
    pub(crate) fn of(state: &ClusterState) -> Self {
        Self::read(|key| setting(state, key)).unwrap_or(Self::DEFAULTS)
    }
}

/// A transient setting wins over a persistent one.
fn setting(state: &ClusterState, key: &str) -> Option<String> {
    state.setting(key).map(str::to_owned)
}

/// All cluster settings with the transient ones laid over the persistent ones.
fn effective(state: &ClusterState) -> BTreeMap<String, SettingInput> {
    let persistent = state.persistent_settings.iter();
    let transient = state.transient_settings.iter();
    let input = |value: &SettingValue| match value {
        SettingValue::Null => SettingInput::Null,
        SettingValue::String(text) => SettingInput::Value(text.clone()),
        SettingValue::List(items) => SettingInput::List(items.clone()),
    };
    persistent
        .chain(transient)
        .map(|(key, value)| (key.to_owned(), input(value)))
        .collect()
}

/// The remote clusters that a cluster state configures.
///
/// # Errors
/// Illegal argument naming the setting that is wrong.
pub(crate) fn remote_clusters(
    state: &ClusterState,
) -> Result<BTreeMap<ClusterAlias, RemoteClusterSettings>, Exception> {
    RemoteClusterSettings::parse_all(&effective(state)).map_err(|error| Exception::from(&error))
}

/// Checks the settings of replication in a cluster state that somebody proposes.
///
/// To be called before the state is committed, so that a wrong value changes nothing.
///
/// # Errors
/// Illegal argument naming the setting, its value and its bounds.
pub fn check_cluster_settings(proposed: &ClusterState) -> Result<(), Exception> {
    CcrSettings::read(|key| setting(proposed, key))?;
    remote_clusters(proposed).map(|_| ())
}
