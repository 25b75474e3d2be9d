//! Runs futures that cannot move between threads.
//!
//! The futures of `indices`' operations over several shards (search, count, refresh, flush) are not provably `Send`: they hold closures
//! over borrowed shards, which the compiler does not accept as general enough. A handler must be `Send`, so these run on a thread of
//! their own. That thread only waits, since the work of shards is on blocking threads. Once those futures are `Send`, this goes.

use es_exception::{Exception, ExceptionKind};

use crate::state::RestState;

/// Makes a future on the thread for such futures and awaits it there.
///
/// # Errors
/// What the future fails with; `exception` if it panics.
pub(crate) async fn offload<T, W>(
    state: &RestState,
    work: impl FnOnce() -> W + Send + 'static,
) -> Result<T, Exception>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Exception>> + 'static,
{
    state.pinned().spawn_pinned(work).await.unwrap_or_else(|error| {
        Err(Exception::new(
            ExceptionKind::Exception,
            format!("the operation was given up half way: {error}"),
        ))
    })
}
