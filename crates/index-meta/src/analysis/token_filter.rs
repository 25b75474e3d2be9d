//! Token filters: what is done to the tokens.

use super::AnalysisLanguage;
use super::definitions::Limits;
use super::parameters::Parameters;
use super::synonyms::Synonyms;
use super::tokenizer::{check_difference, gram_sizes};

/// A token filter. Lengths are in characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenFilterDefinition {
    /// `lowercase`
    Lowercase,
    /// `uppercase`
    Uppercase,
    /// `asciifolding`
    AsciiFolding {
        /// Whether the token as it was is kept beside.
        preserve_original: bool,
    },
    /// `trim`
    Trim,
    /// `reverse`
    Reverse,
    /// `truncate`
    Truncate {
        /// So much is left.
        length: usize,
    },
    /// `length`: drops tokens outside of these bounds.
    Length {
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// `unique`: drops tokens that have been there.
    Unique {
        /// Whether only those of one position are compared.
        only_on_same_position: bool,
    },
    /// `stop`
    Stop(StopWords),
    /// `stemmer`, `snowball`
    Stemmer(AnalysisLanguage),
    /// `stemmer` with the language `possessive_english`: takes a final `'s` away.
    PossessiveEnglish,
    /// `elision`: takes articles away that an apostrophe joins to the word.
    Elision {
        /// In lower case.
        articles: Vec<String>,
        /// Whether `L'` is `l'`.
        ignore_case: bool,
    },
    /// `ngram`: pieces of the token.
    NGram(GramFilter),
    /// `edge_ngram`: beginnings of the token.
    EdgeNGram(GramFilter),
    /// `synonym`
    Synonym(Synonyms),
    /// `shingle`: tokens that follow each other, joined.
    Shingle(ShingleFilter),
}

/// Words that are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StopWords {
    /// Whole lists.
    pub languages: Vec<AnalysisLanguage>,
    /// Single words.
    pub words: Vec<String>,
    /// Whether case makes no difference.
    pub ignore_case: bool,
}

/// What `ngram` and `edge_ngram` make of a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GramFilter {
    /// Shortest piece.
    pub min_gram: usize,
    /// Longest piece.
    pub max_gram: usize,
    /// Whether a token that is shorter or longer than any piece is kept as well.
    pub preserve_original: bool,
}

/// What `shingle` makes of the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShingleFilter {
    /// Fewest tokens that are joined.
    pub min_shingle_size: usize,
    /// Most tokens that are joined.
    pub max_shingle_size: usize,
    /// Whether the tokens themselves come out too.
    pub output_unigrams: bool,
    /// Whether they do where nothing can be joined.
    pub output_unigrams_if_no_shingles: bool,
    /// What stands between joined tokens.
    pub token_separator: String,
    /// What stands for a position without a token.
    pub filler_token: String,
}

/// The types, for messages.
const TYPES: &str = "lowercase, uppercase, asciifolding, trim, reverse, truncate, length, unique, stop, stemmer, \
                     snowball, porter_stem, elision, ngram, edge_ngram, synonym, synonym_graph, shingle";
/// Most tokens that are joined.
const MAX_SHINGLE_SIZE: usize = 100;
/// Most bytes of what stands between joined tokens, or for a missing one.
const MAX_JOINT_BYTES: usize = 100;
/// Source: the articles of Lucene's French analyzer.
const FRENCH_ARTICLES: &[&str] = &[
    "l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu",
];

impl TokenFilterDefinition {
    pub(super) fn parse(
        name: &str,
        kind: &str,
        mut parameters: Parameters<'_>,
        limits: Limits,
    ) -> Result<Self, String> {
        let taken = &mut parameters;
        let parsed = match kind {
            "lowercase" => {
                if let Some(language) = taken.text("language")? {
                    return Err(taken.problem(format_args!(
                        "[language] is [{language}], but this version has the rules of no language of its own"
                    )));
                }
                Self::Lowercase
            }
            "uppercase" => Self::Uppercase,
            "asciifolding" => Self::AsciiFolding {
                preserve_original: taken.flag("preserve_original", false)?,
            },
            "trim" => Self::Trim,
            "reverse" => Self::Reverse,
            "truncate" => Self::Truncate {
                length: taken.number("length", 10, 1)?,
            },
            "length" => {
                let (min, max) = (
                    taken.number("min", 0, 0)?,
                    taken.number("max", i32::MAX as usize, 0)?,
                );
                if min > max {
                    return Err(taken.problem(format_args!(
                        "[min] is [{min}], but must not be above [max], [{max}]"
                    )));
                }
                Self::Length { min, max }
            }
            "unique" => Self::Unique {
                only_on_same_position: taken.flag("only_on_same_position", false)?,
            },
            "stop" => Self::Stop(stop_filter(taken)?),
            "stemmer" => stemmer(taken)?,
            "porter_stem" | "porterStem" => Self::Stemmer(AnalysisLanguage::English),
            "snowball" => snowball(taken)?,
            "elision" => elision(taken)?,
            "ngram" | "nGram" => {
                let grams = grams(taken)?;
                check_difference(grams.min_gram, grams.max_gram, limits.max_ngram_diff)?;
                Self::NGram(grams)
            }
            "edge_ngram" | "edgeNGram" => {
                taken.only("side", "front")?;
                Self::EdgeNGram(grams(taken)?)
            }
            // Source: the graph differs from the plain filter in how synonyms of several words lie beside what they stand for. Tokens here have a place
            // and no length, so both are the same.
            "synonym" | "synonym_graph" => Self::Synonym(Synonyms::take(taken)?),
            "shingle" => Self::Shingle(ShingleFilter::take(taken, limits.max_shingle_diff)?),
            _ => {
                return Err(format!(
                    "Unknown filter type [{kind}] for [{name}]; this version has [{TYPES}]"
                ));
            }
        };
        parameters.finish()?;
        Ok(parsed)
    }

    /// The articles that French joins to its words.
    pub(super) fn french_elision() -> Self {
        Self::Elision {
            articles: FRENCH_ARTICLES
                .iter()
                .map(|article| (*article).to_owned())
                .collect(),
            ignore_case: true,
        }
    }

    /// Whether it looks at nothing but single characters, so that a keyword's normalizer may have it.
    pub(super) fn is_per_character(&self) -> bool {
        matches!(
            self,
            Self::Lowercase
                | Self::Uppercase
                | Self::Trim
                | Self::AsciiFolding {
                    preserve_original: false
                }
        )
    }
}

fn grams(parameters: &mut Parameters<'_>) -> Result<GramFilter, String> {
    let (min_gram, max_gram) = gram_sizes(parameters)?;
    Ok(GramFilter {
        min_gram,
        max_gram,
        preserve_original: parameters.flag("preserve_original", false)?,
    })
}

impl ShingleFilter {
    fn take(parameters: &mut Parameters<'_>, max_difference: usize) -> Result<Self, String> {
        let shingle = Self {
            min_shingle_size: parameters.number("min_shingle_size", 2, 2)?,
            max_shingle_size: parameters.number("max_shingle_size", 2, 2)?,
            output_unigrams: parameters.flag("output_unigrams", true)?,
            output_unigrams_if_no_shingles: parameters.flag("output_unigrams_if_no_shingles", false)?,
            token_separator: parameters
                .text("token_separator")?
                .unwrap_or_else(|| " ".to_owned()),
            filler_token: parameters.text("filler_token")?.unwrap_or_else(|| "_".to_owned()),
        };
        let (min, max) = (shingle.min_shingle_size, shingle.max_shingle_size);
        if min > max {
            return Err(parameters.problem(format_args!(
                "[min_shingle_size] is [{min}], but must not be above [max_shingle_size], [{max}]"
            )));
        }
        // Source: `index.max_shingle_diff` counts the tokens themselves as one size more.
        let difference = max - min + usize::from(shingle.output_unigrams);
        if difference > max_difference {
            return Err(format!(
                "In Shingle TokenFilter the difference between max_shingle_size and min_shingle_size (and +1 if outputting unigrams) must be less than or equal to: [{max_difference}] but was [{difference}]. This limit can be set by changing the [index.max_shingle_diff] index level setting."
            ));
        }
        if max > MAX_SHINGLE_SIZE {
            return Err(parameters.problem(format_args!(
                "[max_shingle_size] is [{max}], but must not be above {MAX_SHINGLE_SIZE}"
            )));
        }
        for (key, text) in [
            ("token_separator", &shingle.token_separator),
            ("filler_token", &shingle.filler_token),
        ] {
            if text.len() > MAX_JOINT_BYTES {
                return Err(
                    parameters.problem(format_args!("[{key}] is longer than {MAX_JOINT_BYTES} bytes"))
                );
            }
        }
        Ok(shingle)
    }
}

fn stop_filter(parameters: &mut Parameters<'_>) -> Result<StopWords, String> {
    let ignore_case = parameters.flag("ignore_case", false)?;
    parameters.only("remove_trailing", "true")?;
    StopWords::take(parameters, &[AnalysisLanguage::English], ignore_case)
}

impl StopWords {
    /// Whether nothing is dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.languages.is_empty() && self.words.is_empty()
    }

    /// The parameter `stopwords`: words, and names of lists such as `_english_`.
    pub(super) fn take(
        parameters: &mut Parameters<'_>,
        default: &[AnalysisLanguage],
        ignore_case: bool,
    ) -> Result<Self, String> {
        let mut taken = Self {
            ignore_case,
            ..Self::default()
        };
        let Some(words) = parameters.list("stopwords")? else {
            taken.languages = default.to_vec();
            return Ok(taken);
        };
        for word in words {
            let list = word
                .strip_prefix('_')
                .and_then(|rest| rest.strip_suffix('_'))
                .filter(|name| !name.is_empty());
            match list {
                None if ignore_case => taken.words.push(word.to_lowercase()),
                None => taken.words.push(word),
                Some("none") => {}
                Some(name) => {
                    match AnalysisLanguage::from_name(name).filter(|language| language.has_stop_words()) {
                        Some(language) => taken.languages.push(language),
                        None => {
                            return Err(parameters.problem(format_args!(
                                "there is no list of stop words [{word}]; this version has lists for [{}]",
                                AnalysisLanguage::names(true)
                            )));
                        }
                    }
                }
            }
        }
        Ok(taken)
    }
}

fn stemmer(parameters: &mut Parameters<'_>) -> Result<TokenFilterDefinition, String> {
    let given = (parameters.text("language")?, parameters.text("name")?);
    let language = given.0.or(given.1).unwrap_or_else(|| "english".to_owned());
    match language.to_ascii_lowercase().as_str() {
        "porter" | "porter2" => Ok(TokenFilterDefinition::Stemmer(AnalysisLanguage::English)),
        "possessive_english" => Ok(TokenFilterDefinition::PossessiveEnglish),
        name => match AnalysisLanguage::from_name(name) {
            Some(language) => Ok(TokenFilterDefinition::Stemmer(language)),
            None => Err(parameters.problem(format_args!(
                "Unknown stemmer language [{language}]; this version has [{}, porter2, possessive_english]",
                AnalysisLanguage::names(false)
            ))),
        },
    }
}

fn snowball(parameters: &mut Parameters<'_>) -> Result<TokenFilterDefinition, String> {
    let language = parameters
        .text("language")?
        .unwrap_or_else(|| "English".to_owned());
    let known = match language.as_str() {
        "Porter" => Some(AnalysisLanguage::English),
        name => AnalysisLanguage::from_name(name),
    };
    known.map(TokenFilterDefinition::Stemmer).ok_or_else(|| {
        parameters.problem(format_args!(
            "Invalid stemmer class [{language}]; this version has [{}]",
            AnalysisLanguage::names(false)
        ))
    })
}

fn elision(parameters: &mut Parameters<'_>) -> Result<TokenFilterDefinition, String> {
    let Some(articles) = parameters.list("articles")? else {
        parameters.flag("articles_case", true)?;
        return Ok(TokenFilterDefinition::french_elision());
    };
    let ignore_case = parameters.flag("articles_case", false)?;
    let lower = |article: String| {
        if ignore_case {
            article.to_lowercase()
        } else {
            article
        }
    };
    Ok(TokenFilterDefinition::Elision {
        articles: articles.into_iter().map(lower).collect(),
        ignore_case,
    })
}
