//! The analyzers and normalizers of an index, by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use es_exception::Exception;
use index_meta::{AnalysisDefinitions, AnalyzerChain, FieldMapping, FieldType, Mapping, NormalizerChain};
use parking_lot::Mutex;
use tantivy::tokenizer::TextAnalyzer;
use twox_hash::XxHash3_64;

use super::chain::build;
use super::normalizer::Normalizer;

/// The analyzer of fields that name none.
const DEFAULT: &str = "default";
/// Goes into every fingerprint. A release in which a tokenizer or filter answers otherwise than before must raise it. 2: the values of a field lie
/// 100 positions apart.
const VERSION: u32 = 2;

/// Something that an index defines, ready for use; or why it cannot be used.
#[derive(Clone)]
struct Ready<T> {
    made: Result<T, String>,
    fingerprint: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Analyzers {
    analyzers: HashMap<String, Ready<TextAnalyzer>>,
    normalizers: HashMap<String, Ready<Normalizer>>,
}

impl std::fmt::Debug for Analyzers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Analyzers")
            .field("analyzers", &self.analyzers.keys())
            .field("normalizers", &self.normalizers.keys())
            .finish()
    }
}

/// What every index has, made when it is first asked for. It is bounded by the number of names that are built in.
static BUILT_IN: LazyLock<Mutex<HashMap<String, Ready<TextAnalyzer>>>> = LazyLock::new(Mutex::default);
static LOWERCASE: LazyLock<Option<Ready<Normalizer>>> =
    LazyLock::new(|| NormalizerChain::built_in("lowercase").map(|chain| make(&chain, Normalizer::new)));
/// The table of the indices that define nothing.
static PLAIN: LazyLock<Arc<Analyzers>> = LazyLock::new(Arc::default);

fn make<C: Hash, T>(chain: &C, build: impl FnOnce(&C) -> Result<T, String>) -> Ready<T> {
    let mut hasher = XxHash3_64::default();
    VERSION.hash(&mut hasher);
    chain.hash(&mut hasher);
    Ready {
        made: build(chain),
        fingerprint: hasher.finish(),
    }
}

fn broken<T>(problem: &str) -> Ready<T> {
    Ready {
        made: Err(problem.to_owned()),
        fingerprint: 0,
    }
}

fn built_in(name: &str) -> Option<Ready<TextAnalyzer>> {
    if let Some(ready) = BUILT_IN.lock().get(name) {
        return Some(ready.clone());
    }
    let ready = make(&AnalyzerChain::built_in(name)?, build);
    BUILT_IN.lock().insert(name.to_owned(), ready.clone());
    Some(ready)
}

/// Whether everything that an index defines can be used: what [`AnalysisDefinitions::check`] cannot tell is whether patterns and synonyms are
/// well-formed.
///
/// # Errors
/// `illegal_argument_exception` that names the first definition which cannot.
pub fn check_analysis(definitions: &AnalysisDefinitions) -> Result<(), Exception> {
    definitions.check().map_err(|error| error.to_exception())?;
    let table = Analyzers::make(definitions);
    let analyzers = table
        .analyzers
        .iter()
        .filter_map(|(name, ready)| Some(("analyzer", name, ready.made.as_ref().err()?)));
    let normalizers = table
        .normalizers
        .iter()
        .filter_map(|(name, ready)| Some(("normalizer", name, ready.made.as_ref().err()?)));
    match analyzers.chain(normalizers).min() {
        None => Ok(()),
        Some((kind, name, problem)) => Err(Exception::illegal_argument(format!(
            "failed to build {kind} [{name}]: {problem}"
        ))),
    }
}

impl Analyzers {
    /// The table of an index. What cannot be made is kept with its problem, and told in the node's log by `label`.
    pub(crate) fn of(definitions: &AnalysisDefinitions, label: &str) -> Arc<Self> {
        if definitions.is_empty() {
            return Arc::clone(&PLAIN);
        }
        let table = Self::make(definitions);
        for (name, ready) in &table.analyzers {
            if let Err(problem) = &ready.made {
                tracing::warn!(
                    shard = label,
                    analyzer = name,
                    problem,
                    "analyzer cannot be used, fields with it cannot be searched"
                );
            }
        }
        for (name, ready) in &table.normalizers {
            if let Err(problem) = &ready.made {
                tracing::warn!(
                    shard = label,
                    normalizer = name,
                    problem,
                    "normalizer cannot be used, fields with it cannot be searched"
                );
            }
        }
        Arc::new(table)
    }

    /// The table of an index that defines nothing.
    #[cfg(test)]
    pub(crate) fn plain() -> Arc<Self> {
        Arc::clone(&PLAIN)
    }

    /// As [`of`](Self::of), without a word in the log.
    pub(super) fn make(definitions: &AnalysisDefinitions) -> Self {
        let analyzers = definitions.analyzers().map(|(name, read)| {
            let ready = match read {
                Ok(chain) => make(&**chain, build),
                Err(problem) => broken(problem),
            };
            (name.to_owned(), ready)
        });
        let normalizers = definitions.normalizers().map(|(name, read)| {
            let ready = match read {
                Ok(chain) => make(&**chain, Normalizer::new),
                Err(problem) => broken(problem),
            };
            (name.to_owned(), ready)
        });
        Self {
            analyzers: analyzers.collect(),
            normalizers: normalizers.collect(),
        }
    }

    fn analyzer(&self, name: &str) -> Option<Ready<TextAnalyzer>> {
        match self.analyzers.get(name) {
            Some(ready) => Some(ready.clone()),
            None if name == DEFAULT => built_in("standard"),
            None => built_in(name),
        }
    }

    fn normalizer(&self, name: &str) -> Option<&Ready<Normalizer>> {
        match self.normalizers.get(name) {
            Some(ready) => Some(ready),
            None if name == "lowercase" => LOWERCASE.as_ref(),
            None => None,
        }
    }

    /// The analyzer of this name.
    ///
    /// # Errors
    /// Why it cannot be used; `None` if there is none.
    pub(crate) fn get(&self, name: &str) -> Result<TextAnalyzer, Option<String>> {
        self.analyzer(name).ok_or(None)?.made.map_err(Some)
    }

    /// The analyzer that documents are indexed with. One that cannot be used must not stop replication: `standard` takes its place, and
    /// [`check_field`](Self::check_field) refuses searches.
    pub(super) fn for_indexing(&self, name: &str) -> TextAnalyzer {
        let made = self.analyzer(name).and_then(|ready| ready.made.ok());
        made.or_else(|| built_in("standard")?.made.ok())
            .unwrap_or_default()
    }

    /// The name of the analyzer that a text field is indexed with.
    pub(crate) fn index_analyzer(mapping: &FieldMapping) -> &str {
        mapping.analyzer().unwrap_or(DEFAULT)
    }

    /// The name of the analyzer of a query on a text field; `quoted` for a phrase.
    ///
    /// Source: the field's own for searches, else the index's default for searches if the field names none at all, else that of indexing.
    pub(crate) fn search_analyzer<'m>(&self, mapping: &'m FieldMapping, quoted: bool) -> &'m str {
        if let (true, Some(name)) = (quoted, mapping.search_quote_analyzer()) {
            return name;
        }
        if let Some(name) = mapping.search_analyzer().or(mapping.analyzer()) {
            return name;
        }
        let defaults: &[&'static str] = if quoted {
            &["default_search_quoted", "default_search"]
        } else {
            &["default_search"]
        };
        let defined = defaults.iter().find(|name| self.analyzers.contains_key(**name));
        defined.copied().unwrap_or(DEFAULT)
    }

    /// The term of a keyword.
    pub(crate) fn normalize<'t>(&self, mapping: &FieldMapping, text: &'t str) -> Cow<'t, str> {
        let normalizer = mapping.normalizer().and_then(|name| self.normalizer(name));
        match normalizer.map(|ready| &ready.made) {
            Some(Ok(normalizer)) => normalizer.normalize(text),
            _ => Cow::Borrowed(text),
        }
    }

    /// The normalizer of this name applied to a text; `None` if there is none that works.
    pub(super) fn normalize_by<'t>(&self, name: &str, text: &'t str) -> Option<Cow<'t, str>> {
        Some(self.normalizer(name)?.made.as_ref().ok()?.normalize(text))
    }

    /// Whether the field was indexed as its mapping says.
    ///
    /// # Errors
    /// Why not: the mapping names what this version cannot do or the index has not.
    pub(crate) fn check_field(&self, mapping: &FieldMapping) -> Result<(), String> {
        let problem = |kind: &str, name: &str, problem: Option<&String>| {
            let problem = problem.map_or("there is none of this name", String::as_str);
            Err(format!(
                "{kind} [{name}] of field [{}] cannot be used: {problem}",
                mapping.path()
            ))
        };
        match (mapping.field_type(), mapping.normalizer()) {
            (FieldType::Text, _) => {
                let name = Self::index_analyzer(mapping);
                match self.analyzers.get(name).map(|ready| &ready.made) {
                    Some(Ok(_)) => Ok(()),
                    Some(Err(cause)) => problem("analyzer", name, Some(cause)),
                    None if name == DEFAULT || built_in(name).is_some() => Ok(()),
                    None => problem("analyzer", name, None),
                }
            }
            (FieldType::Keyword, Some(name)) => match self.normalizer(name).map(|ready| &ready.made) {
                Some(Ok(_)) => Ok(()),
                other => problem("normalizer", name, other.and_then(|made| made.as_ref().err())),
            },
            _ => Ok(()),
        }
    }

    /// What documents are indexed by under `mapping`: for each name in use a number that is another one when the definition is.
    pub(crate) fn fingerprints(&self, mapping: &Mapping) -> BTreeMap<String, u64> {
        let fields = mapping.fields();
        let analyzers: BTreeSet<&str> = fields
            .iter()
            .filter(|field| field.field_type() == FieldType::Text)
            .map(|field| Self::index_analyzer(field))
            .collect();
        let normalizers: BTreeSet<&str> = fields.iter().filter_map(|field| field.normalizer()).collect();
        let analyzers = analyzers.into_iter().map(|name| {
            (
                name.to_owned(),
                self.analyzer(name).map_or(0, |ready| ready.fingerprint),
            )
        });
        let normalizers = normalizers.into_iter().map(|name| {
            let fingerprint = self.normalizer(name).map_or(0, |ready| ready.fingerprint);
            (format!("{NORMALIZER}{name}"), fingerprint)
        });
        analyzers.chain(normalizers).collect()
    }

    /// The first name whose definition is not the one of `fingerprints` any more.
    pub(crate) fn changed_since<'f>(&self, fingerprints: &'f BTreeMap<String, u64>) -> Option<&'f str> {
        let differs = |(name, fingerprint): &(&'f String, &u64)| {
            let now = match name.strip_prefix(NORMALIZER) {
                Some(name) => self.normalizer(name).map(|ready| ready.fingerprint),
                None => self.analyzer(name).map(|ready| ready.fingerprint),
            };
            now.unwrap_or(0) != **fingerprint
        };
        fingerprints.iter().find(differs).map(|(name, _)| name.as_str())
    }
}

/// Before the names of normalizers among fingerprints. No name of an analyzer has a control character.
const NORMALIZER: &str = "normalizer\u{1f}";
