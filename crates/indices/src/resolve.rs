//! Turns index expressions into indices: names, aliases, data streams, wildcards, exclusions, `_all`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::{ClusterState, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use index_meta::matches_wildcard;

use crate::request::ResolveOptions;

/// The indices that `expression` names, in order of names.
///
/// # Errors
/// `index_not_found_exception`, `index_closed_exception`, or `illegal_argument_exception`, as `options` say.
pub(crate) fn resolve(
    state: &ClusterState,
    expression: &str,
    options: ResolveOptions,
) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
    let names = resolve_names(state, expression, options)?;
    Ok(names
        .into_keys()
        .filter_map(|name| state.index(&name).cloned())
        .collect())
}

/// How an expression named an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedBy {
    /// By its own name or that of its data stream, or by a wildcard that matches one of them: then no alias narrows what is searched.
    pub(crate) itself: bool,
    /// By these aliases.
    pub(crate) aliases: BTreeSet<String>,
}

/// The names of the indices, and how each was named.
pub(crate) fn resolve_names(
    state: &ClusterState,
    expression: &str,
    options: ResolveOptions,
) -> Result<BTreeMap<String, NamedBy>, Exception> {
    let mut resolution = Resolution {
        state,
        options,
        chosen: BTreeMap::new(),
        wildcard_seen: false,
    };
    let all = matches!(expression.trim(), "" | "_all" | "*");
    if all {
        resolution.add_pattern("*");
    } else {
        for part in expression
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            resolution.add(part)?;
        }
    }
    if resolution.chosen.is_empty() && !options.allow_no_indices {
        return Err(Exception::index_not_found(if all { "_all" } else { expression }));
    }
    Ok(resolution.chosen)
}

/// The one index that a document is written to or read from.
///
/// # Errors
/// `index_not_found_exception`, also for a data stream that is to be read; `illegal_argument_exception` for an alias without a write index (`is_write`) or of
/// several indices.
pub(crate) fn resolve_one<'a>(
    state: &'a ClusterState,
    name: &'a str,
    is_write: bool,
) -> Result<&'a Arc<IndexMetadata>, Exception> {
    if let Some(index) = state.index(name) {
        return Ok(index);
    }
    if let Some(stream) = state.data_streams.get(name) {
        if is_write {
            return state.require_index(&stream.write_index);
        }
        let reason = format!(
            "no such index [{name}]: it is a data stream, and one index is asked for; search the data stream, or name one of its backing indices"
        );
        return Err(Exception::new(ExceptionKind::IndexNotFound, reason).with_index(name));
    }
    let members: Vec<_> = state.indices_with_alias(name).collect();
    let flag = |index: &IndexMetadata| index.aliases.get(name).and_then(|alias| alias.is_write_index);
    match members.as_slice() {
        [] => {
            check_name(name)?;
            Err(Exception::index_not_found(name))
        }
        // Source: the only index of an alias takes its writes unless it says that it does not.
        [only] if !is_write || flag(only) != Some(false) => Ok(only),
        many if is_write => many.iter().copied().find(|index| flag(index) == Some(true)).ok_or_else(|| {
            Exception::illegal_argument(format!(
                "no write index is defined for alias [{name}]. The write index may be explicitly disabled using is_write_index=false \
                 or the alias points to multiple indices without one being designated as a write index"
            ))
        }),
        many => {
            let names: Vec<_> = many.iter().map(|index| index.name.as_str()).collect();
            Err(Exception::illegal_argument(format!(
                "alias [{name}] has more than one index associated with it [{}], can't execute a single index op",
                names.join(", ")
            )))
        }
    }
}

/// Refuses a name that is no index's and that none can have, for it looks like an API that is not there.
///
/// Source: how Elasticsearch reads expressions.
fn check_name(name: &str) -> Result<(), Exception> {
    if !name.starts_with('_') {
        return Ok(());
    }
    let reason = format!("Invalid index name [{name}], must not start with '_'.");
    Err(Exception::new(ExceptionKind::InvalidIndexName, reason).with_index(name))
}

struct Resolution<'a> {
    state: &'a ClusterState,
    options: ResolveOptions,
    chosen: BTreeMap<String, NamedBy>,
    wildcard_seen: bool,
}

impl Resolution<'_> {
    fn add(&mut self, part: &str) -> Result<(), Exception> {
        // Source: a leading minus excludes only after a wildcard; before that it is a (never valid) name.
        if let Some(excluded) = part.strip_prefix('-')
            && self.wildcard_seen
        {
            let state = self.state;
            self.chosen.retain(|name, _| {
                let by_alias = || {
                    state.index(name).is_some_and(|index| {
                        index
                            .aliases
                            .keys()
                            .any(|alias| matches_wildcard(excluded, alias))
                    })
                };
                let by_stream = || {
                    state
                        .data_stream_of(name)
                        .is_some_and(|(stream, _)| matches_wildcard(excluded, stream))
                };
                !(matches_wildcard(excluded, name) || by_alias() || by_stream())
            });
            return Ok(());
        }
        if part.contains('*') || part == "_all" {
            let before = self.chosen.len();
            self.add_pattern(if part == "_all" { "*" } else { part });
            if self.chosen.len() == before && !self.options.allow_no_indices && !self.matches_any(part) {
                return Err(Exception::index_not_found(part));
            }
            return Ok(());
        }
        self.add_name(part)
    }

    fn matches_any(&self, pattern: &str) -> bool {
        self.chosen.keys().any(|name| matches_wildcard(pattern, name))
    }

    fn add_pattern(&mut self, pattern: &str) {
        self.wildcard_seen = true;
        let options = self.options;
        let is_wanted = |index: &IndexMetadata| {
            if index.is_open() {
                options.expand_open
            } else {
                options.expand_closed
            }
        };
        // Source: a pattern that starts with a dot matches hidden indices that do so too.
        let visible = |hidden: bool, name: &str| {
            !hidden || options.expand_hidden || (pattern.starts_with('.') && name.starts_with('.'))
        };
        for index in self.state.indices.values() {
            if !is_wanted(index) {
                continue;
            }
            if matches_wildcard(pattern, &index.name) && visible(index.is_hidden(), &index.name) {
                self.chosen.entry(index.name.clone()).or_default().itself = true;
            }
            if !options.allow_aliases {
                continue;
            }
            for (alias, metadata) in &index.aliases {
                if matches_wildcard(pattern, alias) && visible(metadata.is_hidden == Some(true), alias) {
                    self.chosen
                        .entry(index.name.clone())
                        .or_default()
                        .aliases
                        .insert(alias.clone());
                }
            }
        }
        let matched = self.state.data_streams.iter().filter(|(name, stream)| {
            options.allow_aliases && matches_wildcard(pattern, name) && visible(stream.hidden, name)
        });
        // A stream shows its backing indices, which are hidden themselves.
        let backing = matched.flat_map(|(_, stream)| stream.indices());
        for index in backing.filter_map(|name| self.state.index(name)) {
            if is_wanted(index) {
                self.chosen.entry(index.name.clone()).or_default().itself = true;
            }
        }
    }

    fn add_name(&mut self, name: &str) -> Result<(), Exception> {
        if let Some(index) = self.state.index(name) {
            if self.is_available(index)? {
                self.chosen.entry(name.to_owned()).or_default().itself = true;
            }
            return Ok(());
        }
        if let Some(stream) = self.state.data_streams.get(name) {
            if !self.options.allow_aliases {
                return self.not_an_index(name, "a data stream");
            }
            for index in stream.indices().filter_map(|index| self.state.index(index)) {
                if self.is_available(index)? {
                    self.chosen.entry(index.name.clone()).or_default().itself = true;
                }
            }
            return Ok(());
        }
        let members: Vec<_> = self.state.indices_with_alias(name).cloned().collect();
        if members.is_empty() {
            check_name(name)?;
            if self.options.ignore_unavailable {
                return Ok(());
            }
            return Err(Exception::index_not_found(name));
        }
        if !self.options.allow_aliases {
            return self.not_an_index(name, "an alias");
        }
        for index in members {
            if self.is_available(&index)? {
                self.chosen
                    .entry(index.name.clone())
                    .or_default()
                    .aliases
                    .insert(name.to_owned());
            }
        }
        Ok(())
    }

    fn not_an_index(&self, name: &str, what: &str) -> Result<(), Exception> {
        if self.options.ignore_unavailable {
            return Ok(());
        }
        Err(Exception::illegal_argument(format!(
            "The provided expression [{name}] matches {what}, specify the corresponding concrete indices instead."
        )))
    }

    fn is_available(&self, index: &IndexMetadata) -> Result<bool, Exception> {
        if !self.options.forbid_closed || index.is_open() {
            return Ok(true);
        }
        if self.options.ignore_unavailable {
            return Ok(false);
        }
        Err(Exception::new(ExceptionKind::IndexClosed, "closed").with_index(&index.name))
    }
}

#[cfg(test)]
mod tests {
    use cluster::Origin;
    use cluster::change::{AliasChange, CreateIndexChange, close_indices, create_index, update_aliases};
    use index_meta::{AliasMetadata, Mapping, Settings};
    use oplog::{IndexUuid, UnixMillis};

    use super::*;

    fn state() -> ClusterState {
        let mut state = ClusterState::new("c", "u");
        for name in ["logs-1", "logs-2", "logs-closed", "metrics", ".hidden"] {
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
        let add = |index: &str, alias: &str, is_write_index| AliasChange::Add {
            index: index.into(),
            alias: alias.into(),
            metadata: AliasMetadata {
                is_write_index,
                ..AliasMetadata::default()
            },
        };
        let aliases = [
            add("logs-1", "logs", None),
            add("logs-2", "logs", Some(true)),
            add("metrics", "numbers", None),
            add("logs-1", "both", None),
            add("logs-2", "both", None),
        ];
        state = update_aliases(&state, &aliases, Origin::User, UnixMillis::new(0)).unwrap();
        close_indices(&state, &["logs-closed".into()]).unwrap()
    }

    fn names(expression: &str, options: ResolveOptions) -> Result<Vec<String>, ExceptionKind> {
        let found = resolve(&state(), expression, options).map_err(|error| error.kind())?;
        Ok(found.iter().map(|index| index.name.clone()).collect())
    }

    #[test]
    fn expressions_resolve_as_in_elasticsearch() {
        let open = |expression: &str| names(expression, ResolveOptions::OPEN).unwrap().join(" ");
        assert_eq!(open("_all"), "logs-1 logs-2 metrics");
        assert_eq!(open(""), "logs-1 logs-2 metrics");
        assert_eq!(open("logs-*"), "logs-1 logs-2");
        assert_eq!(open("logs"), "logs-1 logs-2");
        assert_eq!(open("num*,logs-1"), "logs-1 metrics");
        assert_eq!(open("*,-logs-*"), "metrics");
        assert_eq!(open("l*,-logs-1"), "logs-2");
        assert_eq!(open(".h*"), ".hidden");
        assert_eq!(open(".hidden"), ".hidden");
        assert_eq!(open("nothing*"), "");
        assert_eq!(
            names("logs-*", ResolveOptions::METADATA).unwrap().join(" "),
            "logs-1 logs-2 logs-closed"
        );
    }

    #[test]
    fn a_data_stream_stands_for_its_backing_indices() {
        let state = crate::data_streams::tests::with_streams(&state(), &[("app", false), ("secret", true)]);
        let (app, secret) = (".ds-app-1970.01.01-000001", ".ds-secret-1970.01.01-000001");
        let found = |expression: &str, options: ResolveOptions| {
            resolve(&state, expression, options)
                .map(|found| {
                    found
                        .iter()
                        .map(|index| index.name.clone())
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .map_err(|refused| refused.reason().to_owned())
        };
        let open = ResolveOptions::OPEN;
        let hidden = ResolveOptions {
            expand_hidden: true,
            ..open
        };
        for (expression, options, expected) in [
            ("app", open, app.to_owned()),
            ("secret", open, secret.to_owned()),
            ("a*", open, app.to_owned()),
            ("s*", open, String::new()),
            ("s*", hidden, secret.to_owned()),
            ("*", open, format!("{app} logs-1 logs-2 metrics")),
            ("*,-app", open, "logs-1 logs-2 metrics".to_owned()),
            ("metrics,a*", open, format!("{app} metrics")),
            ("a*", ResolveOptions::DELETE, String::new()),
        ] {
            assert_eq!(found(expression, options), Ok(expected), "{expression}");
        }
        let refused = found("app", ResolveOptions::DELETE).unwrap_err();
        assert!(refused.contains("[app] matches a data stream"), "{refused}");
        assert_eq!(resolve_one(&state, "app", true).unwrap().name, app);
        let read = resolve_one(&state, "app", false).unwrap_err();
        assert_eq!(read.kind(), ExceptionKind::IndexNotFound);
    }

    #[test]
    fn what_cannot_be_had_is_refused_or_skipped() {
        assert_eq!(
            names("missing", ResolveOptions::OPEN),
            Err(ExceptionKind::IndexNotFound)
        );
        assert_eq!(
            names("-logs-1", ResolveOptions::OPEN),
            Err(ExceptionKind::IndexNotFound)
        );
        assert_eq!(
            names("logs-closed", ResolveOptions::OPEN),
            Err(ExceptionKind::IndexClosed)
        );
        let lenient = ResolveOptions {
            ignore_unavailable: true,
            ..ResolveOptions::OPEN
        };
        for options in [ResolveOptions::OPEN, lenient] {
            assert_eq!(
                names("logs-1,_logs", options),
                Err(ExceptionKind::InvalidIndexName)
            );
        }
        assert_eq!(
            names("missing,logs-closed,metrics", lenient),
            Ok(vec!["metrics".into()])
        );
        let strict = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::OPEN
        };
        assert_eq!(names("nothing*", strict), Err(ExceptionKind::IndexNotFound));
        assert_eq!(
            names("logs", ResolveOptions::DELETE),
            Err(ExceptionKind::IllegalArgument)
        );
    }

    #[test]
    fn writes_go_to_the_write_index() {
        let state = state();
        let one = |name: &str, is_write| resolve_one(&state, name, is_write).map(|index| index.name.clone());
        assert_eq!(one("logs", true).unwrap(), "logs-2");
        assert_eq!(one("numbers", true).unwrap(), "metrics");
        assert_eq!(
            one("both", true).unwrap_err().kind(),
            ExceptionKind::IllegalArgument
        );
        assert_eq!(
            one("logs", false).unwrap_err().kind(),
            ExceptionKind::IllegalArgument
        );
        assert_eq!(
            one("missing", true).unwrap_err().kind(),
            ExceptionKind::IndexNotFound
        );
    }
}
