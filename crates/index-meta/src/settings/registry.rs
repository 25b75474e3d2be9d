//! Every index setting that is known.

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingKind {
    /// A whole number between both, inclusive.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number not below `min`.
    Float {
        /// Smallest.
        min: f64,
    },
    /// `true` or `false`.
    Boolean,
    /// A time such as `30s`, or `-1`, not below `min_millis`.
    Time {
        /// Smallest, in milliseconds; -1 allows `-1`.
        min_millis: i64,
    },
    /// A size such as `512mb`, or `-1`, not below `min`.
    Bytes {
        /// Smallest; -1 allows `-1`.
        min: i64,
    },
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any list of texts, also comma-separated.
    List,
}

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
}

/// Every known setting.
#[must_use]
pub fn setting_definitions() -> &'static [SettingDefinition] {
    &[]
}

/// The definition of `key`, or of the group that it belongs to.
#[must_use]
pub fn setting_definition(key: &str) -> Option<&'static SettingDefinition> {
    setting_definitions()
        .iter()
        .find(|definition| definition.key == key)
}
