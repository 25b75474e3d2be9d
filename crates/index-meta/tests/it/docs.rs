//! The documentation lists every setting as the registries have it.

use index_meta::{
    ClusterSettingUpdate, SettingDefinition, SettingScope, SettingUpdate, cluster_setting_definitions,
    setting_definitions,
};

const CONFIGURATION: &str = include_str!("../../../../docs/configuration.md");
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

/// The meaning of each is in the words of whoever writes it.
#[test]
fn every_cluster_setting_has_a_row() {
    let missing: Vec<_> = cluster_setting_definitions()
        .iter()
        .map(|definition| {
            let key = definition
                .key
                .replace("remote.*", "remote.ALIAS")
                .replace(".*", ".NAME");
            let default = default(definition.default);
            match definition.update {
                // After the flag, if there is one.
                ClusterSettingUpdate::Static => format!("| `{key}` |"),
                ClusterSettingUpdate::Dynamic => {
                    format!("| `{key}` | {default}").trim_end().to_owned() + " |"
                }
            }
        })
        .filter(|row| !CONFIGURATION.lines().any(|line| line.contains(row.as_str())))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md has no rows that begin so:\n{}",
        missing.join("\n")
    );
}
