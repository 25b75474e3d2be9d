//! Refusals of `cluster.remote.*` settings.

use es_exception::Exception;

/// Why settings of remote clusters are refused. Source: the messages are those of Elasticsearch where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteSettingsError {
    /// An alias that cannot be one.
    #[error("[{alias}] is not a valid remote cluster alias")]
    Alias {
        /// What was given.
        alias: String,
    },
    /// A key that names no setting.
    #[error("unknown setting [{key}]")]
    Unknown {
        /// The key.
        key: String,
    },
    /// A value that does not parse, or is out of range.
    #[error("Failed to parse value [{value}] for setting [{key}]: {problem}")]
    Value {
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting of the other mode.
    #[error(
        "Setting \"{key}\" cannot be used with the configured \"cluster.remote.{alias}.mode\" [required={required}, configured={configured}]"
    )]
    Mode {
        /// The key.
        key: String,
        /// The remote cluster.
        alias: String,
        /// The mode that the setting belongs to.
        required: &'static str,
        /// The mode that is set, or the default.
        configured: &'static str,
    },
    /// An option of a remote cluster that has neither seeds nor a proxy address.
    #[error("Cannot configure setting [{key}] if remote cluster is not enabled.")]
    NotEnabled {
        /// The key.
        key: String,
    },
}

impl From<&RemoteSettingsError> for Exception {
    fn from(error: &RemoteSettingsError) -> Self {
        Self::illegal_argument(error.to_string())
    }
}
