//! Names of remote clusters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RemoteSettingsError;

/// The name by which this cluster knows another one: not empty, without `.`, `:`, `,`, `*` and spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterAlias(String);

impl ClusterAlias {
    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterAlias {
    type Err = RemoteSettingsError;

    fn from_str(text: &str) -> Result<Self, RemoteSettingsError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ClusterAlias {
    type Error = RemoteSettingsError;

    fn try_from(text: String) -> Result<Self, RemoteSettingsError> {
        let is_forbidden =
            |character: char| matches!(character, '.' | ':' | ',' | '*') || character.is_whitespace();
        if text.is_empty() || text.contains(is_forbidden) {
            return Err(RemoteSettingsError::Alias { alias: text });
        }
        Ok(Self(text))
    }
}

impl From<ClusterAlias> for String {
    fn from(alias: ClusterAlias) -> Self {
        alias.0
    }
}

impl fmt::Display for ClusterAlias {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
