//! Everything that an index holds, read through the public API: each document with its `_seq_no`, `_version` and source.

use crate::rest::Rest;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Documents asked for at once: the default of `index.max_result_window`.
const PAGE: usize = 10_000;

/// One document as the index tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// The operation that made it what it is.
    pub(crate) seq_no: u64,
    /// Its version.
    pub(crate) version: u64,
    /// Its source, byte for byte.
    pub(crate) source: String,
}

/// All documents of an index by `_id`.
pub(crate) type Contents = BTreeMap<String, Document>;

#[derive(Deserialize)]
struct SearchAnswer {
    timed_out: bool,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
    relation: String,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
}

/// Refreshes the index and reads all of it, page by page in the order of `_seq_no`.
///
/// Documents of different shards may share a `_seq_no`, so a page boundary may fall between two of one number. The next page
/// therefore begins at the last number again, and a document seen twice counts once.
pub(crate) async fn read(rest: &Rest, index: &str) -> Result<Contents> {
    rest.post_empty(&format!("/{index}/_refresh")).await?;
    let mut contents = Contents::new();
    let mut after: Option<i64> = None;
    loop {
        let page = page(rest, index, after).await?;
        if page.timed_out {
            bail!("a search on {index} timed out");
        }
        let complete = page.hits.hits.len() < PAGE;
        let last = page.hits.hits.last().map(|hit| hit.seq_no);
        let (total, before) = (page.hits.total, contents.len());
        for hit in page.hits.hits {
            let document = Document {
                seq_no: hit.seq_no,
                version: hit.version,
                source: hit.source.get().to_owned(),
            };
            contents.insert(hit.id, document);
        }
        if complete {
            if total.relation != "eq" || total.value != contents.len() as u64 {
                bail!(
                    "{index} says it has {} ({}) documents, {} were read",
                    total.value,
                    total.relation,
                    contents.len()
                );
            }
            return Ok(contents);
        }
        if contents.len() == before {
            bail!("{index}: a page of {PAGE} hits told of no new document");
        }
        after = last.map(|seq_no| i64::try_from(seq_no).unwrap_or(i64::MAX) - 1);
    }
}

async fn page(rest: &Rest, index: &str, after: Option<i64>) -> Result<SearchAnswer> {
    let mut body = json!({
        "query": { "match_all": {} },
        "size": PAGE,
        "sort": [{ "_seq_no": "asc" }],
        "version": true,
        "seq_no_primary_term": true,
        "track_total_hits": true,
    });
    if let Some(after) = after {
        body["search_after"] = json!([after]);
    }
    let bytes = rest.search_raw(index, &body).await?;
    serde_json::from_slice(&bytes).with_context(|| format!("a search answer of {index} that cannot be read"))
}

/// The source of a document as a value.
pub(crate) fn source(document: &Document) -> Result<Value> {
    Ok(serde_json::from_str(&document.source)?)
}
