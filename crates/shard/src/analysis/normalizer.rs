//! What keywords go through.

use std::borrow::Cow;

use index_meta::{NormalizerChain, TokenFilterDefinition};

use super::char_filter::CharFilter;
use super::per_token::{fold, lowercase, uppercase};

/// A normalizer at work.
#[derive(Debug)]
pub(crate) struct Normalizer {
    char_filters: Vec<CharFilter>,
    filters: Vec<TokenFilterDefinition>,
}

impl Normalizer {
    pub(super) fn new(chain: &NormalizerChain) -> Result<Self, String> {
        Ok(Self {
            char_filters: chain
                .char_filters
                .iter()
                .map(CharFilter::new)
                .collect::<Result<_, _>>()?,
            filters: chain.filters.clone(),
        })
    }

    /// The one term of a value.
    pub(crate) fn normalize<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut term = Cow::Borrowed(text);
        for filter in &self.char_filters {
            term = filter.apply(term);
        }
        for filter in &self.filters {
            term = match filter {
                TokenFilterDefinition::Lowercase => Cow::Owned(lowercase(&term)),
                TokenFilterDefinition::Uppercase => Cow::Owned(uppercase(&term)),
                TokenFilterDefinition::AsciiFolding { .. } => Cow::Owned(fold(&term)),
                TokenFilterDefinition::Trim => Cow::Owned(term.trim().to_owned()),
                // A definition with another one was refused when it was read.
                _ => term,
            };
        }
        term
    }
}
