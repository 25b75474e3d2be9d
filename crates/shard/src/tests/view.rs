//! Refresh, search idle, recovery of the view, bounds.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::ShardError;

#[test]
fn a_search_on_an_idle_shard_sees_everything() {
    let fixture = Fixture::primary();
    write_one(&fixture.shard, index("a", &json!({"n": 1})));
    assert_eq!(fixture.shard.refreshed_seq_no(), None);
    assert_eq!(ids(&fixture.shard, &json!({})), ["a"]);
}

#[test]
fn a_shard_that_is_searched_refreshes_by_its_interval() {
    let fixture = Fixture::primary();
    fixture
        .shard
        .update_settings(settings(&json!({"index.refresh_interval": "50ms"})));
    let written = write_one(&fixture.shard, index("a", &json!({})));
    fixture.shard.refresh_pending(written.seq_no).wait().unwrap();
    // Nobody asks now; the interval is enough.
    let written = write_one(&fixture.shard, index("b", &json!({})));
    for _ in 0..200 {
        if fixture.shard.refreshed_seq_no() == Some(written.seq_no) {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the shard was not refreshed");
}

#[test]
fn waiting_for_a_refresh_ends_when_there_are_no_scheduled_ones() {
    let fixture = Fixture::primary();
    fixture
        .shard
        .update_settings(settings(&json!({"index.refresh_interval": "-1"})));
    let written = write_one(&fixture.shard, index("a", &json!({})));
    assert_eq!(
        search(&fixture.shard, &json!({})).total,
        Some(0),
        "no refresh, not even by a search"
    );
    fixture.shard.refresh_pending(written.seq_no).wait().unwrap();
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(1));
}

/// A new view is not synced, so a crash may leave any part of it.
#[test]
fn a_new_view_that_a_crash_took_is_started_anew() {
    let damage: [&dyn Fn(&Path); 3] = [
        &|view| std::fs::remove_dir_all(view).unwrap(),
        &|view| std::fs::remove_file(view.join("meta.json")).unwrap(),
        &|view| std::fs::write(view.join("meta.json"), b"").unwrap(),
    ];
    for (number, damage) in damage.iter().enumerate() {
        let mut fixture = Fixture::primary();
        write_one(&fixture.shard, index("a", &json!({"n": 1})));
        fixture.shard.crash();
        damage(&fixture.dir.path().join("index"));
        fixture.open();
        assert_eq!(ids(&fixture.shard, &json!({})), ["a"], "case {number}");
    }
}

#[test]
fn every_way_to_lose_the_view_is_survived() {
    let mut fixture = Fixture::primary();
    load(&fixture.shard, &[json!({"n": 0}), json!({"n": 1})]);
    write(
        &fixture.shard,
        vec![
            index("0", &json!({"n": 5})),
            delete("1"),
            index("2", &json!({"n": 6})),
        ],
    );
    let view = fixture.dir.path().join("index");
    let damage: [&dyn Fn(&Path); 4] = [
        &|_| {},
        &|view| std::fs::remove_dir_all(view).unwrap(),
        &|view| std::fs::write(view.join("meta.json"), b"{").unwrap(),
        &|view| {
            let segment = std::fs::read_dir(view)
                .unwrap()
                .flatten()
                .find(|file| file.path().extension().is_some_and(|name| name == "term"));
            std::fs::write(segment.unwrap().path(), b"damaged").unwrap();
        },
    ];
    for (number, damage) in damage.iter().enumerate() {
        fixture.shard.crash();
        damage(&view);
        fixture.open();
        assert_eq!(fixture.shard.get("1").unwrap(), None, "case {number}");
        assert_eq!(
            fixture.shard.get("0").unwrap().unwrap().version.get(),
            2,
            "case {number}"
        );
        fixture.shard.refresh().wait().unwrap();
        assert_eq!(
            ids(&fixture.shard, &json!({"sort": ["n"]})),
            ["0", "2"],
            "case {number}"
        );
    }
}

#[test]
fn a_view_ahead_of_its_log_is_rebuilt() {
    let mut ahead = Fixture::primary();
    load(&ahead.shard, &[json!({"n": 1}), json!({"n": 2})]);
    ahead.shard.close().unwrap();
    let mut behind = Fixture::primary();
    load(&behind.shard, &[json!({"n": 3})]);
    behind.shard.close().unwrap();
    std::fs::remove_dir_all(behind.dir.path().join("index")).unwrap();
    std::fs::rename(ahead.dir.path().join("index"), behind.dir.path().join("index")).unwrap();
    behind.open();
    assert_eq!(
        search(&behind.shard, &json!({"query": {"term": {"n": 3}}})).total,
        Some(1)
    );
    ahead.open();
    assert_eq!(search(&ahead.shard, &json!({})).total, Some(2));
}

#[test]
fn a_full_tail_makes_writers_wait_and_the_view_work() {
    let mut fixture = Fixture::with(
        ShardRole::Primary,
        ViewPoolConfig {
            tail_bytes: 16 << 10,
            ..small_pool()
        },
    );
    for batch in 0..20 {
        let writes = (0..100)
            .map(|number| index(&format!("{batch}-{number}"), &json!({"n": number})))
            .collect();
        write(&fixture.shard, writes);
        assert!(
            fixture.shard.stats().tail_bytes <= (16 << 10) + 100 * 160,
            "the tail is bounded by its limit and one batch"
        );
    }
    assert!(fixture.shard.stats().refresh_total > 2);
    assert_eq!(
        search(&fixture.shard, &json!({"track_total_hits": true})).total,
        Some(2000)
    );
    // Without its view the copy must index on opening, since the log does not fit the tail.
    fixture.shard.crash();
    std::fs::remove_dir_all(fixture.dir.path().join("index")).unwrap();
    fixture.open();
    assert!(fixture.shard.stats().tail_bytes <= 16 << 10);
    assert_eq!(
        search(&fixture.shard, &json!({"track_total_hits": true})).total,
        Some(2000)
    );
}

#[test]
fn a_shard_that_nobody_writes_to_any_more_gives_its_tail_up() {
    let pool = |inactive_tail_bytes| ViewPoolConfig {
        inactive_millis: 200,
        inactive_tail_bytes,
        writer_idle_millis: 100,
        ..small_pool()
    };
    let used = Fixture::with(ShardRole::Primary, pool(4 << 10));
    let small = Fixture::with(ShardRole::Primary, pool(1 << 20));
    for fixture in [&used, &small] {
        let writes = (0..100).map(|number| index(&number.to_string(), &json!({"n": number})));
        write(&fixture.shard, writes.collect());
    }
    // Nobody searches either of them.
    let mut waits = 0;
    while used.shard.stats().tail_operations > 0
        || used.services.view_pool.open_writers() > 0
        || used.shard.tail.capacity() > 0
    {
        waits += 1;
        assert!(
            waits < 400,
            "the tail was not given up, or what it had taken is not free"
        );
        std::thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(used.shard.stats().refresh_total, 1, "in one piece");
    assert_eq!(used.shard.stats().docs, 100);
    assert_eq!(
        (
            small.shard.stats().tail_operations,
            small.shard.stats().refresh_total
        ),
        (100, 0),
        "a little is kept"
    );
}

#[test]
fn writers_are_closed_when_idle_and_never_too_many() {
    let pool = ViewPoolConfig {
        threads: 1,
        max_open_writers: 2,
        writer_idle_millis: 200,
        ..ViewPoolConfig::default()
    };
    let services = services(pool);
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let shards: Vec<_> = dirs
        .iter()
        .map(|dir| {
            Shard::create(
                config(dir.path(), ShardRole::Primary),
                HistoryUuid::generate(),
                services.clone(),
            )
            .unwrap()
        })
        .collect();
    for round in 0..2 {
        for shard in &shards {
            write_one(shard, index(&format!("{round}"), &json!({"n": round})));
            shard.refresh().wait().unwrap();
            assert!(services.view_pool.open_writers() <= 2);
        }
    }
    for shard in &shards {
        assert_eq!(search(shard, &json!({})).total, Some(2));
    }
    for _ in 0..100 {
        if services.view_pool.open_writers() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} writers are still open", services.view_pool.open_writers());
}

#[test]
fn closing_ends_waits() {
    let fixture = Fixture::primary();
    fixture
        .shard
        .update_settings(settings(&json!({"index.refresh_interval": "1h"})));
    let written = write_one(&fixture.shard, index("a", &json!({})));
    let ticket = fixture.shard.refresh_pending(written.seq_no);
    let waiting = std::thread::spawn(move || ticket.wait());
    fixture.shard.close().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(ShardError::Closed)));
}

#[test]
fn scan_returns_live_documents_in_order() {
    let fixture = Fixture::primary();
    write(
        &fixture.shard,
        vec![
            index("a", &json!({})),
            index("b", &json!({})),
            index("a", &json!({})),
            index("c", &json!({})),
            delete("b"),
        ],
    );
    let read = |after, limit| -> Vec<String> {
        let frames = fixture.shard.scan(after, limit).unwrap();
        frames
            .iter()
            .map(|frame| format!("{}{}", frame.id(), frame.seq_no()))
            .collect()
    };
    assert_eq!(read(None, 10), ["a2", "c3"]);
    assert_eq!(read(None, 1), ["a2"]);
    assert_eq!(read(Some(SeqNo::new(2)), 10), ["c3"]);
}

/// Name and niceness of the threads of this process.
#[cfg(target_os = "linux")]
fn niceness(named: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let nice = rest.split_ascii_whitespace().nth(16)?.parse().ok()?;
            name.starts_with(named).then_some(nice)
        })
        .collect()
}

/// A follower that catches up is not felt by those who search: its threads come after all others, and so do those that come from them.
#[test]
#[cfg(target_os = "linux")]
fn what_indexes_for_a_follower_yields_to_everything_else() {
    let follower = Fixture::new(ShardRole::Follower);
    let leader = Fixture::primary();
    write(&leader.shard, vec![index("a", &json!({"n": 1}))]);
    follower
        .shard
        .append_frames(super::follower::frames(&leader.shard, 0))
        .unwrap();
    follower.shard.refresh().wait().unwrap();
    assert_eq!(search(&follower.shard, &json!({})).total, Some(1));
    // Other tests start pools meanwhile, whose threads have their names a little earlier.
    let yields = || {
        let followers = niceness("view-follower");
        !followers.is_empty() && followers.iter().all(|nice| *nice == 10)
    };
    let mut waits = 0;
    while !yields() {
        waits += 1;
        assert!(waits < 400, "{:?}", niceness("view-follower"));
        std::thread::sleep(Duration::from_millis(25));
    }
    // Other tests have pools of their own.
    assert!(niceness("thrd-tantivy-in").contains(&10));
    leader.shard.refresh().wait().unwrap();
    assert!(niceness("thrd-tantivy-in").contains(&0));
}
