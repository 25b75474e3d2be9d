//! The languages that there are stemmers for.

/// A language with a Snowball stemmer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named as the language is")]
pub enum AnalysisLanguage {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

impl AnalysisLanguage {
    /// Every language.
    pub const ALL: &'static [Self] = &[
        Self::Arabic,
        Self::Danish,
        Self::Dutch,
        Self::English,
        Self::Finnish,
        Self::French,
        Self::German,
        Self::Greek,
        Self::Hungarian,
        Self::Italian,
        Self::Norwegian,
        Self::Portuguese,
        Self::Romanian,
        Self::Russian,
        Self::Spanish,
        Self::Swedish,
        Self::Tamil,
        Self::Turkish,
    ];

    /// The name in settings, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arabic => "arabic",
            Self::Danish => "danish",
            Self::Dutch => "dutch",
            Self::English => "english",
            Self::Finnish => "finnish",
            Self::French => "french",
            Self::German => "german",
            Self::Greek => "greek",
            Self::Hungarian => "hungarian",
            Self::Italian => "italian",
            Self::Norwegian => "norwegian",
            Self::Portuguese => "portuguese",
            Self::Romanian => "romanian",
            Self::Russian => "russian",
            Self::Spanish => "spanish",
            Self::Swedish => "swedish",
            Self::Tamil => "tamil",
            Self::Turkish => "turkish",
        }
    }

    /// The language with this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let same = |language: &&Self| language.name().eq_ignore_ascii_case(name);
        Self::ALL.iter().find(same).copied()
    }

    /// Whether there is a list of stop words. Those languages have an analyzer too.
    #[must_use]
    pub const fn has_stop_words(self) -> bool {
        !matches!(
            self,
            Self::Arabic | Self::Greek | Self::Romanian | Self::Tamil | Self::Turkish
        )
    }

    /// The names of all languages, or of those with stop words, for messages.
    pub(super) fn names(with_stop_words: bool) -> String {
        let wanted = |language: &&Self| !with_stop_words || language.has_stop_words();
        let names: Vec<&str> = Self::ALL
            .iter()
            .filter(wanted)
            .map(|language| language.name())
            .collect();
        names.join(", ")
    }
}
