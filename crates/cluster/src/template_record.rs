//! How templates lie in the store: one record each, the JSON that the REST API takes and gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use index_meta::{ComponentTemplate, IndexTemplate, LegacyTemplate, Templates};

use crate::record::{RecordError, malformed, map_writes, parse, put_value};
use crate::store::Write;

const COMPONENT_PREFIX: &str = "component_template/";
const INDEX_PREFIX: &str = "index_template/";
const LEGACY_PREFIX: &str = "legacy_template/";

/// Adds the writes that turn the records of `old` into those of `new`.
pub(crate) fn template_writes(writes: &mut Vec<Write>, old: Option<&Templates>, new: &Templates) {
    map_writes(
        writes,
        COMPONENT_PREFIX,
        old.map(Templates::component_templates),
        new.component_templates(),
        PartialEq::eq,
        |template| put_value(&template.to_json()),
    );
    map_writes(
        writes,
        INDEX_PREFIX,
        old.map(Templates::index_templates),
        new.index_templates(),
        PartialEq::eq,
        |template| put_value(&template.to_json()),
    );
    map_writes(
        writes,
        LEGACY_PREFIX,
        old.map(Templates::legacy_templates),
        new.legacy_templates(),
        PartialEq::eq,
        |template| put_value(&template.to_json()),
    );
}

/// The templates that were read so far.
#[derive(Default)]
pub(crate) struct StoredTemplates {
    component: BTreeMap<String, Arc<ComponentTemplate>>,
    index: BTreeMap<String, Arc<IndexTemplate>>,
    legacy: BTreeMap<String, Arc<LegacyTemplate>>,
}

impl StoredTemplates {
    /// Reads the record if it is one of a template; answers whether it is.
    pub(crate) fn read(&mut self, key: &str, value: &[u8]) -> Result<bool, RecordError> {
        if let Some(name) = key.strip_prefix(COMPONENT_PREFIX) {
            let template =
                ComponentTemplate::from_json(&parse(key, value)?).map_err(|error| malformed(key, error))?;
            self.component.insert(name.to_owned(), Arc::new(template));
        } else if let Some(name) = key.strip_prefix(INDEX_PREFIX) {
            let template =
                IndexTemplate::from_json(&parse(key, value)?).map_err(|error| malformed(key, error))?;
            self.index.insert(name.to_owned(), Arc::new(template));
        } else if let Some(name) = key.strip_prefix(LEGACY_PREFIX) {
            let template =
                LegacyTemplate::from_json(&parse(key, value)?).map_err(|error| malformed(key, error))?;
            self.legacy.insert(name.to_owned(), Arc::new(template));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(crate) fn finish(self) -> Arc<Templates> {
        Arc::new(Templates::from_parts(self.component, self.index, self.legacy))
    }
}
