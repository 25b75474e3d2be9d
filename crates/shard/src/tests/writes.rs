//! Version planning, preconditions and realtime get.

use es_exception::ExceptionKind;
use serde_json::json;

use super::*;
use crate::{WriteError, WriteResult};

fn outcome(batch: &WriteBatch, item: usize) -> (WriteResult, u64, u64) {
    let outcome = batch.items[item].as_ref().unwrap();
    (outcome.result, outcome.seq_no.get(), outcome.version.get())
}

fn kind(batch: &WriteBatch, item: usize) -> (ExceptionKind, u16) {
    let exception = batch.items[item].as_ref().unwrap_err().to_exception();
    (exception.kind(), exception.status())
}

#[test]
fn operations_of_one_batch_see_each_other() {
    let fixture = Fixture::primary();
    let batch = write(
        &fixture.shard,
        vec![
            index("a", &json!({"n": 1})),
            index("a", &json!({"n": 2})),
            create("a", &json!({"n": 3})),
            delete("a"),
            delete("a"),
            create("a", &json!({"n": 4})),
            index("b", &json!({})),
        ],
    );
    assert_eq!(outcome(&batch, 0), (WriteResult::Created, 0, 1));
    assert_eq!(outcome(&batch, 1), (WriteResult::Updated, 1, 2));
    assert_eq!(kind(&batch, 2), (ExceptionKind::VersionConflict, 409));
    assert_eq!(outcome(&batch, 3), (WriteResult::Deleted, 2, 3));
    assert_eq!(outcome(&batch, 4), (WriteResult::NotFound, 3, 4));
    assert_eq!(outcome(&batch, 5), (WriteResult::Created, 4, 5));
    assert_eq!(outcome(&batch, 6), (WriteResult::Created, 5, 1));
    let frames = fixture
        .shard
        .log()
        .read(SeqNo::ZERO, SeqNo::new(5), oplog::ReadLimits::NONE)
        .unwrap();
    let superseded: Vec<_> = frames
        .iter()
        .map(|frame| frame.superseded().map(SeqNo::get))
        .collect();
    assert_eq!(superseded, [None, Some(0), Some(1), None, None, None]);
}

#[test]
fn versions_continue_from_the_view_and_from_a_remembered_delete() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    write_one(shard, index("a", &json!({})));
    shard.refresh().wait().unwrap();
    assert_eq!(shard.stats().tail_operations, 0);
    let updated = write_one(shard, index("a", &json!({})));
    assert_eq!((updated.result, updated.version.get()), (WriteResult::Updated, 2));
    write_one(shard, delete("a"));
    shard.refresh().wait().unwrap();
    let again = write_one(shard, index("a", &json!({})));
    assert_eq!((again.result, again.version.get()), (WriteResult::Created, 4));
}

#[test]
fn preconditions_by_seq_no() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    write_one(shard, index("a", &json!({})));
    for refreshed in [false, true] {
        if refreshed {
            shard.refresh().wait().unwrap();
        }
        let held = shard.get("a").unwrap().unwrap().seq_no.get();
        let batch = write(
            shard,
            vec![
                when(index("a", &json!({})), seq_no(held + 7)),
                when(delete("missing"), seq_no(0)),
                when(index("a", &json!({})), seq_no(held)),
            ],
        );
        assert_eq!(
            kind(&batch, 0),
            (ExceptionKind::VersionConflict, 409),
            "refreshed: {refreshed}"
        );
        assert_eq!(kind(&batch, 1), (ExceptionKind::VersionConflict, 409));
        assert!(batch.items[2].is_ok());
    }
}

#[test]
fn external_versions_only_grow() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    let gte = |version| WritePrecondition::ExternalGte {
        version: DocumentVersion::new(version),
    };
    assert_eq!(
        write_one(shard, when(index("a", &json!({})), external(5)))
            .version
            .get(),
        5
    );
    let batch = write(
        shard,
        vec![
            when(index("a", &json!({})), external(5)),
            when(index("a", &json!({})), gte(4)),
            when(index("a", &json!({})), gte(5)),
            when(delete("a"), external(9)),
            when(index("a", &json!({})), external(9)),
        ],
    );
    let accepted: Vec<bool> = batch.items.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [false, false, true, true, false]);
}

#[test]
fn a_document_that_needs_a_mapping_leaves_no_trace() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    let batch = write(
        shard,
        vec![
            index("a", &json!({"new": "x"})),
            index("b", &json!({"n": 1})),
            index("c", &json!({"n": "x"})),
        ],
    );
    let Err(WriteError::MappingUpdateRequired(update)) = &batch.items[0] else {
        panic!("{:?}", batch.items[0])
    };
    assert!(matches!(batch.items[2], Err(WriteError::Document(_))));
    assert_eq!(
        (shard.log().max_seq_no(), shard.get("a").unwrap()),
        (Some(SeqNo::ZERO), None)
    );
    let mapping = shard.mapping().merge(update.as_json()).unwrap();
    shard.update_mapping(Arc::new(mapping), 2);
    assert_eq!(
        write_one(shard, index("a", &json!({"new": "x"}))).seq_no,
        SeqNo::new(1)
    );
    shard.update_mapping(mapping_without_new(), 1);
    assert_eq!(shard.mapping_version(), 2);
}

fn mapping_without_new() -> Arc<Mapping> {
    mapping()
}

#[test]
fn impossible_ids_are_refused_alone() {
    let fixture = Fixture::primary();
    let batch = write(
        &fixture.shard,
        vec![
            index(&"x".repeat(513), &json!({})),
            index("", &json!({})),
            index("a", &json!({})),
        ],
    );
    assert_eq!((kind(&batch, 0).1, kind(&batch, 1).1), (400, 400));
    assert_eq!(outcome(&batch, 2).1, 0);
}

#[test]
fn get_is_realtime_unless_asked_otherwise() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    let routed = DocumentWrite {
        routing: Some("r".into()),
        ..index("a", &json!({"n": 1}))
    };
    write_one(shard, routed);
    let found = shard.get("a").unwrap().unwrap();
    assert_eq!(
        (found.routing.as_deref(), &found.source[..]),
        (Some("r"), &b"{\"n\":1}"[..])
    );
    assert_eq!(shard.get_refreshed("a").unwrap(), None);
    shard.refresh().wait().unwrap();
    assert_eq!(shard.get_refreshed("a").unwrap(), Some(found));
    write_one(shard, delete("a"));
    assert_eq!(shard.get("a").unwrap(), None);
    assert!(shard.get_refreshed("a").unwrap().is_some());
    shard.refresh().wait().unwrap();
    assert_eq!(shard.get_refreshed("a").unwrap(), None);
}

#[test]
fn auto_ids_are_created_without_a_look_up() {
    let fixture = Fixture::primary();
    let auto = DocumentWrite {
        auto_id: true,
        ..index("generated", &json!({}))
    };
    assert_eq!(write_one(&fixture.shard, auto).result, WriteResult::Created);
    assert!(fixture.shard.get("generated").unwrap().is_some());
}

#[test]
fn a_closed_shard_refuses_everything() {
    let fixture = Fixture::primary();
    fixture.shard.close().unwrap();
    fixture.shard.close().unwrap();
    assert!(matches!(
        fixture.shard.write(vec![index("a", &json!({}))]),
        Err(crate::ShardError::Closed)
    ));
    assert!(matches!(fixture.shard.get("a"), Err(crate::ShardError::Closed)));
    assert!(fixture.shard.search(&SearchRequest::default()).is_err());
}
