//! Group commit: many writers that each wait for their own operation to be durable.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use oplog::{Durability, Frame, LogOptions, SeqNo};
use parking_lot::Mutex;

use crate::support::Bench;

const REQUESTS: usize = 6_400;

/// Prints latency and fsyncs for 1, 8 and 64 writers, beside the machine's own write and fdatasync.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn measure() {
    let bench = Bench::new();
    let (p50, p99) = machine(&bench);
    println!("\ngroup commit, requests of one operation of 1 KiB");
    println!("machine, write and fdatasync        p50 {p50:>8.0?}  p99 {p99:>8.0?}");
    for writers in [1, 8, 64] {
        let log = bench.new_log(LogOptions::default());
        let frames: Arc<Mutex<std::vec::IntoIter<Frame>>> =
            Arc::new(Mutex::new(bench.frames(REQUESTS as u64).into_iter()));
        let syncs = bench.committer().syncs();
        let started = Instant::now();
        let threads: Vec<_> = (0..writers)
            .map(|_| {
                let (log, frames) = (log.clone(), frames.clone());
                thread::spawn(move || {
                    let mut latencies = Vec::new();
                    loop {
                        let began = Instant::now();
                        let ticket = {
                            // Appended under the lock: seq_nos go into the log in order.
                            let mut frames = frames.lock();
                            let Some(frame) = frames.next() else { break };
                            log.append(vec![frame], Durability::Request)
                                .expect("the log takes it")
                        };
                        ticket.wait().expect("the disk syncs");
                        latencies.push(began.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies: Vec<Duration> = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no writer panics"))
            .collect();
        let took = started.elapsed();
        let syncs = bench.committer().syncs() - syncs;
        assert_eq!(log.durable_checkpoint(), Some(SeqNo::new(REQUESTS as u64 - 1)));
        let (p50, p99) = percentiles(&mut latencies);
        let per_sync = REQUESTS as f64 / syncs as f64;
        let target = if writers == 64 { " (at least 20)" } else { "" };
        println!(
            "{writers:>2} writers  {:>9.0} requests/s   p50 {p50:>8.0?}  p99 {p99:>8.0?}   {per_sync:.1} requests per fdatasync{target}",
            REQUESTS as f64 / took.as_secs_f64(),
        );
        log.close().expect("the disk works");
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn machine(bench: &Bench) -> (Duration, Duration) {
    let file = bench.new_file("plain");
    let mut latencies = Vec::new();
    for (place, frame) in bench.frames(1_000).iter().enumerate() {
        let began = Instant::now();
        file.write_at((place * frame.len()) as u64, frame.bytes())
            .expect("the disk has room");
        file.sync_data().expect("the disk syncs");
        latencies.push(began.elapsed());
    }
    percentiles(&mut latencies)
}

fn percentiles(latencies: &mut [Duration]) -> (Duration, Duration) {
    latencies.sort_unstable();
    (
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
    )
}
