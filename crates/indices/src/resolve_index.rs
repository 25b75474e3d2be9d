//! What an expression names: indices, aliases and data streams apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::{ClusterState, IndexMetadata};
use es_exception::Exception;
use index_meta::{DataStream, matches_wildcard};

use crate::request::ResolveOptions;
use crate::service::IndicesService;

/// The indices, aliases and data streams that an expression names. Unlike elsewhere an alias or a data stream is not taken for its indices.
#[derive(Debug, Clone, Default)]
pub struct ResolvedNames {
    /// The indices by name.
    pub indices: BTreeMap<String, Arc<IndexMetadata>>,
    /// The names of the indices of each alias, by the alias's name.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// The data streams by name.
    pub data_streams: BTreeMap<String, Arc<DataStream>>,
}

impl IndicesService {
    /// What `expression` names. Of `options`, whether closed indices and aliases may be named is not looked at: they may.
    ///
    /// # Errors
    /// `index_not_found_exception` for a name that is neither index nor alias nor data stream, or for nothing at all, unless `options` allow it.
    pub fn resolve_names(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<ResolvedNames, Exception> {
        resolve_names(&self.state(), expression, options)
    }
}

fn resolve_names(
    state: &ClusterState,
    expression: &str,
    options: &ResolveOptions,
) -> Result<ResolvedNames, Exception> {
    let all = all_names(state);
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    let mut wildcard_seen = false;
    let whole = matches!(expression.trim(), "" | "_all");
    let expression = if whole { "*" } else { expression };
    for part in expression
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        // Source: a leading minus excludes only after a wildcard; before that it is a (never valid) name.
        if let Some(excluded) = part.strip_prefix('-').filter(|_| wildcard_seen) {
            chosen.retain(|name| !matches_wildcard(excluded, name));
        } else if part.contains('*') {
            wildcard_seen = true;
            let before = chosen.len();
            chosen.extend(
                all.iter()
                    .filter(|(name, named)| named.is_matched(part, name, options))
                    .map(|(name, _)| *name),
            );
            let matched = chosen.len() > before || chosen.iter().any(|name| matches_wildcard(part, name));
            if !matched && !options.allow_no_indices {
                return Err(Exception::index_not_found(part));
            }
        } else if let Some((name, _)) = all.get_key_value(part) {
            chosen.insert(name);
        } else if !options.ignore_unavailable {
            return Err(Exception::index_not_found(part));
        }
    }
    if chosen.is_empty() && !options.allow_no_indices {
        return Err(Exception::index_not_found(if whole {
            "_all"
        } else {
            expression
        }));
    }
    let mut resolved = ResolvedNames::default();
    for name in chosen {
        match &all[name] {
            Named::Index(index) => {
                resolved.indices.insert(name.to_owned(), Arc::clone(index));
            }
            Named::Alias { indices, .. } => {
                let indices = indices.iter().map(|index| (*index).to_owned()).collect();
                resolved.aliases.insert(name.to_owned(), indices);
            }
            Named::DataStream(stream) => {
                resolved.data_streams.insert(name.to_owned(), Arc::clone(stream));
            }
        }
    }
    Ok(resolved)
}

/// What a name stands for.
enum Named<'a> {
    Index(&'a Arc<IndexMetadata>),
    Alias { indices: Vec<&'a str>, hidden: bool },
    DataStream(&'a Arc<DataStream>),
}

impl Named<'_> {
    /// Whether `pattern` takes it, called `name`.
    fn is_matched(&self, pattern: &str, name: &str, options: &ResolveOptions) -> bool {
        let (wanted, hidden) = match self {
            Self::Index(index) if index.is_open() => (options.expand_open, index.is_hidden()),
            Self::Index(index) => (options.expand_closed, index.is_hidden()),
            Self::Alias { hidden, .. } => (options.expand_open || options.expand_closed, *hidden),
            Self::DataStream(stream) => (options.expand_open || options.expand_closed, stream.hidden),
        };
        // Source: a pattern that starts with a dot matches hidden ones that do so too.
        let visible = !hidden || options.expand_hidden || (pattern.starts_with('.') && name.starts_with('.'));
        wanted && visible && matches_wildcard(pattern, name)
    }
}

fn all_names(state: &ClusterState) -> BTreeMap<&str, Named<'_>> {
    let mut all = BTreeMap::new();
    for index in state.indices.values() {
        all.insert(index.name.as_str(), Named::Index(index));
        for (alias, metadata) in &index.aliases {
            let named = all.entry(alias.as_str()).or_insert_with(|| Named::Alias {
                indices: Vec::new(),
                hidden: metadata.is_hidden == Some(true),
            });
            if let Named::Alias { indices, .. } = named {
                indices.push(index.name.as_str());
            }
        }
    }
    let streams = state.data_streams.iter();
    all.extend(streams.map(|(name, stream)| (name.as_str(), Named::DataStream(stream))));
    all
}

#[cfg(test)]
mod tests {
    use cluster::Origin;
    use cluster::change::{AliasChange, CreateIndexChange, close_indices, create_index, update_aliases};
    use es_exception::ExceptionKind;
    use index_meta::{AliasMetadata, Mapping, Settings};
    use oplog::{IndexUuid, UnixMillis};

    use super::*;

    fn state() -> ClusterState {
        let mut state = ClusterState::new("c", "u");
        for name in ["logs-1", "logs-2", "logs-closed", ".hidden"] {
            let mut settings = Settings::default();
            if name == ".hidden" {
                settings.insert("index.hidden", "true");
            }
            let change = CreateIndexChange {
                name: name.into(),
                uuid: IndexUuid::generate(),
                settings,
                mapping: Arc::new(Mapping::empty()),
                aliases: BTreeMap::new(),
                creation_date: UnixMillis::new(0),
                number_of_routing_shards: None,
                custom: BTreeMap::new(),
                recovering: false,
            };
            state = create_index(&state, &change).unwrap();
        }
        let add = |index: &str, alias: &str, hidden| AliasChange::Add {
            index: index.into(),
            alias: alias.into(),
            metadata: AliasMetadata {
                is_hidden: hidden,
                ..AliasMetadata::default()
            },
        };
        let aliases = [
            add("logs-1", "logs-all", None),
            add("logs-2", "logs-all", None),
            add("logs-1", "secret", Some(true)),
        ];
        state = update_aliases(&state, &aliases, Origin::User, UnixMillis::new(0)).unwrap();
        close_indices(&state, &["logs-closed".into()]).unwrap()
    }

    fn names(expression: &str, options: ResolveOptions) -> Result<String, ExceptionKind> {
        let resolved = resolve_names(&state(), expression, &options).map_err(|refused| refused.kind())?;
        let indices: Vec<_> = resolved.indices.into_keys().collect();
        let aliases: Vec<_> = resolved
            .aliases
            .into_iter()
            .map(|(alias, indices)| format!("{alias}={}", indices.join("+")))
            .collect();
        Ok(format!("{} | {}", indices.join(" "), aliases.join(" ")))
    }

    #[test]
    fn data_streams_are_told_apart_from_their_indices() {
        let state = crate::data_streams::tests::with_streams(&state(), &[("app", false), ("shy", true)]);
        let names = |expression: &str, options: ResolveOptions| {
            let resolved = resolve_names(&state, expression, &options).unwrap();
            let indices: Vec<_> = resolved.indices.into_keys().collect();
            let streams: Vec<_> = resolved.data_streams.into_keys().collect();
            format!("{} | {}", indices.join(" "), streams.join(" "))
        };
        let hidden = ResolveOptions {
            expand_hidden: true,
            ..ResolveOptions::OPEN
        };
        assert_eq!(names("a*,shy", ResolveOptions::OPEN), " | app shy");
        assert_eq!(names("*,-logs*", ResolveOptions::OPEN), " | app");
        let index = ".ds-shy-1970.01.01-000001";
        assert_eq!(names("*shy*,-app", hidden), format!("{index} | shy"));
    }

    #[test]
    fn indices_and_aliases_are_told_apart() {
        let open = ResolveOptions::OPEN;
        let all = ResolveOptions {
            expand_closed: true,
            expand_hidden: true,
            ..open
        };
        let none = ResolveOptions {
            expand_open: false,
            ..open
        };
        let lenient = ResolveOptions {
            ignore_unavailable: true,
            ..open
        };
        let strict = ResolveOptions {
            allow_no_indices: false,
            ..open
        };
        let missing = Err(ExceptionKind::IndexNotFound);
        for (expression, options, expected) in [
            ("*", open, Ok("logs-1 logs-2 | logs-all=logs-1+logs-2")),
            ("_all", open, Ok("logs-1 logs-2 | logs-all=logs-1+logs-2")),
            ("logs-a*", open, Ok(" | logs-all=logs-1+logs-2")),
            ("logs-all", open, Ok(" | logs-all=logs-1+logs-2")),
            ("logs-closed,logs-1", open, Ok("logs-1 logs-closed | ")),
            (".h*", open, Ok(".hidden | ")),
            ("*,-logs-*", all, Ok(".hidden | secret=logs-1")),
            ("s*", open, Ok(" | ")),
            ("*", none, Ok(" | ")),
            ("none,logs-1", open, missing),
            ("none,logs-1", lenient, Ok("logs-1 | ")),
            ("x*", open, Ok(" | ")),
            ("x*", strict, missing),
            ("-logs-1", open, missing),
        ] {
            assert_eq!(
                names(expression, options),
                expected.map(str::to_owned),
                "{expression}"
            );
        }
    }
}
