//! Showing what analyzers make of a text.

use cluster::{BlockLevel, check_block};
use es_exception::Exception;
use index_meta::{IndexSettings, Mapping, Settings};
use shard::{AnalysisExplanation, AnalyzeRequest, AnalyzedToken};

use crate::resolve::resolve_one;
use crate::service::IndicesService;

/// Source: default of `index.analyze.max_token_count`.
const MAX_TOKENS: u64 = 10_000;

impl IndicesService {
    /// Analyzes texts by the analyzers of `index`, the name of an index or of an alias of one index, or by those that every index has if it is `None`.
    ///
    /// # Errors
    /// `index_not_found_exception`, `index_closed_exception`, `cluster_block_exception`; `illegal_argument_exception` for an analyzer that is not there;
    /// `illegal_state_exception` for more tokens than `index.analyze.max_token_count`.
    pub async fn analyze(
        &self,
        index: Option<&str>,
        request: AnalyzeRequest,
    ) -> Result<Vec<AnalyzedToken>, Exception> {
        self.analysis_of(index, request, shard::analyze).await
    }

    /// Shows what each part of an analyzer makes of texts; as [`analyze`](Self::analyze) otherwise.
    ///
    /// # Errors
    /// As `analyze`; `index.analyze.max_token_count` bounds the tokens of all parts together.
    pub async fn explain_analysis(
        &self,
        index: Option<&str>,
        request: AnalyzeRequest,
    ) -> Result<AnalysisExplanation, Exception> {
        self.analysis_of(index, request, shard::explain_analysis).await
    }

    async fn analysis_of<T: Send + 'static>(
        &self,
        index: Option<&str>,
        request: AnalyzeRequest,
        analyze: fn(&Settings, &Mapping, &AnalyzeRequest, u64) -> Result<T, Exception>,
    ) -> Result<T, Exception> {
        let Some(name) = index else {
            let plain = move || analyze(&Settings::new(), &Mapping::empty(), &request, MAX_TOKENS);
            return self.blocking.read(plain).await?;
        };
        let state = self.state();
        let index = resolve_one(&state, name, false)?.clone();
        index.require_open()?;
        check_block(&index, BlockLevel::Read)?;
        let settings = IndexSettings::from_settings(&index.settings).map_err(|error| error.to_exception())?;
        let max_tokens = settings.max_analyze_tokens();
        self.blocking
            .read(move || analyze(&index.settings, &index.mapping, &request, max_tokens))
            .await?
    }
}
