//! What users write on a leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cluster::change::AliasChange;
use es_exception::Exception;
use index_meta::AliasMetadata;
use indices::{BulkAction, BulkItem, Origin, RefreshPolicy, UpdateRequest};
use parking_lot::Mutex;
use serde_json::{Value, json};
use shard::WritePrecondition;

use crate::Node;
use crate::random::Random;

/// How users write.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Documents that there are at most.
    pub documents: u64,
    /// Largest text in a document, in bytes.
    pub largest_text: u64,
    /// Most operations in a bulk request.
    pub largest_bulk: u64,
    /// Pause between two bulk requests, in simulated time.
    pub pause: Duration,
    /// How likely a document brings a field that the mapping lacks.
    pub new_fields: f64,
    /// How likely a change of settings or aliases comes before a bulk request.
    pub metadata: f64,
}

/// Users who write until they are told to stop, whatever happens to the leader.
#[derive(Debug)]
pub struct Users {
    index: String,
    shape: Shape,
    random: Mutex<Random>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    fields: AtomicU64,
    metadata_changes: AtomicU64,
}

impl Users {
    /// Users of an index, whose writes follow from `seed`.
    #[must_use]
    pub fn new(index: &str, shape: Shape, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            index: index.to_owned(),
            shape,
            random: Mutex::new(Random::new(seed ^ 0x0005_e125)),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            fields: AtomicU64::new(0),
            metadata_changes: AtomicU64::new(0),
        })
    }

    /// Writes on `node` until told to stop.
    pub async fn write(self: Arc<Self>, node: Arc<Node>) {
        self.open(&node).await;
        while !self.stop.load(Ordering::SeqCst) {
            let changes_metadata = self.random.lock().chance(self.shape.metadata);
            if changes_metadata {
                // Half of it may be done when the leader goes down; what is missing is the user's own loss.
                let _ = self.change_metadata(&node).await;
                self.open(&node).await;
            }
            self.write_once(&node).await;
            tokio::time::sleep(self.shape.pause).await;
        }
    }

    /// Opens the index, if whoever closed it could not.
    pub async fn open(&self, node: &Node) {
        while node.indices.open_index(&self.index).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Something of the aliases, the settings or the mapping; half of the time something that is there goes.
    async fn change_metadata(&self, node: &Node) -> Result<(), Exception> {
        let number = self.metadata_changes.fetch_add(1, Ordering::SeqCst);
        let (kind, alias, former) = {
            let random = &mut *self.random.lock();
            (
                random.between(0..9),
                self.alias(random),
                random.between(0..number + 1),
            )
        };
        let index = self.index.clone();
        let set = |settings| {
            node.indices
                .update_settings(&self.index, settings, false, Origin::User)
        };
        let analyzer = |number: u64| format!("analysis.analyzer.analyzer_{number}.type");
        match kind {
            0 | 1 => node.indices.update_aliases(vec![alias], Origin::User).await,
            2 => {
                let AliasChange::Add { alias, .. } = alias else {
                    return Ok(());
                };
                let must_exist = false;
                let remove = AliasChange::Remove {
                    index,
                    alias,
                    must_exist,
                };
                node.indices.update_aliases(vec![remove], Origin::User).await
            }
            3 => set(json!({"mapping.total_fields.limit": 1000 + number})).await,
            4 => set(json!({"mapping.total_fields.limit": null})).await,
            5 => {
                // Documents may bring the field first, as a number too.
                let field = format!("field_{}", self.fields.fetch_add(1, Ordering::SeqCst));
                let mapping = json!({"properties": {field: {"type": "long"}}});
                node.indices.put_mapping(&self.index, mapping, Origin::User).await
            }
            6 => {
                node.indices.close_index(&self.index).await?;
                set(json!({ analyzer(number): "standard" })).await
            }
            7 => {
                node.indices.close_index(&self.index).await?;
                set(json!({ analyzer(former): null })).await
            }
            // Opened again by whoever called.
            _ => node.indices.close_index(&self.index).await.map(|_| ()),
        }
    }

    /// An alias with this and that.
    fn alias(&self, random: &mut Random) -> AliasChange {
        let mut routing = || random.chance(0.3).then(|| format!("r{}", random.between(0..3)));
        let (index_routing, search_routing) = (routing(), routing());
        let filter = json!({"range": {"n": {"gte": random.between(0..1000)}}});
        AliasChange::Add {
            index: self.index.clone(),
            alias: format!("alias_{}", random.between(0..5)),
            metadata: AliasMetadata {
                filter: random.chance(0.3).then_some(filter),
                index_routing,
                search_routing,
                is_write_index: random.chance(0.3).then_some(true),
                ..AliasMetadata::default()
            },
        }
    }

    /// One bulk request.
    pub async fn write_once(&self, node: &Node) {
        let items = self.bulk();
        // A leader that has just started may have no shard yet.
        let Ok(answer) = node.indices.bulk(items, RefreshPolicy::None).await else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let written = answer.items.iter().filter(|item| item.result.is_ok()).count();
        self.acknowledged
            .fetch_add(u64::try_from(written).unwrap_or(0), Ordering::SeqCst);
    }

    /// Ends all writing.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Operations that succeeded.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn bulk(&self) -> Vec<BulkItem> {
        let random = &mut *self.random.lock();
        let count = random.between(1..self.shape.largest_bulk + 1);
        (0..count).map(|_| self.item(random)).collect()
    }

    fn item(&self, random: &mut Random) -> BulkItem {
        let id = random.between(0..self.shape.documents);
        if random.chance(0.2) {
            return deletion(&self.index, id);
        }
        let mut source = json!({
            "n": random.between(0..1_000_000),
            "text": text(random, self.shape.largest_text),
        });
        if random.chance(self.shape.new_fields) {
            let field = self.fields.fetch_add(1, Ordering::SeqCst);
            source[format!("field_{field}")] = json!(field);
        }
        if random.chance(0.3) {
            return update(&self.index, id, &source);
        }
        document(&self.index, id, &source)
    }
}

fn text(random: &mut Random, largest: u64) -> String {
    let length = random.spread(1..largest.max(2));
    let letters = b"abcdefghijklmnopqrstuvwxyz    ";
    let letter = |_| char::from(*random.pick(letters).unwrap_or(&b' '));
    (0..length).map(letter).collect()
}

/// Stores a document.
#[must_use]
pub fn document(index: &str, id: u64, source: &Value) -> BulkItem {
    BulkItem {
        index: index.to_owned(),
        id: Some(id.to_string()),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action: BulkAction::Index {
            source: Bytes::from(source.to_string()),
            precondition: WritePrecondition::None,
        },
    }
}

/// Removes a document.
#[must_use]
pub fn deletion(index: &str, id: u64) -> BulkItem {
    BulkItem {
        action: BulkAction::Delete {
            precondition: WritePrecondition::None,
        },
        ..document(index, id, &json!({}))
    }
}

/// Changes a document, or creates it.
fn update(index: &str, id: u64, part: &Value) -> BulkItem {
    BulkItem {
        action: BulkAction::Update(UpdateRequest {
            doc: Some(Bytes::from(part.to_string())),
            doc_as_upsert: true,
            ..UpdateRequest::default()
        }),
        ..document(index, id, &json!({}))
    }
}
