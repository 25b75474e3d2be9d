//! Columns that no segment has: values that are computed from others while aggregations read them.

mod column;
mod numbers;

use std::sync::Arc;

use tantivy::aggregation::{ValueSourceProvider, ValueSourceRegistry};

pub(super) use column::SegmentColumn;
pub(super) use numbers::{Numbers, Starts};

/// The computed columns of a search.
#[derive(Default)]
pub(super) struct ComputedColumns {
    registry: ValueSourceRegistry,
    count: usize,
}

impl ComputedColumns {
    /// Adds a column; its name, which no column of a view has: those have no spaces before the path of their field.
    pub(super) fn add(&mut self, provider: impl ValueSourceProvider) -> String {
        let name = format!("computed column {}", self.count);
        self.count += 1;
        self.registry.register(&name, Arc::new(provider));
        name
    }

    pub(super) fn into_registry(self) -> ValueSourceRegistry {
        self.registry
    }
}
