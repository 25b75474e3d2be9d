//! The page of a `composite`.

use es_exception::Exception;
use serde_json::{Map, Value, json};
use tantivy::aggregation::agg_result::BucketEntry;

use super::{Bucket, Buckets, Part, Printer};
use crate::aggregation::composite::Composite;

impl Printer {
    pub(super) fn print_composite(
        &mut self,
        part: &Part<'_>,
        composite: &Composite,
        found: &[BucketEntry],
    ) -> Result<Map<String, Value>, Exception> {
        let page = composite.page(part.shape, found);
        self.count(page.len() as u64)?;
        let mut buckets = Buckets::new(false);
        let mut after = None;
        for (key, entry) in page {
            let queries = || composite.queries(part.shape, &key);
            let place = buckets.next_place("");
            let bucket = Bucket::of(entry.doc_count, &entry.sub_aggregation);
            let inside = self.inside(part, &place, queries, bucket)?;
            let printed = composite.print_key(part.shape, &key);
            let mut object = Map::new();
            object.insert("key".to_owned(), printed.clone());
            object.insert("doc_count".to_owned(), json!(entry.doc_count));
            object.extend(inside);
            buckets.push(String::new(), object);
            after = Some(printed);
        }
        let mut object = Map::new();
        object.extend(after.map(|key| ("after_key".to_owned(), key)));
        object.extend(buckets.print());
        Ok(object)
    }
}
