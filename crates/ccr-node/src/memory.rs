//! Gives memory that is free back to the kernel while the node is idle.
//!
//! The allocator returns free pages a second after they became free, so that memory in use is not returned and taken in turn. But it has no thread of its own: it
//! looks at the time when the next page is freed. A node that falls silent after much work would keep for good what only the work needed. So the node frees a
//! page now and then, which costs no more than that. Setting the allocator's delay to nothing would do too, and cost a system call for each page that work frees.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(5);
/// Too large for the pages that the allocator keeps at hand, so that it is given back at once. It is never touched, so it takes no memory.
const PIECE: usize = 1 << 20;

/// Never ends; to be dropped.
pub(crate) async fn give_back_when_idle() -> Infallible {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        free_a_page();
    }
}

fn free_a_page() {
    // Without the black box, the compiler would leave out what has no effect.
    drop(black_box(Vec::<u8>::with_capacity(PIECE)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of this process that is no page of a file, in KiB.
    fn anonymous_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn what_was_freed_is_given_back() {
        const MIB: usize = 1 << 20;
        let before = anonymous_kib();
        let work: Vec<Vec<u8>> = (0..64).map(|_| vec![1; MIB]).collect();
        assert!(black_box(&work).iter().all(|piece| piece[MIB - 1] == 1));
        assert!(anonymous_kib() > before + 60 * 1024);
        drop(work);
        for _ in 0..100 {
            free_a_page();
            if anonymous_kib() < before + 16 * 1024 {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{} KiB were in use before, {} are now", before, anonymous_kib());
    }
}
