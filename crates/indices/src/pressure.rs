//! Bounds on the work that a node takes on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use es_exception::{Exception, ExceptionKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds the bytes of writes in flight; what does not fit is refused, not queued, so that clients slow down.
///
/// Source: Elasticsearch's indexing pressure (`indexing_pressure.memory.limit`), which counts against a part of the heap.
#[derive(Debug)]
pub(crate) struct IndexingPressure {
    current: Arc<AtomicU64>,
    limit: u64,
}

/// Gives its bytes back when dropped.
#[derive(Debug)]
pub(crate) struct PressureGuard {
    current: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for PressureGuard {
    fn drop(&mut self) {
        self.current.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl IndexingPressure {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            current: Arc::new(AtomicU64::new(0)),
            limit,
        }
    }

    /// Bytes of writes in flight, and how many there may be.
    pub(crate) fn current_and_limit(&self) -> (u64, u64) {
        (self.current.load(Ordering::Acquire), self.limit)
    }

    /// Takes `bytes` for as long as the guard lives.
    ///
    /// A request that is alone is always taken, whatever its size: it has been read into memory already, its size is bounded by
    /// `http.max_content_length`, and it would never succeed otherwise.
    pub(crate) fn acquire(&self, bytes: u64) -> Result<PressureGuard, Exception> {
        let take = |current: u64| (current == 0 || current + bytes <= self.limit).then_some(current + bytes);
        match self
            .current
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
        {
            Ok(_) => Ok(PressureGuard {
                current: Arc::clone(&self.current),
                bytes,
            }),
            Err(current) => Err(Exception::new(
                ExceptionKind::EsRejectedExecution,
                format!(
                    "rejected execution of coordinating operation [coordinating_and_primary_bytes={current}, \
                     coordinating_operation_bytes={bytes}, max_coordinating_bytes={}]",
                    self.limit
                ),
            )),
        }
    }
}

/// Bounds how many blocking shard operations run at once, writes, reads and forced merges apart: writers that wait for a full tail must not stop
/// searches, and merges that run for hours must not stop either.
#[derive(Debug)]
pub(crate) struct BlockingWork {
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    merges: Arc<Semaphore>,
    sizes: [usize; 3],
}

/// A bounded kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkPool {
    /// Elasticsearch's name of the thread pool that does such work there.
    pub name: &'static str,
    /// Pieces of work that may run at once.
    pub size: usize,
    /// Those that run.
    pub active: usize,
}

/// Forced merges that run at once. Source: Elasticsearch's thread pool `force_merge` has one thread for each eight cores, at least one.
const CONCURRENT_MERGES: usize = 1;

impl BlockingWork {
    pub(crate) fn new(writes: usize, reads: usize) -> Self {
        Self {
            writes: Arc::new(Semaphore::new(writes)),
            reads: Arc::new(Semaphore::new(reads)),
            merges: Arc::new(Semaphore::new(CONCURRENT_MERGES)),
            sizes: [writes, reads, CONCURRENT_MERGES],
        }
    }

    /// How busy each kind of work is.
    pub(crate) fn pools(&self) -> [WorkPool; 3] {
        let [writes, reads, merges] = self.sizes;
        let pool = |name, places: &Semaphore, size: usize| WorkPool {
            name,
            size,
            active: size.saturating_sub(places.available_permits()),
        };
        [
            pool("force_merge", &self.merges, merges),
            pool("search", &self.reads, reads),
            pool("write", &self.writes, writes),
        ]
    }

    /// Runs `work` on a blocking thread once a writer's place is free. It runs to its end even if the future is dropped.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        run(Arc::clone(&self.writes).acquire_owned().await.ok(), work).await
    }

    /// Runs `work` on a blocking thread once a reader's place is free.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        run(Arc::clone(&self.reads).acquire_owned().await.ok(), work).await
    }

    /// Runs `work`, which takes long, on a blocking thread once no other forced merge runs.
    pub(crate) async fn merge<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        run(Arc::clone(&self.merges).acquire_owned().await.ok(), work).await
    }

    /// No more work is taken.
    pub(crate) fn close(&self) {
        self.writes.close();
        self.reads.close();
        self.merges.close();
    }
}

async fn run<T: Send + 'static>(
    permit: Option<OwnedSemaphorePermit>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Exception> {
    let Some(permit) = permit else {
        return Err(Exception::new(
            ExceptionKind::NodeClosed,
            "the node is shutting down",
        ));
    };
    let task = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    });
    task.await.map_err(|error| {
        Exception::new(
            ExceptionKind::Exception,
            format!("a shard operation broke off: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_limit_are_refused_until_others_are_given_back() {
        let pressure = IndexingPressure::new(100);
        let large = pressure.acquire(1000).unwrap();
        let refused = pressure.acquire(1).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.status()),
            (ExceptionKind::EsRejectedExecution, 429)
        );
        drop(large);
        let first = pressure.acquire(60).unwrap();
        assert!(pressure.acquire(41).is_err());
        let second = pressure.acquire(40).unwrap();
        drop((first, second));
        assert!(pressure.acquire(100).is_ok());
    }
}
