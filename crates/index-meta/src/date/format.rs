//! Date formats.

/// How a date field reads text: alternatives tried in order.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFormat {
    pub(crate) pattern: String,
}

impl DateFormat {
    /// What a date field reads unless told otherwise.
    pub const DEFAULT: &'static str = "strict_date_optional_time||epoch_millis";

    /// Reads a format list: names and Java patterns separated by `||`.
    ///
    /// # Errors
    /// A sentence that says which part is not understood.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        Ok(Self {
            pattern: pattern.to_owned(),
        })
    }

    /// The format list as written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}
