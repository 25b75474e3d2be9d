//! Which settings a follower must have in common with its leader.

use crate::error::SettingsError;
use crate::settings::Settings;

/// What a follower must change to have its leader's replicated settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsSync {
    /// Can be changed while the index is open.
    pub dynamic: Settings,
    /// Need the close, apply, reopen cycle.
    pub non_dynamic: Settings,
}

impl SettingsSync {
    /// Whether nothing needs to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dynamic.is_empty() && self.non_dynamic.is_empty()
    }
}

/// What `follower` must change; a setting that only the follower has stays.
#[must_use]
pub fn settings_to_replicate(_leader: &Settings, _follower: &Settings) -> SettingsSync {
    unimplemented!()
}

/// Whether both have the same replicated settings, as resuming demands.
#[must_use]
pub fn replicated_settings_equal(_leader: &Settings, _follower: &Settings) -> bool {
    unimplemented!()
}

/// Checks the `settings` of a follow request: only those that a follower has as its own.
///
/// # Errors
/// [`SettingsError::UnknownOverrides`], [`SettingsError::ReplicatedOverrides`].
pub fn check_follow_overrides(_settings: &Settings) -> Result<(), SettingsError> {
    unimplemented!()
}
