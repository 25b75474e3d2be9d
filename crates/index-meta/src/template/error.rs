//! Why templates are refused, and how each refusal is shown to clients.

use std::collections::BTreeMap;
use std::fmt;

use es_exception::{Exception, ExceptionKind};

use crate::error::{MappingError, SettingsError};

/// Which kind of template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    /// A building block.
    Component,
    /// A template for indices.
    Index,
    /// A template for indices of the old kind.
    Legacy,
}

impl fmt::Display for TemplateKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Component => "component template",
            Self::Index => "index template",
            Self::Legacy => "index_template",
        })
    }
}

/// Why a template is refused, or does not compose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The JSON is not that of a template.
    #[error("{0}")]
    Malformed(String),
    /// A template that must be new is there already.
    #[error("{kind} [{name}] already exists")]
    Exists {
        /// Which kind.
        kind: TemplateKind,
        /// Its name.
        name: String,
    },
    /// No template has one of these names.
    #[error("{}", missing(*.kind, .name))]
    Missing {
        /// Which kind.
        kind: TemplateKind,
        /// The names, or the pattern.
        name: String,
    },
    /// Something is wrong with the template by itself.
    #[error("index_template [{name}] invalid, cause [{cause}]")]
    Invalid {
        /// The template's name.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// An alias has the name that a pattern of the same template is.
    #[error("alias [{alias}] cannot be the same as any pattern in [{}]", .patterns.join(", "))]
    AliasIsPattern {
        /// The alias.
        alias: String,
        /// The template's patterns.
        patterns: Vec<String>,
    },
    /// Which of two templates applies to a name would be anybody's guess.
    #[error(
        "index template [{name}] has index patterns {} matching patterns from existing templates [{}] with patterns ({}) that have the same \
         priority [{priority}], multiple index templates may not match during index creation, please use a different priority",
        bracketed(.patterns),
        .others.keys().cloned().collect::<Vec<_>>().join(","),
        .others.iter().map(|(name, patterns)| format!("{name} => {}", bracketed(patterns))).collect::<Vec<_>>().join(",")
    )]
    Overlap {
        /// The template's name.
        name: String,
        /// Its patterns.
        patterns: Vec<String>,
        /// The patterns of the others by their names.
        others: BTreeMap<String, Vec<String>>,
        /// The priority of all of them.
        priority: i64,
    },
    /// An index template takes the names that a legacy one is for.
    #[error(
        "legacy template [{name}] has index patterns {} matching patterns from existing composable templates [{}] with patterns ({}), use \
         composable templates (/_index_template) instead",
        bracketed(.patterns),
        .others.keys().cloned().collect::<Vec<_>>().join(","),
        .others.iter().map(|(name, patterns)| format!("{name} => {}", bracketed(patterns))).collect::<Vec<_>>().join(",")
    )]
    LegacyOverlap {
        /// The template's name.
        name: String,
        /// Its patterns.
        patterns: Vec<String>,
        /// The patterns of the others by their names.
        others: BTreeMap<String, Vec<String>>,
    },
    /// Component templates are still used.
    #[error(
        "component templates {} cannot be removed as they are still in use by index templates {}",
        bracketed(.components),
        bracketed(.templates)
    )]
    InUse {
        /// The component templates.
        components: Vec<String>,
        /// Who uses them.
        templates: Vec<String>,
    },
    /// A component template would give a setting to a template that may not have it.
    #[error(
        "cannot update component template [{name}] because the following global templates would resolve to specifying the [index.hidden] \
         setting: [{}]", .templates.join(",")
    )]
    GlobalHidden {
        /// The component template.
        name: String,
        /// The index templates.
        templates: Vec<String>,
    },
    /// The parts of an index template do not go together.
    #[error(
        "composable template [{name}] template after composition {}is invalid",
        if .composed_of.is_empty() { String::new() } else { format!("with component templates {} ", bracketed(.composed_of)) }
    )]
    Composition {
        /// The template's name.
        name: String,
        /// Its component templates.
        composed_of: Vec<String>,
        /// What is wrong with the whole.
        #[source]
        cause: Box<TemplateError>,
    },
    /// A component template does not go together with an index template that uses it.
    #[error(
        "updating component template [{name}] results in invalid composable template [{template}] after templates are merged"
    )]
    BreaksTemplate {
        /// The component template.
        name: String,
        /// The index template.
        template: String,
        /// What is wrong with the whole.
        #[source]
        cause: Box<TemplateError>,
    },
    /// The mappings of a template and its components do not go together.
    #[error("invalid composite mappings for [{name}]")]
    CompositeMappings {
        /// The template's name.
        name: String,
        /// What is wrong with the whole.
        #[source]
        cause: MappingError,
    },
    /// No template says what a data stream of this name is made of.
    #[error("no matching index template found for data stream [{stream}]")]
    NoDataStreamTemplate {
        /// The stream.
        stream: String,
    },
    /// The template that matches makes indices.
    #[error("matching index template [{template}] for data stream [{stream}] has no data stream template")]
    NotForDataStreams {
        /// The stream.
        stream: String,
        /// The template.
        template: String,
    },
    /// The template that matches makes data streams.
    #[error(
        "cannot create index with name [{index}], because it matches with template [{template}] that creates data streams only, use create \
         data stream api instead"
    )]
    OnlyForDataStreams {
        /// The index.
        index: String,
        /// The template.
        template: String,
    },
    /// A mapping is wrong.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There would be too many templates, or they would be too large.
    #[error("{0}")]
    Limit(String),
}

impl TemplateError {
    /// The failure as clients see it; 404 for what is missing, else 400.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        let kind = match self {
            Self::Malformed(_) => ExceptionKind::XContentParse,
            Self::Missing {
                kind: TemplateKind::Index | TemplateKind::Legacy,
                ..
            } => ExceptionKind::IndexTemplateMissing,
            Self::Missing { .. } => ExceptionKind::ResourceNotFound,
            Self::Invalid { .. } => ExceptionKind::InvalidIndexTemplate,
            Self::Mapping(cause) => return cause.to_exception(),
            Self::Settings(cause) => return cause.to_exception(),
            _ => ExceptionKind::IllegalArgument,
        };
        let exception = Exception::new(kind, self.to_string());
        match self {
            Self::Composition { cause, .. } | Self::BreaksTemplate { cause, .. } => {
                exception.with_cause(cause.to_exception())
            }
            Self::CompositeMappings { cause, .. } => exception.with_cause(cause.to_exception()),
            _ => exception,
        }
    }
}

impl From<&TemplateError> for Exception {
    fn from(error: &TemplateError) -> Self {
        error.to_exception()
    }
}

fn missing(kind: TemplateKind, name: &str) -> String {
    match kind {
        TemplateKind::Component => format!("component template matching [{name}] not found"),
        TemplateKind::Index | TemplateKind::Legacy => format!("index_template [{name}] missing"),
    }
}

/// A list as Elasticsearch prints it in its reasons.
pub(super) fn bracketed(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// Several mistakes in one text, as Elasticsearch numbers them.
pub(super) fn numbered(problems: &[String]) -> String {
    let numbered: Vec<String> = problems
        .iter()
        .enumerate()
        .map(|(position, problem)| format!("{}: {problem};", position + 1))
        .collect();
    format!("Validation Failed: {}", numbered.join(""))
}
