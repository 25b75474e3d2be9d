//! All definitions of an index.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::parameters::Parameters;
use super::{
    AnalyzerChain, CharFilterDefinition, MAX_DEFINITIONS, MAX_FILTERS, MAX_SYNONYM_FILTERS, NormalizerChain,
    TokenFilterDefinition, TokenizerDefinition,
};
use crate::error::SettingsError;
use crate::settings::{SettingValue, Settings};

const PREFIX: &str = "index.analysis.";
/// What an index may define.
const KINDS: [&str; 5] = ["analyzer", "normalizer", "tokenizer", "filter", "char_filter"];

type Definition<'a> = BTreeMap<&'a str, &'a SettingValue>;
/// By kind and name.
type Raw<'a> = BTreeMap<(&'a str, &'a str), Definition<'a>>;
/// A chain, or what is wrong with it.
type Read<T> = Result<Arc<T>, String>;

/// The analyzers and normalizers that an index defines.
///
/// Reading never fails: a follower takes over what its leader has, and an index must open whatever is stored. What cannot be read is kept as a
/// problem under its name; [`check`](Self::check) refuses it when a user gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnalysisDefinitions {
    analyzers: BTreeMap<String, Read<AnalyzerChain>>,
    normalizers: BTreeMap<String, Read<NormalizerChain>>,
    /// In the order in which they are reported.
    problems: Vec<String>,
}

impl AnalysisDefinitions {
    /// Reads `index.analysis.*`, `index.max_ngram_diff` and `index.max_shingle_diff`.
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Self {
        let mut definitions = Self::default();
        let raw = definitions.collect(settings);
        if raw.is_empty() {
            return definitions;
        }
        if raw.len() > MAX_DEFINITIONS {
            let problem = format!(
                "{} definitions of analysis, the limit is {MAX_DEFINITIONS}",
                raw.len()
            );
            definitions.problems.push(problem);
        }
        let limits = Limits::of(settings);
        let reader = Reader { raw, limits };
        definitions.read(&reader);
        definitions
    }

    fn collect<'a>(&mut self, settings: &'a Settings) -> Raw<'a> {
        let mut raw = Raw::new();
        for (key, value) in settings.iter() {
            let Some(rest) = key.strip_prefix(PREFIX) else {
                continue;
            };
            if *value == SettingValue::Null {
                continue;
            }
            let mut parts = rest.splitn(3, '.');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(kind), Some(name), Some(parameter)) if KINDS.contains(&kind) => {
                    if let Err(problem) = check_name(kind, name) {
                        self.problems.push(problem);
                    }
                    raw.entry((kind, name)).or_default().insert(parameter, value);
                }
                _ => self.problems.push(format!(
                    "[{key}] defines nothing: analysis is made of [{}], each with a name and parameters",
                    KINDS.join(", ")
                )),
            }
        }
        raw
    }

    fn read(&mut self, reader: &Reader<'_>) {
        for (kind, name) in reader.raw.keys() {
            // A tokenizer or filter is checked whether an analyzer uses it or not.
            let problem = match *kind {
                "tokenizer" => reader.tokenizer(name, "").err(),
                "filter" => reader.filter(name, "").err(),
                "char_filter" => reader.char_filter(name, "").err(),
                "analyzer" => {
                    let chain = reader.analyzer(name);
                    let problem = chain.as_ref().err().cloned();
                    self.analyzers.insert((*name).to_owned(), chain.map(Arc::new));
                    problem
                }
                _ => {
                    let chain = reader.normalizer(name);
                    let problem = chain.as_ref().err().cloned();
                    self.normalizers.insert((*name).to_owned(), chain.map(Arc::new));
                    problem
                }
            };
            if let Some(problem) = problem
                && !self.problems.contains(&problem)
            {
                self.problems.push(problem);
            }
        }
    }

    /// Whether every definition is one that this version can do.
    ///
    /// # Errors
    /// [`SettingsError::Analysis`] with the first that is not.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self.problems.first() {
            None => Ok(()),
            Some(problem) => Err(SettingsError::Analysis(problem.clone())),
        }
    }

    /// Whether the index defines nothing, and has what is built in only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.analyzers.is_empty() && self.normalizers.is_empty()
    }

    /// The analyzers that the index defines, by name; `Err` is what is wrong with one.
    pub fn analyzers(&self) -> impl Iterator<Item = (&str, Result<&Arc<AnalyzerChain>, &str>)> {
        self.analyzers
            .iter()
            .map(|(name, read)| (name.as_str(), read.as_ref().map_err(String::as_str)))
    }

    /// The normalizers that the index defines, by name; `Err` is what is wrong with one.
    pub fn normalizers(&self) -> impl Iterator<Item = (&str, Result<&Arc<NormalizerChain>, &str>)> {
        self.normalizers
            .iter()
            .map(|(name, read)| (name.as_str(), read.as_ref().map_err(String::as_str)))
    }

    /// Whether a mapping may name this analyzer.
    #[must_use]
    pub fn has_analyzer(&self, name: &str) -> bool {
        name == "default" || self.analyzers.contains_key(name) || AnalyzerChain::built_in(name).is_some()
    }

    /// Whether a mapping may name this normalizer.
    #[must_use]
    pub fn has_normalizer(&self, name: &str) -> bool {
        self.normalizers.contains_key(name) || NormalizerChain::built_in(name).is_some()
    }
}

fn check_name(kind: &str, name: &str) -> Result<(), String> {
    if kind == "analyzer" && name.starts_with('_') {
        return Err(format!("analyzer name must not start with '_'. got \"{name}\""));
    }
    if name.chars().any(char::is_control) {
        return Err(format!(
            "the name of {kind} [{}] has control characters",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// The settings beside `index.analysis` that bound what may be defined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// `index.max_ngram_diff`
    pub(super) max_ngram_diff: usize,
    /// `index.max_shingle_diff`
    pub(super) max_shingle_diff: usize,
}

impl Limits {
    fn of(settings: &Settings) -> Self {
        let read = |key, default| {
            let text = settings.get_str(key);
            text.and_then(|text| text.trim().parse().ok()).unwrap_or(default)
        };
        Self {
            max_ngram_diff: read("index.max_ngram_diff", 1),
            max_shingle_diff: read("index.max_shingle_diff", 3),
        }
    }
}

/// Looks definitions up by name: those of the index first, then those that are built in.
struct Reader<'a> {
    raw: Raw<'a>,
    limits: Limits,
}

impl Reader<'_> {
    fn definition<'n>(&'n self, kind: &'n str, name: &'n str) -> Option<&'n Definition<'n>> {
        let raw: &'n Raw<'n> = &self.raw;
        raw.get(&(kind, name))
    }

    /// The type and the other parameters of a definition; for a name without one, the type of that name with its defaults.
    fn component<'n>(&'n self, kind: &'n str, name: &'n str) -> Result<(&'n str, Parameters<'n>), String> {
        let Some(definition) = self.definition(kind, name) else {
            return Ok((name, Parameters::defaults(kind, name)));
        };
        let mut definition = definition.clone();
        match definition.remove("type") {
            Some(SettingValue::String(of)) => Ok((of, Parameters::new(kind, name, definition))),
            _ => Err(format!("{kind} [{name}] must specify a [type]")),
        }
    }

    /// `missing` says who looks for it, if it is not a definition that is looked at for its own sake.
    fn tokenizer(&self, name: &str, missing: &str) -> Result<TokenizerDefinition, String> {
        let (kind, parameters) = self.component("tokenizer", name)?;
        TokenizerDefinition::parse(name, kind, parameters, self.limits.max_ngram_diff)
            .map_err(|problem| self.or_missing("tokenizer", name, missing, problem))
    }

    fn filter(&self, name: &str, missing: &str) -> Result<TokenFilterDefinition, String> {
        let (kind, parameters) = self.component("filter", name)?;
        TokenFilterDefinition::parse(name, kind, parameters, self.limits)
            .map_err(|problem| self.or_missing("filter", name, missing, problem))
    }

    fn char_filter(&self, name: &str, missing: &str) -> Result<CharFilterDefinition, String> {
        let (kind, parameters) = self.component("char_filter", name)?;
        CharFilterDefinition::parse(name, kind, parameters)
            .map_err(|problem| self.or_missing("char_filter", name, missing, problem))
    }

    /// Source: how Elasticsearch says that an analyzer names something that is not there.
    fn or_missing(&self, kind: &str, name: &str, missing: &str, problem: String) -> String {
        if missing.is_empty() {
            return problem;
        }
        if self.definition(kind, name).is_some() {
            return format!("{missing}: {problem}");
        }
        format!("{missing} failed to find {kind} under name [{name}]: {problem}")
    }

    /// The names that a custom analyzer or normalizer lists.
    fn names(&self, parameters: &mut Parameters<'_>, key: &str) -> Result<Vec<String>, String> {
        let names = parameters.list(key)?.unwrap_or_default();
        if names.len() > MAX_FILTERS {
            return Err(parameters.problem(format_args!(
                "[{key}] names {} filters, the limit is {MAX_FILTERS}",
                names.len()
            )));
        }
        Ok(names)
    }

    fn analyzer(&self, name: &str) -> Result<AnalyzerChain, String> {
        let mut definition = self.definition("analyzer", name).cloned().unwrap_or_default();
        let kind = match definition.remove("type") {
            Some(SettingValue::String(kind)) => kind.as_str(),
            Some(_) => return Err(format!("analyzer [{name}]: [type] must be one text")),
            None if definition.contains_key("tokenizer") => "custom",
            None => {
                return Err(format!(
                    "analyzer [{name}] must specify either an analyzer type, or a tokenizer"
                ));
            }
        };
        let mut parameters = Parameters::new("analyzer", name, definition);
        let chain = match kind {
            "custom" => self.custom(name, &mut parameters)?,
            _ => match AnalyzerChain::configured(kind, &mut parameters)? {
                Some(chain) => chain,
                None => return Err(format!("Unknown analyzer type [{kind}] for [{name}]")),
            },
        };
        parameters.finish()?;
        Ok(chain)
    }

    fn custom(&self, name: &str, parameters: &mut Parameters<'_>) -> Result<AnalyzerChain, String> {
        let missing = format!("Custom Analyzer [{name}]");
        parameters.only("position_increment_gap", "100")?;
        let Some(tokenizer) = parameters.text("tokenizer")? else {
            return Err(format!("analyzer [{name}] must be configured with a tokenizer"));
        };
        let char_filters = self.names(parameters, "char_filter")?;
        let names = self.names(parameters, "filter")?;
        let filters = self.filters(&names, &missing)?;
        let has_synonyms =
            |filter: &&TokenFilterDefinition| matches!(filter, TokenFilterDefinition::Synonym(_));
        if filters.iter().filter(has_synonyms).count() > MAX_SYNONYM_FILTERS {
            return Err(format!(
                "{missing} has more synonym filters than [{MAX_SYNONYM_FILTERS}]"
            ));
        }
        Ok(AnalyzerChain {
            char_filters: self.char_filters(&char_filters, &missing)?,
            tokenizer: self.tokenizer(&tokenizer, &missing)?,
            filters,
        })
    }

    fn filters(&self, names: &[String], missing: &str) -> Result<Vec<TokenFilterDefinition>, String> {
        names.iter().map(|name| self.filter(name, missing)).collect()
    }

    fn char_filters(&self, names: &[String], missing: &str) -> Result<Vec<CharFilterDefinition>, String> {
        names.iter().map(|name| self.char_filter(name, missing)).collect()
    }

    fn normalizer(&self, name: &str) -> Result<NormalizerChain, String> {
        let mut definition = self.definition("normalizer", name).cloned().unwrap_or_default();
        match definition.remove("type") {
            None => {}
            Some(SettingValue::String(kind)) if kind == "custom" => {}
            Some(kind) => {
                return Err(format!(
                    "Unknown normalizer type [{}] for [{name}]",
                    kind.to_text()
                ));
            }
        }
        if definition.contains_key("tokenizer") {
            return Err(format!("Custom normalizer [{name}] cannot configure a tokenizer"));
        }
        let missing = format!("Custom normalizer [{name}]");
        let mut parameters = Parameters::new("normalizer", name, definition);
        let char_filters = self.names(&mut parameters, "char_filter")?;
        let names = self.names(&mut parameters, "filter")?;
        parameters.finish()?;
        let filters = self.filters(&names, &missing)?;
        let changes = self.char_filters(&char_filters, &missing)?;
        for (name_of_filter, filter) in char_filters.iter().zip(&changes) {
            if !filter.is_for_normalizers() {
                return Err(format!(
                    "Custom normalizer [{name}] may not use char filter [{name_of_filter}]"
                ));
            }
        }
        for (name_of_filter, filter) in names.iter().zip(&filters) {
            if !filter.is_per_character() {
                return Err(format!(
                    "Custom normalizer [{name}] may not use filter [{name_of_filter}]"
                ));
            }
        }
        Ok(NormalizerChain {
            char_filters: changes,
            filters,
        })
    }
}
