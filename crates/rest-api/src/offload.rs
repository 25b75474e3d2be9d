//! TEMPORARY shim.
use es_exception::{Exception, ExceptionKind};

pub(crate) async fn offload<T, F, W>(work: F) -> Result<T, Exception>
where
    F: FnOnce() -> W + Send + 'static,
    W: Future<Output = Result<T, Exception>>,
    T: Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work())).await;
    done.unwrap_or_else(|error| Err(Exception::new(ExceptionKind::Exception, error.to_string())))
}
