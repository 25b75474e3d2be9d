//! What is known of an index setting, and how to find it.

use super::SettingKind;
use super::definitions::DEFINITIONS;

/// When a setting may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingUpdate {
    /// At any time.
    Dynamic,
    /// While the index is closed.
    Static,
    /// Never after creation.
    Final,
}

/// Who a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingScope {
    /// Must be the same on leader and follower, and is copied.
    Replicated,
    /// A follower has its own.
    FollowerOwn,
    /// Identifies the index: never compared and never copied.
    Identity,
}

/// One known setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettingDefinition {
    /// Full key; ends in `.*` if it stands for every key with this prefix.
    pub key: &'static str,
    /// Value if not set, empty if there is none.
    pub default: &'static str,
    /// What values it takes.
    pub kind: SettingKind,
    /// When it may change.
    pub update: SettingUpdate,
    /// Who it belongs to.
    pub scope: SettingScope,
    /// Set by the system alone and never copied.
    pub private: bool,
    /// Whether this version acts on it. Others are checked, kept, shown and replicated all the same.
    pub honoured: bool,
}

impl SettingDefinition {
    /// Whether it may change on an open index.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.update == SettingUpdate::Dynamic
    }

    /// Whether a follower must have its leader's value.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        self.scope == SettingScope::Replicated
    }

    /// Whether it stands for every key with its prefix.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.key.ends_with('*')
    }

    /// Whether `key` is this setting's, or belongs to this group.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        match self.key.strip_suffix('*') {
            Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
            None => self.key == key,
        }
    }
}

/// Every known setting.
#[must_use]
pub fn setting_definitions() -> &'static [SettingDefinition] {
    DEFINITIONS
}

/// The definition of `key`, or of the group that it belongs to.
#[must_use]
pub fn setting_definition(key: &str) -> Option<&'static SettingDefinition> {
    DEFINITIONS.iter().find(|definition| definition.matches(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_and_defaults_are_valid() {
        let keys: BTreeSet<_> = DEFINITIONS.iter().map(|definition| definition.key).collect();
        assert_eq!(keys.len(), DEFINITIONS.len());
        for definition in DEFINITIONS
            .iter()
            .filter(|definition| !definition.default.is_empty())
        {
            assert_eq!(
                definition.kind.check(definition.default),
                Ok(()),
                "{}",
                definition.key
            );
        }
    }

    #[test]
    fn every_dynamic_setting_that_a_follower_copies_is_a_limit() {
        let copied: Vec<_> = DEFINITIONS
            .iter()
            .filter(|definition| definition.is_dynamic() && definition.is_replicated())
            .collect();
        assert!(
            copied
                .iter()
                .all(|definition| definition.key.contains("limit") || definition.key.contains("_diff"))
        );
        assert_eq!(copied.len(), 8);
    }

    #[test]
    fn groups_match_by_prefix() {
        let found = |key| setting_definition(key).map(|definition| definition.key);
        assert_eq!(
            found("index.analysis.analyzer.mine.type"),
            Some("index.analysis.*")
        );
        assert_eq!(
            found("index.routing.allocation.include._tier_preference"),
            Some("index.routing.allocation.include.*")
        );
        assert_eq!(found("index.analysis."), None);
        assert_eq!(found("index.nonsense"), None);
    }
}
