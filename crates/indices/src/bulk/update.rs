//! The update of a part of a document: read, merge, write what was read only if nobody else wrote it meanwhile.

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};
use shard::{GetResult, WriteOperation, WritePrecondition};

use crate::request::UpdateRequest;

/// What an item does to its shard.
#[derive(Debug)]
pub(super) enum Prepared {
    /// It writes.
    Write {
        operation: WriteOperation,
        precondition: WritePrecondition,
        answer_source: Option<Bytes>,
    },
    /// It changes nothing.
    Noop {
        current: GetResult,
        answer_source: Option<Bytes>,
    },
}

/// Source: Elasticsearch's `UpdateHelper.prepare` without scripts.
pub(super) fn prepare_update(
    id: &str,
    update: &UpdateRequest,
    current: Option<GetResult>,
) -> Result<Prepared, Exception> {
    let Some(current) = current else {
        return prepare_upsert(id, update);
    };
    if let Some((seq_no, primary_term)) = update.if_seq_no
        && (current.seq_no, current.primary_term) != (seq_no, primary_term)
    {
        return Err(Exception::new(
            ExceptionKind::VersionConflict,
            format!(
                "[{id}]: version conflict, required seqNo [{seq_no}], primary term [{primary_term}]. \
                 current document has seqNo [{}] and primary term [{}]",
                current.seq_no, current.primary_term
            ),
        ));
    }
    let answer = |source: &Bytes| update.return_source.then(|| source.clone());
    let Some(doc) = &update.doc else {
        // Only an upsert was given, and there is a document: nothing to do.
        let answer_source = answer(&current.source);
        return Ok(Prepared::Noop {
            current,
            answer_source,
        });
    };
    let mut merged = parse_object(&current.source)?;
    let changed = merge(&mut merged, parse_object(doc)?);
    if !changed && update.detect_noop {
        let answer_source = answer(&current.source);
        return Ok(Prepared::Noop {
            current,
            answer_source,
        });
    }
    let source = serde_json::to_vec(&merged).map(Bytes::from).map_err(|error| {
        Exception::new(
            ExceptionKind::Exception,
            format!("[{id}]: merged document cannot be written: {error}"),
        )
    })?;
    Ok(Prepared::Write {
        answer_source: answer(&source),
        operation: WriteOperation::Index {
            source,
            create_only: false,
        },
        precondition: WritePrecondition::SeqNo {
            seq_no: current.seq_no,
            primary_term: current.primary_term,
        },
    })
}

fn prepare_upsert(id: &str, update: &UpdateRequest) -> Result<Prepared, Exception> {
    let new = if update.doc_as_upsert {
        &update.doc
    } else {
        &update.upsert
    };
    let Some(source) = new else {
        return Err(Exception::new(
            ExceptionKind::DocumentMissing,
            format!("[{id}]: document missing"),
        ));
    };
    Ok(Prepared::Write {
        answer_source: update.return_source.then(|| source.clone()),
        // Somebody else may create it first; that is a conflict, which may be tried again.
        operation: WriteOperation::Index {
            source: source.clone(),
            create_only: true,
        },
        precondition: WritePrecondition::None,
    })
}

fn parse_object(source: &[u8]) -> Result<Map<String, Value>, Exception> {
    serde_json::from_slice(source).map_err(|error| {
        Exception::new(
            ExceptionKind::XContentParse,
            format!("failed to parse the document of an update: {error}"),
        )
    })
}

/// Lays `changes` over `target`: objects are merged, everything else is replaced. Answers whether anything changed.
fn merge(target: &mut Map<String, Value>, changes: Map<String, Value>) -> bool {
    let mut changed = false;
    for (key, change) in changes {
        match (target.get_mut(&key), change) {
            (Some(Value::Object(inner)), Value::Object(change)) => changed |= merge(inner, change),
            (Some(held), change) => {
                if *held != change {
                    *held = change;
                    changed = true;
                }
            }
            (None, change) => {
                target.insert(key, change);
                changed = true;
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use oplog::{DocumentVersion, PrimaryTerm, SeqNo};
    use serde_json::json;

    use super::*;

    fn current(source: &Value) -> Option<GetResult> {
        Some(GetResult {
            id: "1".into(),
            seq_no: SeqNo::new(7),
            primary_term: PrimaryTerm::FIRST,
            version: DocumentVersion::new(3),
            routing: None,
            source: Bytes::from(source.to_string()),
        })
    }

    fn doc(value: &Value) -> UpdateRequest {
        UpdateRequest {
            doc: Some(Bytes::from(value.to_string())),
            ..UpdateRequest::default()
        }
    }

    fn written(prepared: Prepared) -> (Value, bool, WritePrecondition) {
        match prepared {
            Prepared::Write {
                operation: WriteOperation::Index { source, create_only },
                precondition,
                ..
            } => (
                serde_json::from_slice(&source).unwrap(),
                create_only,
                precondition,
            ),
            other => panic!("not a write: {other:?}"),
        }
    }

    #[test]
    fn objects_are_merged_and_the_rest_is_replaced() {
        let held = json!({"a": {"x": 1, "y": [1, 2]}, "b": 2});
        let update = doc(&json!({"a": {"y": [3]}, "c": null}));
        let (merged, create_only, precondition) =
            written(prepare_update("1", &update, current(&held)).unwrap());
        assert_eq!(merged, json!({"a": {"x": 1, "y": [3]}, "b": 2, "c": null}));
        assert!(!create_only);
        assert_eq!(
            precondition,
            WritePrecondition::SeqNo {
                seq_no: SeqNo::new(7),
                primary_term: PrimaryTerm::FIRST
            }
        );
    }

    #[test]
    fn a_merge_without_effect_is_a_noop_unless_that_is_not_wanted() {
        let held = json!({"a": {"x": 1}});
        let mut update = doc(&json!({"a": {"x": 1}}));
        assert!(matches!(
            prepare_update("1", &update, current(&held)).unwrap(),
            Prepared::Noop { .. }
        ));
        update.detect_noop = false;
        assert_eq!(
            written(prepare_update("1", &update, current(&held)).unwrap()).0,
            held
        );
    }

    #[test]
    fn a_missing_document_is_created_only_by_an_upsert() {
        let mut update = doc(&json!({"a": 1}));
        assert_eq!(
            prepare_update("1", &update, None).unwrap_err().kind(),
            ExceptionKind::DocumentMissing
        );
        update.doc_as_upsert = true;
        assert_eq!(
            written(prepare_update("1", &update, None).unwrap()).0,
            json!({"a": 1})
        );
        update.doc_as_upsert = false;
        update.upsert = Some(Bytes::from_static(b"{\"b\":2}"));
        let (created, create_only, _) = written(prepare_update("1", &update, None).unwrap());
        assert_eq!((created, create_only), (json!({"b": 2}), true));
    }

    #[test]
    fn another_seq_no_than_expected_is_a_conflict() {
        let mut update = doc(&json!({"a": 1}));
        update.if_seq_no = Some((SeqNo::new(6), PrimaryTerm::FIRST));
        let refused = prepare_update("1", &update, current(&json!({}))).unwrap_err();
        assert_eq!(refused.kind(), ExceptionKind::VersionConflict);
    }
}
