//! The documentation lists every setting as the registries have it.

use index_meta::{SettingDefinition, SettingScope, SettingUpdate, setting_definitions};

const INDEX_SETTINGS: &str = include_str!("../../../../docs/index-settings.md");

fn default(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

/// The row of an index setting.
fn row(definition: &SettingDefinition) -> String {
    let changes = match definition.update {
        SettingUpdate::Dynamic => "at any time",
        SettingUpdate::Static => "closed",
        SettingUpdate::Final => "never",
    };
    let follower = match definition.scope {
        SettingScope::Replicated => "leader's",
        SettingScope::FollowerOwn | SettingScope::Identity => "own",
    };
    let effect = if definition.honoured { "yes" } else { "no" };
    format!(
        "| `{}` | {} | {} | {changes} | {follower} | {effect} |",
        definition.key,
        default(definition.default),
        definition.kind
    )
}

/// Fails with the rows as they must be, if the text has others that begin like one of them.
#[track_caller]
fn check(text: &str, begin: &str, rows: &[String]) {
    let found: Vec<_> = text.lines().filter(|line| line.starts_with(begin)).collect();
    assert!(found == rows, "the rows must be these:\n{}", rows.join("\n"));
}

#[test]
fn every_index_setting_has_its_row() {
    let shown: Vec<_> = setting_definitions()
        .iter()
        .filter(|definition| !definition.private)
        .map(row)
        .collect();
    check(INDEX_SETTINGS, "| `index.", &shown);
}
