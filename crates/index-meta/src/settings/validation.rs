//! Whether settings may be given at creation or changed later.

use crate::error::SettingsError;
use crate::settings::Settings;

/// Checks the settings that a user creates an index with.
///
/// # Errors
/// [`SettingsError::Unknown`], [`SettingsError::Value`], [`SettingsError::Managed`].
pub fn validate_for_create(_settings: &Settings) -> Result<(), SettingsError> {
    unimplemented!()
}

/// Checks the changes that a user makes to the settings of an index.
///
/// # Errors
/// As [`validate_for_create`], and [`SettingsError::Final`], [`SettingsError::NotDynamic`].
pub fn validate_update(_changes: &Settings, _index_open: bool) -> Result<(), SettingsError> {
    unimplemented!()
}
