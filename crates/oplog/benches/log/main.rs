//! How fast the log is, each figure beside what the machine itself does with the same bytes in the same run.
//!
//! `cargo bench -p oplog` runs everything and prints the ratios at the end; `cargo bench -p oplog -- read` a part.
//! Files are in `OPLOG_BENCH_DIR`, or in the target directory, because the temporary directory is often memory.

mod commit;
mod report;
mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use oplog::{CompactionGoal, Durability, Frame, Log, LogOptions, ReadLimits, SeqNo};

use support::{AllPassed, Bench, DOCUMENT_BYTES, drop_from_cache, read_all};

/// Operations of one measured append or read: 32 MiB of frames.
const OPERATIONS: u64 = 32 << 10;
/// Operations of one request of a bulk.
const BULK: usize = 512;

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    append(&mut criterion);
    read(&mut criterion);
    get(&mut criterion);
    compact(&mut criterion);
    open(&mut criterion);
    criterion.final_summary();
    report::print();
    if report::is_whole_run() {
        commit::measure();
    }
}

/// Ready frames into the log without fsync, against plain writes of the same bytes.
fn append(criterion: &mut Criterion) {
    let bench = Bench::new();
    let frames = bench.frames(OPERATIONS);
    let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
    let requests: Vec<Vec<Frame>> = frames.chunks(BULK).map(<[Frame]>::to_vec).collect();
    // The machine gets each request as one buffer that is ready.
    let buffers: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| {
            request
                .iter()
                .flat_map(|frame| frame.bytes().iter().copied())
                .collect()
        })
        .collect();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("machine", |b| {
        b.iter_batched(
            || bench.new_file("plain"),
            |file| {
                let mut offset = 0;
                for buffer in &buffers {
                    file.write_at(offset, buffer).expect("the disk has room");
                    offset += buffer.len() as u64;
                }
                file
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("log", |b| {
        b.iter_batched(
            || (bench.new_log(bench.without_sync()), requests.clone()),
            |(log, requests)| {
                let tickets: Vec<_> = requests
                    .into_iter()
                    .map(|request| log.append(request, Durability::Async).expect("the log takes it"))
                    .collect();
                for ticket in tickets {
                    ticket.wait().expect("the disk has room");
                }
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let mut group = criterion.benchmark_group("append and sync");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("machine", |b| {
        b.iter_batched(
            || bench.new_file("plain"),
            |file| {
                let mut offset = 0;
                for buffer in &buffers {
                    file.write_at(offset, buffer).expect("the disk has room");
                    file.sync_data().expect("the disk syncs");
                    offset += buffer.len() as u64;
                }
                file
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("log", |b| {
        b.iter_batched(
            || (bench.new_log(LogOptions::default()), requests.clone()),
            |(log, requests)| {
                for request in requests {
                    let ticket = log
                        .append(request, Durability::Request)
                        .expect("the log takes it");
                    ticket.wait().expect("the disk syncs");
                }
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The whole log in order, verified, against reading the same files.
fn read(criterion: &mut Criterion) {
    let bench = Bench::new();
    for (name, compressed) in [("read plain segments", false), ("read compressed segments", true)] {
        let log = bench.filled_log(OPERATIONS, compressed);
        let files = bench.segment_files();
        let content: u64 = bench
            .frames(OPERATIONS)
            .iter()
            .map(|frame| frame.len() as u64)
            .sum();
        for (group, cold) in [(name.to_owned(), false), (format!("{name}, cold"), true)] {
            let mut group = criterion.benchmark_group(&group);
            // Both in bytes of frames, so that the figures compare what a reader gets.
            group.throughput(Throughput::Bytes(content));
            group.bench_function("machine", |b| {
                b.iter_batched(
                    || drop_from_cache(&files, cold),
                    |()| files.iter().for_each(|file| read_all(file)),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function("log", |b| {
                b.iter_batched(
                    || drop_from_cache(&files, cold),
                    |()| {
                        let mut next = SeqNo::ZERO;
                        while next.get() < OPERATIONS {
                            let last = SeqNo::new(OPERATIONS - 1);
                            let limits = ReadLimits {
                                operations: 4096,
                                ..ReadLimits::NONE
                            };
                            let frames = log.read(next, last, limits).expect("they are there");
                            next = SeqNo::new(next.get() + frames.len() as u64);
                            black_box(frames);
                        }
                    },
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
        log.close().expect("the disk works");
    }
}

/// One operation by its seq_no, against one read of as many bytes at a random place.
fn get(criterion: &mut Criterion) {
    let bench = Bench::new();
    for (name, compressed) in [("get, plain", false), ("get, compressed", true)] {
        let log = bench.filled_log(OPERATIONS, compressed);
        let file = bench.plain_copy(OPERATIONS);
        let mut random = support::Random(7);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("machine", |b| {
            b.iter(|| {
                let place = random.below(OPERATIONS) * DOCUMENT_BYTES as u64;
                black_box(file.read_at(place, DOCUMENT_BYTES).expect("it is there"));
            });
        });
        group.bench_function("log", |b| {
            b.iter(|| {
                black_box(
                    log.get(SeqNo::new(random.below(OPERATIONS)))
                        .expect("it is there"),
                )
            });
        });
        group.finish();
        log.close().expect("the disk works");
    }
}

/// Half of the operations removed and the rest compressed, against reading, compressing and writing the same bytes with nothing else.
fn compact(criterion: &mut Criterion) {
    let bench = Bench::new();
    let bytes = bench.half_dead_log(OPERATIONS).size_in_bytes();
    let mut group = criterion.benchmark_group("compact");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("machine", |b| {
        b.iter_batched(
            || bench.half_dead_log(OPERATIONS),
            |log| {
                let files = bench.segment_files();
                let out = bench.new_file("plain");
                support::compress_half(&files, &*out);
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("log", |b| {
        b.iter_batched(
            || bench.half_dead_log(OPERATIONS),
            |log| {
                log.compact(CompactionGoal::All, &AllPassed)
                    .expect("the disk works");
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Opening a log as a crash left it, against reading its open segment, which is what opening has to read. Both per byte of the whole log.
fn open(criterion: &mut Criterion) {
    let bench = Bench::new();
    drop(bench.filled_log(8 * OPERATIONS, false));
    let bytes = bench.segment_files().iter().map(support::length).sum();
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("machine", |b| {
        b.iter(|| {
            bench
                .segment_files()
                .last()
                .into_iter()
                .for_each(|file| read_all(file))
        });
    });
    group.bench_function("log", |b| {
        b.iter_batched(
            || (),
            |()| -> Arc<Log> { bench.open_log() },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}
