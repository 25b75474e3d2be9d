//! Work that blocks on files, apart from the async threads.

use es_exception::{Exception, ExceptionKind};

/// Runs `work` on a thread that may block.
///
/// Dropping the future does not stop work that has begun.
///
/// # Errors
/// Those of `work`; illegal state if it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Exception> + Send + 'static,
) -> Result<T, Exception> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failure| {
        Err(Exception::new(
            ExceptionKind::IllegalState,
            format!("a task on files did not end well: {failure}"),
        ))
    })
}
