//! What `_analyze` answers.

use std::collections::HashMap;

use es_exception::{Exception, ExceptionKind};
use index_meta::{
    AnalysisDefinitions, AnalyzerChain, FieldType, Mapping, SettingValue, Settings, TokenizerDefinition,
};
use serde_json::Value;
use tantivy::tokenizer::{TextAnalyzer, Token};

use super::analyzed_text::POSITION_INCREMENT_GAP;
use super::chain::build;
use super::standard::word_type;
use super::{Analyzers, SYNONYM};

/// What texts are analyzed by.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalyzeWith {
    /// The default analyzer.
    Default,
    /// An analyzer, by name.
    Analyzer(String),
    /// That of a field.
    Field(String),
    /// A normalizer, by name.
    Normalizer(String),
    /// A chain of its own. Each link is a name, or an object that defines it.
    Custom {
        /// Without one the whole text is a token.
        tokenizer: Option<Value>,
        /// Token filters.
        filters: Vec<Value>,
        /// Character filters.
        char_filters: Vec<Value>,
    },
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzeRequest {
    /// The texts, taken for values of one field.
    pub texts: Vec<String>,
    /// By what.
    pub with: AnalyzeWith,
}

/// A token as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyzedToken {
    /// The term.
    pub token: String,
    /// Where it begins, in UTF-16 units.
    pub start_offset: usize,
    /// Where it ends.
    pub end_offset: usize,
    /// Its type, such as `<ALPHANUM>`, `word` or `SYNONYM`.
    pub kind: &'static str,
    /// Its position among the tokens.
    pub position: usize,
}

/// Source: offsets between the values of a field.
const OFFSET_GAP: usize = 1;
/// The name of a chain that a request brings along.
const ANONYMOUS: &str = "_anonymous";

/// Analyzes texts by the analyzers of an index, or by those that are built in if there is none: `settings` and `mapping` are empty then.
///
/// # Errors
/// `illegal_argument_exception` for what is not there; `illegal_state_exception` for more than `max_tokens` tokens.
pub fn analyze(
    settings: &Settings,
    mapping: &Mapping,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<Vec<AnalyzedToken>, Exception> {
    let definitions = AnalysisDefinitions::from_settings(settings);
    let analyzers = Analyzers::make(&definitions);
    match &request.with {
        AnalyzeWith::Default => by_name(&definitions, &analyzers, "default", request, max_tokens),
        AnalyzeWith::Analyzer(name) => by_name(&definitions, &analyzers, name, request, max_tokens),
        AnalyzeWith::Normalizer(name) => by_normalizer(&analyzers, name, request, max_tokens),
        AnalyzeWith::Field(path) => match mapping.field(path) {
            None => by_name(&definitions, &analyzers, "default", request, max_tokens),
            Some(field) => match (field.field_type(), field.normalizer()) {
                (FieldType::Text, _) => {
                    let name = Analyzers::index_analyzer(field);
                    by_name(&definitions, &analyzers, name, request, max_tokens)
                }
                (FieldType::Keyword, Some(name)) => by_normalizer(&analyzers, name, request, max_tokens),
                (FieldType::Keyword, None) => {
                    by_name(&definitions, &analyzers, "keyword", request, max_tokens)
                }
                _ => Err(Exception::illegal_argument(format!(
                    "Can't process field [{path}], Analysis requests are only supported on tokenized fields"
                ))),
            },
        },
        AnalyzeWith::Custom {
            tokenizer,
            filters,
            char_filters,
        } => {
            let chain = custom_chain(settings, tokenizer.as_ref(), filters, char_filters)?;
            let analyzer = build(&chain).map_err(Exception::illegal_argument)?;
            run(analyzer, is_standard(&chain), request, max_tokens)
        }
    }
}

pub(super) fn is_standard(chain: &AnalyzerChain) -> bool {
    matches!(chain.tokenizer, TokenizerDefinition::Standard { .. })
}

fn by_name(
    definitions: &AnalysisDefinitions,
    analyzers: &Analyzers,
    name: &str,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<Vec<AnalyzedToken>, Exception> {
    let analyzer = analyzers.get(name).map_err(|problem| {
        Exception::illegal_argument(match problem {
            Some(problem) => format!("analyzer [{name}] cannot be used: {problem}"),
            None => format!("failed to find analyzer [{name}]"),
        })
    })?;
    let defined = definitions.analyzers().find(|(defined, _)| *defined == name);
    let is_standard = match defined {
        Some((_, chain)) => chain.is_ok_and(|chain| is_standard(chain)),
        None => name == "default" || AnalyzerChain::built_in(name).is_some_and(|chain| is_standard(&chain)),
    };
    run(analyzer, is_standard, request, max_tokens)
}

fn by_normalizer(
    analyzers: &Analyzers,
    name: &str,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<Vec<AnalyzedToken>, Exception> {
    let mut sink = Sink::new(max_tokens);
    for text in &request.texts {
        let term = analyzers.normalize_by(name, text).ok_or_else(|| {
            Exception::illegal_argument(format!("failed to find normalizer under [{name}]"))
        })?;
        let token = Token {
            offset_to: text.len(),
            position: 0,
            text: term.into_owned(),
            ..Token::default()
        };
        sink.take(text, vec![token], false)?;
    }
    Ok(sink.tokens)
}

pub(super) fn run(
    mut analyzer: TextAnalyzer,
    is_standard: bool,
    request: &AnalyzeRequest,
    max_tokens: u64,
) -> Result<Vec<AnalyzedToken>, Exception> {
    let mut sink = Sink::new(max_tokens);
    for text in &request.texts {
        let mut tokens = Vec::new();
        let mut stream = analyzer.token_stream(text);
        while stream.advance() {
            // One more than there may be is enough to tell.
            sink.check(tokens.len() + 1)?;
            tokens.push(stream.token().clone());
        }
        drop(stream);
        sink.take(text, tokens, is_standard)?;
    }
    Ok(sink.tokens)
}

/// Puts the tokens of several texts behind each other.
struct Sink {
    tokens: Vec<AnalyzedToken>,
    max_tokens: u64,
    position: usize,
    offset: usize,
}

impl Sink {
    fn new(max_tokens: u64) -> Self {
        Self {
            tokens: Vec::new(),
            max_tokens,
            position: 0,
            offset: 0,
        }
    }

    fn check(&self, more: usize) -> Result<(), Exception> {
        if (self.tokens.len() + more) as u64 <= self.max_tokens {
            return Ok(());
        }
        Err(Exception::new(
            ExceptionKind::IllegalState,
            format!(
                "The number of tokens produced by calling _analyze has exceeded the allowed maximum of [{}]. This limit can be set by changing the [index.analyze.max_token_count] index level setting.",
                self.max_tokens
            ),
        ))
    }

    fn take(&mut self, text: &str, tokens: Vec<Token>, is_standard: bool) -> Result<(), Exception> {
        self.check(tokens.len())?;
        let units = utf16_offsets(text, &tokens);
        let unit = |offset: usize| self.offset + units.get(&offset).copied().unwrap_or(offset);
        let mut last_position = None;
        let analyzed = tokens.into_iter().map(|token| {
            last_position = Some(token.position);
            let kind = if token.position_length == SYNONYM {
                "SYNONYM"
            } else if is_standard {
                word_type(text.get(token.offset_from..token.offset_to).unwrap_or_default())
            } else {
                "word"
            };
            AnalyzedToken {
                token: token.text,
                start_offset: unit(token.offset_from),
                end_offset: unit(token.offset_to),
                kind,
                position: self.position + token.position,
            }
        });
        self.tokens.extend(analyzed);
        self.position += last_position.map_or(0, |last| last + 1) + POSITION_INCREMENT_GAP;
        self.offset += text.encode_utf16().count() + OFFSET_GAP;
        Ok(())
    }
}

/// The offsets of the tokens in UTF-16 units, by those in bytes.
fn utf16_offsets(text: &str, tokens: &[Token]) -> HashMap<usize, usize> {
    if text.is_ascii() {
        return HashMap::new();
    }
    let mut offsets: Vec<usize> = tokens
        .iter()
        .flat_map(|token| [token.offset_from, token.offset_to])
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut units = HashMap::with_capacity(offsets.len());
    let (mut passed, mut passed_units) = (0, 0);
    for offset in offsets {
        // An offset that a character filter shifted into a character belongs to its beginning.
        let end = (passed..=offset)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(passed);
        passed_units += text[passed..end].encode_utf16().count();
        passed = end;
        units.insert(offset, passed_units);
    }
    units
}

/// The chain of a request: the settings of the index with some definitions more.
pub(super) fn custom_chain(
    settings: &Settings,
    tokenizer: Option<&Value>,
    filters: &[Value],
    char_filters: &[Value],
) -> Result<AnalyzerChain, Exception> {
    let mut all = settings.clone();
    let prefix = format!("index.analysis.analyzer.{ANONYMOUS}");
    let keyword = Value::from("keyword");
    let tokenizer = define(&mut all, "tokenizer", 0, tokenizer.unwrap_or(&keyword))?;
    all.insert(format!("{prefix}.type"), "custom");
    all.insert(format!("{prefix}.tokenizer"), tokenizer);
    for (kind, links) in [("filter", filters), ("char_filter", char_filters)] {
        let names = links
            .iter()
            .enumerate()
            .map(|(number, link)| define(&mut all, kind, number, link))
            .collect::<Result<Vec<_>, _>>()?;
        all.insert_value(format!("{prefix}.{kind}"), SettingValue::List(names));
    }
    let definitions = AnalysisDefinitions::from_settings(&all);
    let mut analyzers = definitions.analyzers();
    match analyzers.find(|(name, _)| *name == ANONYMOUS) {
        Some((_, Ok(chain))) => Ok(AnalyzerChain::clone(chain)),
        Some((_, Err(problem))) => Err(Exception::illegal_argument(problem)),
        None => Err(Exception::illegal_argument("the request defines no analyzer")),
    }
}

/// The name of one link; an object is put among the settings under a name of its own.
fn define(settings: &mut Settings, kind: &str, number: usize, link: &Value) -> Result<String, Exception> {
    let members = match link {
        Value::String(name) => return Ok(name.clone()),
        Value::Object(members) => members,
        other => {
            return Err(Exception::illegal_argument(format!(
                "[{kind}] must be a name, or an object that defines one, but is [{other}]"
            )));
        }
    };
    let name = format!("{ANONYMOUS}_{kind}_{number}");
    let definition =
        Settings::from_json(&Value::Object(members.clone())).map_err(|error| error.to_exception())?;
    for (key, value) in definition.iter() {
        settings.insert_value(format!("index.analysis.{kind}.{name}.{key}"), value.clone());
    }
    Ok(name)
}
