//! Bounds on the work that a node takes on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use es_exception::{Exception, ExceptionKind};
use tokio::sync::Semaphore;

/// Bounds the bytes of writes in flight; what does not fit is refused, not queued, so that clients slow down.
///
/// Source: Elasticsearch's indexing pressure (`indexing_pressure.memory.limit`), which counts against a part of the heap.
#[derive(Debug)]
pub(crate) struct IndexingPressure {
    current: Arc<AtomicU64>,
    total: AtomicU64,
    refused: AtomicU64,
    limit: u64,
}

/// How much is written, and how much was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexingPressureStats {
    /// Bytes of writes in flight.
    pub current: u64,
    /// Bytes of all writes that were taken since the node started.
    pub total: u64,
    /// Writes that were refused since the node started.
    pub refused: u64,
    /// How many bytes may be in flight.
    pub limit: u64,
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
            total: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            limit,
        }
    }

    pub(crate) fn stats(&self) -> IndexingPressureStats {
        IndexingPressureStats {
            current: self.current.load(Ordering::Acquire),
            total: self.total.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            limit: self.limit,
        }
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
            Ok(_) => {
                self.total.fetch_add(bytes, Ordering::Relaxed);
                Ok(PressureGuard {
                    current: Arc::clone(&self.current),
                    bytes,
                })
            }
            Err(current) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Exception::new(
                    ExceptionKind::EsRejectedExecution,
                    format!(
                        "rejected execution of coordinating operation [coordinating_and_primary_bytes={current}, \
                         coordinating_operation_bytes={bytes}, max_coordinating_bytes={}]",
                        self.limit
                    ),
                ))
            }
        }
    }
}

/// Bounds how many blocking shard operations run at once, writes, reads and forced merges apart: writers that wait for a full tail must not stop
/// searches, and merges that run for hours must not stop either.
#[derive(Debug)]
pub(crate) struct BlockingWork {
    writes: Places,
    reads: Places,
    merges: Places,
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
    /// Those that wait for their turn. There is no bound on them: what makes work is bounded.
    pub waiting: usize,
    /// Those that ended since the node started.
    pub completed: u64,
}

/// The places of one kind of work.
#[derive(Debug)]
struct Places {
    places: Arc<Semaphore>,
    size: usize,
    waiting: AtomicUsize,
    completed: Arc<AtomicU64>,
}

/// Counts one that waits, also when nobody waits for its result any more.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    fn new(size: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(size)),
            size,
            waiting: AtomicUsize::new(0),
            completed: Arc::new(AtomicU64::new(0)),
        }
    }

    fn pool(&self, name: &'static str) -> WorkPool {
        WorkPool {
            name,
            size: self.size,
            active: self.size.saturating_sub(self.places.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
            completed: self.completed.load(Ordering::Relaxed),
        }
    }

    /// Runs `work` on a blocking thread once a place is free. It runs to its end even if the future is dropped.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        let waiting = Waiting::new(&self.waiting);
        let permit = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        let Ok(permit) = permit else {
            return Err(Exception::new(
                ExceptionKind::NodeClosed,
                "the node is shutting down",
            ));
        };
        let completed = Arc::clone(&self.completed);
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            completed.fetch_add(1, Ordering::Relaxed);
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
}

/// Forced merges that run at once. Source: Elasticsearch's thread pool `force_merge` has one thread for each eight cores, at least one.
const CONCURRENT_MERGES: usize = 1;

impl BlockingWork {
    pub(crate) fn new(writes: usize, reads: usize) -> Self {
        Self {
            writes: Places::new(writes),
            reads: Places::new(reads),
            merges: Places::new(CONCURRENT_MERGES),
        }
    }

    /// How busy each kind of work is.
    pub(crate) fn pools(&self) -> [WorkPool; 3] {
        [
            self.merges.pool("force_merge"),
            self.reads.pool("search"),
            self.writes.pool("write"),
        ]
    }

    /// Runs `work` on a blocking thread once a writer's place is free. It runs to its end even if the future is dropped.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        self.writes.run(work).await
    }

    /// Runs `work` on a blocking thread once a reader's place is free.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        self.reads.run(work).await
    }

    /// Runs `work`, which takes long, on a blocking thread once no other forced merge runs.
    pub(crate) async fn merge<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        self.merges.run(work).await
    }

    /// No more work is taken.
    pub(crate) fn close(&self) {
        self.writes.places.close();
        self.reads.places.close();
        self.merges.places.close();
    }
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
        let expected = IndexingPressureStats {
            current: 0,
            total: 1200,
            refused: 2,
            limit: 100,
        };
        assert_eq!(pressure.stats(), expected);
    }

    #[tokio::test]
    async fn work_waits_for_its_turn_and_is_counted() {
        let work = BlockingWork::new(1, 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(work.read(move || held.recv().is_ok()));
        let mut second = Box::pin(work.read(|| ()));
        assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
        let [_, pool, writes] = work.pools();
        assert_eq!((pool.active, pool.waiting, pool.completed), (1, 1, 0));
        assert_eq!((writes.active, writes.waiting), (0, 0));
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        second.await.unwrap();
        let [_, pool, _] = work.pools();
        assert_eq!((pool.waiting, pool.completed), (0, 2));
    }
}
