//! A random load that knows what must be true afterwards.
//!
//! Every writer owns its own documents, so the operations on one document are never concurrent. What was acknowledged is
//! certain, what was refused did not happen, and what got no complete answer is *unknown*: the document may be in the state before or after
//! it, and the writer leaves it alone from then on, since a late answer could otherwise overtake a newer write.

use crate::clock::wait_for;
use crate::contents::{self, Contents};
use crate::rest::Rest;
use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How a load is made.
#[derive(Debug, Clone)]
pub(crate) struct LoadConfig {
    /// Everything random comes from here.
    pub(crate) seed: u64,
    /// Concurrent writers.
    pub(crate) writers: u32,
    /// Documents that each writer owns.
    pub(crate) documents: u32,
    /// Operations in one bulk request.
    pub(crate) batch: usize,
    /// Pause between two requests of one writer.
    pub(crate) pause: Duration,
}

/// What the index may hold under one `_id`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expected {
    /// The source after the last acknowledged operation; none when it was deleted or never written.
    acknowledged: Option<Value>,
    /// `_seq_no` and `_version` of the last acknowledged operation, if any.
    position: Option<(u64, u64)>,
    /// The state after an operation that got no complete answer.
    unknown: Option<Option<Value>>,
}

/// What a load did.
#[derive(Debug, Default)]
pub(crate) struct History {
    documents: BTreeMap<String, Expected>,
    /// Acknowledged operations.
    pub(crate) acknowledged: u64,
    /// Operations without a complete answer.
    pub(crate) unknown: u64,
    /// Requests that failed and were followed by a wait for the server.
    pub(crate) interruptions: u64,
}

/// A running load.
#[derive(Debug)]
pub(crate) struct Load {
    stop: CancellationToken,
    writers: JoinSet<Result<History>>,
}

impl Load {
    /// Starts writing to `index` and goes on, through failures of the server too, until [`Load::finish`].
    pub(crate) fn start(rest: &Rest, index: &str, config: &LoadConfig) -> Load {
        println!("  load on {index}: seed {}", config.seed);
        let stop = CancellationToken::new();
        let mut writers = JoinSet::new();
        for number in 0..config.writers {
            let writer = Writer::new(rest.clone(), index.to_owned(), number, config);
            writers.spawn(writer.run(stop.clone()));
        }
        Load { stop, writers }
    }

    /// Lets every writer end its request and returns what all did.
    pub(crate) async fn finish(mut self) -> Result<History> {
        self.stop.cancel();
        let mut all = History::default();
        while let Some(history) = self.writers.join_next().await {
            all.absorb(history.context("a writer panicked")??);
        }
        if all.acknowledged == 0 {
            bail!("the load got nothing acknowledged");
        }
        println!(
            "  load ended: {} acknowledged, {} unknown, {} interruptions",
            all.acknowledged, all.unknown, all.interruptions
        );
        Ok(all)
    }
}

struct Writer {
    rest: Rest,
    index: String,
    random: StdRng,
    batch: usize,
    pause: Duration,
    /// Documents whose state is certain; the others are retired.
    ids: Vec<String>,
    history: History,
    stamp: u64,
    number: u32,
}

/// One operation of a bulk request and the state after it.
struct Planned {
    id: String,
    lines: String,
    after: Option<Value>,
    /// The only status that does not mean success and is still right: a delete of what is not there.
    also_right: Option<u64>,
}

impl Writer {
    fn new(rest: Rest, index: String, number: u32, config: &LoadConfig) -> Writer {
        let ids = (0..config.documents)
            .map(|document| format!("w{number}-{document}"))
            .collect();
        Writer {
            rest,
            index,
            random: StdRng::seed_from_u64(config.seed ^ (u64::from(number) << 32)),
            batch: config.batch,
            pause: config.pause,
            ids,
            history: History::default(),
            stamp: 0,
            number,
        }
    }

    async fn run(mut self, stop: CancellationToken) -> Result<History> {
        while !stop.is_cancelled() {
            self.round(&stop).await?;
            tokio::select! {
                () = tokio::time::sleep(self.pause) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(self.history)
    }

    /// Sends one bulk request over different documents and notes what became of each.
    async fn round(&mut self, stop: &CancellationToken) -> Result<()> {
        if self.ids.len() < self.batch {
            bail!(
                "writer {} has too few documents left whose state is certain",
                self.number
            );
        }
        self.ids.shuffle(&mut self.random);
        let ids: Vec<String> = self.ids[..self.batch].to_vec();
        let planned: Vec<Planned> = ids.into_iter().map(|id| self.plan(id)).collect();
        let lines = planned.iter().map(|operation| operation.lines.as_str()).collect();
        match self.rest.bulk(&self.index, lines).await {
            Ok(answer) if answer.status == 200 => self.note_items(planned, &answer.body),
            Ok(answer) if (400..500).contains(&answer.status) => {
                bail!("a bulk request was refused: {} {}", answer.status, answer.body)
            }
            Ok(_) | Err(_) => {
                planned.into_iter().for_each(|operation| self.retire(operation));
                self.history.interruptions += 1;
                self.await_server(stop).await
            }
        }
    }

    fn plan(&mut self, id: String) -> Planned {
        self.stamp += 1;
        let exists = self
            .history
            .documents
            .get(&id)
            .and_then(|expected| expected.acknowledged.clone());
        let stamp = format!("{}-{}", self.number, self.stamp);
        match (self.random.random_range(0..100), exists) {
            (0..15, exists) => {
                let lines = format!("{}\n", json!({ "delete": { "_id": id } }));
                Planned {
                    id,
                    lines,
                    after: None,
                    also_right: exists.is_none().then_some(404),
                }
            }
            (15..45, Some(mut source)) => {
                let part = json!({ "stamp": stamp, "updated": self.random.random_range(0..1_000_000) });
                if let (Some(source), Value::Object(part)) = (source.as_object_mut(), part.clone()) {
                    source.extend(part);
                }
                let lines = format!(
                    "{}\n{}\n",
                    json!({ "update": { "_id": id } }),
                    json!({ "doc": part })
                );
                Planned {
                    id,
                    lines,
                    after: Some(source),
                    also_right: None,
                }
            }
            (_, exists) => {
                let action = if exists.is_none() && self.random.random_bool(0.5) {
                    "create"
                } else {
                    "index"
                };
                let words: String = (0..self.random.random_range(1..20))
                    .map(|_| format!("word{} ", self.random.random_range(0..500)))
                    .collect();
                let source = json!({ "stamp": stamp, "number": self.random.random_range(0..1_000_000), "text": words });
                let lines = format!("{}\n{source}\n", json!({ action: { "_id": id } }));
                Planned {
                    id,
                    lines,
                    after: Some(source),
                    also_right: None,
                }
            }
        }
    }

    fn note_items(&mut self, planned: Vec<Planned>, answer: &Value) -> Result<()> {
        let items = answer["items"]
            .as_array()
            .with_context(|| format!("a bulk answer without items: {answer}"))?;
        if items.len() != planned.len() {
            bail!(
                "{} operations were sent, {} items came back",
                planned.len(),
                items.len()
            );
        }
        for (operation, item) in planned.into_iter().zip(items) {
            let item = item
                .as_object()
                .and_then(|item| item.values().next())
                .context("an empty item")?;
            let status = item["status"].as_u64().unwrap_or(0);
            if item["_id"] != operation.id.as_str() {
                bail!("an item of {} in the place of {}", item["_id"], operation.id);
            }
            if (200..300).contains(&status) || operation.also_right == Some(status) {
                self.acknowledge(operation, item)?;
            } else if status >= 500 || status == 429 {
                self.retire(operation);
            } else {
                bail!("an operation on {} was refused: {item:?}", operation.id);
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, operation: Planned, item: &Value) -> Result<()> {
        let number = |name: &str| {
            item[name]
                .as_u64()
                .with_context(|| format!("no {name} in {item}"))
        };
        let position = Some((number("_seq_no")?, number("_version")?));
        self.history.documents.insert(
            operation.id,
            Expected {
                acknowledged: operation.after,
                position,
                unknown: None,
            },
        );
        self.history.acknowledged += 1;
        Ok(())
    }

    fn retire(&mut self, operation: Planned) {
        self.ids.retain(|id| *id != operation.id);
        self.history.documents.entry(operation.id).or_default().unknown = Some(operation.after);
        self.history.unknown += 1;
    }

    /// Waits until the server answers again, or the load is to end.
    async fn await_server(&self, stop: &CancellationToken) -> Result<()> {
        let answers = wait_for("the server to answer again", Duration::from_secs(90), || async {
            Ok(self.rest.get(&format!("/{}/_count", self.index)).await.ok())
        });
        tokio::select! {
            answered = answers => answered.map(|_| ()),
            () = stop.cancelled() => Ok(()),
        }
    }
}

impl History {
    fn absorb(&mut self, other: History) {
        self.documents.extend(other.documents);
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.interruptions += other.interruptions;
    }

    /// Names every document that is in no state that its history allows.
    pub(crate) fn violations(&self, found: &Contents) -> Result<Vec<String>> {
        let mut violations = Vec::new();
        for (id, expected) in &self.documents {
            let document = found.get(id);
            let source = document.map(contents::source).transpose()?;
            let position = document.map(|document| (document.seq_no, document.version));
            if !expected.allows(source.as_ref(), position) {
                violations.push(format!("[{id}] is {document:?}, its history allows {expected:?}"));
            }
        }
        let stray = found
            .keys()
            .filter(|id| id.starts_with('w') && !self.documents.contains_key(*id));
        violations.extend(stray.map(|id| format!("[{id}] was never written")));
        Ok(violations)
    }
}

impl Expected {
    fn allows(&self, source: Option<&Value>, position: Option<(u64, u64)>) -> bool {
        let as_acknowledged =
            source == self.acknowledged.as_ref() && (source.is_none() || position == self.position);
        let as_unknown = self.unknown.as_ref().is_some_and(|after| {
            let newer = position.map(|(seq_no, _)| seq_no) > self.position.map(|(seq_no, _)| seq_no);
            source == after.as_ref() && (source.is_none() || newer)
        });
        as_acknowledged || as_unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::Document;

    fn history(expected: Expected) -> History {
        History {
            documents: BTreeMap::from([("w0-1".to_owned(), expected)]),
            ..History::default()
        }
    }

    fn found(source: Option<(&str, u64, u64)>) -> Contents {
        let document = |(source, seq_no, version): (&str, u64, u64)| Document {
            seq_no,
            version,
            source: source.into(),
        };
        source
            .map(|found| ("w0-1".to_owned(), document(found)))
            .into_iter()
            .collect()
    }

    fn count(expected: &Expected, source: Option<(&str, u64, u64)>) -> usize {
        history(expected.clone())
            .violations(&found(source))
            .unwrap()
            .len()
    }

    #[test]
    fn an_acknowledged_write_must_be_there_exactly() {
        let written = Expected {
            acknowledged: Some(json!({ "n": 2 })),
            position: Some((8, 3)),
            unknown: None,
        };
        assert_eq!(count(&written, Some((r#"{"n":2}"#, 8, 3))), 0);
        assert_eq!(count(&written, None), 1, "a lost write was not seen");
        assert_eq!(
            count(&written, Some((r#"{"n":1}"#, 7, 2))),
            1,
            "an older state was not seen"
        );
        assert_eq!(
            count(&written, Some((r#"{"n":2}"#, 9, 4))),
            1,
            "a write applied twice was not seen"
        );
    }

    #[test]
    fn an_acknowledged_delete_must_stay_deleted() {
        let deleted = Expected {
            acknowledged: None,
            position: Some((8, 3)),
            unknown: None,
        };
        assert_eq!(count(&deleted, None), 0);
        assert_eq!(count(&deleted, Some((r#"{"n":1}"#, 7, 2))), 1);
    }

    #[test]
    fn an_unknown_write_allows_both_states_and_no_third() {
        let unsure = Expected {
            acknowledged: Some(json!({ "n": 2 })),
            position: Some((8, 3)),
            unknown: Some(Some(json!({ "n": 5 }))),
        };
        assert_eq!(count(&unsure, Some((r#"{"n":2}"#, 8, 3))), 0);
        assert_eq!(count(&unsure, Some((r#"{"n":5}"#, 11, 4))), 0);
        assert_eq!(
            count(&unsure, Some((r#"{"n":5}"#, 8, 3))),
            1,
            "a new state under an old number was not seen"
        );
        assert_eq!(count(&unsure, None), 1);
        let maybe_deleted = Expected {
            unknown: Some(None),
            ..unsure
        };
        assert_eq!(count(&maybe_deleted, None), 0);
        let never_sure = Expected {
            unknown: Some(Some(json!({ "n": 5 }))),
            ..Expected::default()
        };
        assert_eq!(count(&never_sure, None), 0);
        assert_eq!(count(&never_sure, Some((r#"{"n":5}"#, 0, 1))), 0);
    }

    #[test]
    fn a_document_that_nobody_wrote_is_found() {
        let empty = History::default();
        assert_eq!(empty.violations(&found(Some(("{}", 0, 1)))).unwrap().len(), 1);
    }
}
