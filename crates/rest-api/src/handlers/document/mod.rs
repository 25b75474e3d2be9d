//! The document APIs.

mod answer;
mod bulk;
mod get;
mod mget;
mod returned;
mod update_body;
mod write;
mod write_params;

pub(crate) use answer::Raw;
pub(crate) use bulk::bulk;
pub(crate) use get::{SOURCE, source_parameters};
pub(crate) use get::{get_document, get_source};
pub(crate) use mget::mget;
pub(crate) use write::{create_document, delete_document, index_document, update_document};
pub(crate) use write_params::{WRITE, check_active_shards};
