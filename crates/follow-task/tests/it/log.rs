//! The lines that a driver writes to the log.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Duration;

use follow_task::{DEFAULT_MAX_INFLIGHT_BYTES, FollowTaskPhase};
use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::driver::{start, start_polling};

/// Level, message, and the other fields.
type Told = (Level, String, Vec<String>);

thread_local! {
    /// What was told in this test: its runtime stays on its thread.
    static LINES: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

/// Two, although one would do: while there is one only, a line that another test reaches first is switched off for all.
static RECORDERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [Dispatch::new(Recorder), Dispatch::new(Recorder)]);

/// Keeps every line of its thread.
struct Recorder;

#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<String>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push(format!("{name}={value:?}")),
        }
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("follow_task")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let told = (*event.metadata().level(), line.message, line.fields);
        LINES.with_borrow_mut(|lines| lines.push(told));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn record() -> DefaultGuard {
    LINES.take();
    set_default(&RECORDERS[0])
}

fn count(lines: &[Told], level: Level, part: &str) -> usize {
    let wanted = |(of, message, _): &&Told| *of == level && message.contains(part);
    lines.iter().filter(wanted).count()
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_now_and_then_for_an_hour_fills_no_log() {
    const HOUR: Duration = Duration::from_secs(3600);
    let _guard = record();
    let poll_timeout = Some("500ms".into());
    let running = start_polling(2000, true, false, DEFAULT_MAX_INFLIGHT_BYTES, poll_timeout);
    tokio::time::sleep(HOUR).await;
    let failed_reads = running.handle.status().failed_read_requests;
    running.handle.cancel();
    running.handle.wait().await;
    let lines = LINES.take();
    let warnings = count(
        &lines,
        Level::WARN,
        "read of a shard follow task failed, retrying",
    );
    let recoveries = count(&lines, Level::INFO, "recovered");
    assert!(
        warnings > 0 && failed_reads > 1000,
        "{warnings} of {failed_reads}"
    );
    assert!(warnings as u64 <= HOUR.as_secs() / 30 + 1, "{warnings} warnings");
    assert!(
        recoveries > 0 && recoveries <= warnings,
        "{recoveries} recoveries"
    );
    assert_eq!(count(&lines, Level::INFO, "started"), 1);
    assert_eq!(count(&lines, Level::INFO, "stopped"), 1);
    assert_eq!(lines.len(), warnings + recoveries + 2);
    for (_, message, fields) in &lines {
        let shard = ["leader_index=orders", "follower_index=orders-copy", "shard=0"];
        assert_eq!(fields[..3], shard, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_is_told_once_with_its_reason() {
    let _guard = record();
    let running = start(10, false, true, DEFAULT_MAX_INFLIGHT_BYTES);
    assert_eq!(running.handle.stopped().await, FollowTaskPhase::Failed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    running.handle.cancel();
    running.handle.wait().await;
    let lines = LINES.take();
    let told: Vec<_> = lines.iter().map(|(level, ..)| *level).collect();
    assert_eq!(told, [Level::INFO, Level::ERROR, Level::INFO]);
    let (_, message, fields) = &lines[1];
    assert!(message.contains("shard follow task failed"), "{message}");
    assert!(fields[3].contains("a panic ended the work"), "{fields:?}");
}
