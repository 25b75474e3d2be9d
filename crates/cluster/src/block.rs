//! Blocks that users put on an index by its settings.

use es_exception::{Exception, ExceptionKind};

use crate::index_metadata::IndexMetadata;

/// What an operation is about to do to an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockLevel {
    /// Read documents.
    Read,
    /// Write documents.
    Write,
    /// Read metadata.
    MetadataRead,
    /// Change metadata.
    MetadataWrite,
}

struct Block {
    setting: &'static str,
    description: &'static str,
    levels: &'static [BlockLevel],
}

/// Source: the index blocks of Elasticsearch's `IndexMetadata`, with their ids.
const BLOCKS: [Block; 5] = [
    Block {
        setting: "index.blocks.read_only",
        description: "FORBIDDEN/5/index read-only (api)",
        levels: &[BlockLevel::Write, BlockLevel::MetadataWrite],
    },
    Block {
        setting: "index.blocks.read",
        description: "FORBIDDEN/7/index read (api)",
        levels: &[BlockLevel::Read],
    },
    Block {
        setting: "index.blocks.write",
        description: "FORBIDDEN/8/index write (api)",
        levels: &[BlockLevel::Write],
    },
    Block {
        setting: "index.blocks.metadata",
        description: "FORBIDDEN/9/index metadata (api)",
        levels: &[BlockLevel::MetadataRead, BlockLevel::MetadataWrite],
    },
    Block {
        setting: READ_ONLY_ALLOW_DELETE,
        description: TOO_FULL,
        levels: &[BlockLevel::Write, BlockLevel::MetadataWrite],
    },
];

const READ_ONLY_ALLOW_DELETE: &str = "index.blocks.read_only_allow_delete";
const TOO_FULL: &str =
    "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block";

/// Fails if a block of `index` forbids `level`.
///
/// # Errors
/// `cluster_block_exception`: 403, or 429 if only `read_only_allow_delete` is in the way.
pub fn check_block(index: &IndexMetadata, level: BlockLevel) -> Result<(), Exception> {
    refuse(index, BLOCKS.iter().filter(|block| block.levels.contains(&level)))
}

/// Fails if a block of `index` forbids its deletion: [`check_block`] for metadata, except that `read_only_allow_delete` allows it.
///
/// # Errors
/// `cluster_block_exception`.
pub fn check_delete_block(index: &IndexMetadata) -> Result<(), Exception> {
    let forbids = |block: &&Block| {
        block.levels.contains(&BlockLevel::MetadataWrite) && block.setting != READ_ONLY_ALLOW_DELETE
    };
    refuse(index, BLOCKS.iter().filter(forbids))
}

/// The refusal of an operation on an index whose disk is too full: what the block `read_only_allow_delete` would say.
#[must_use]
pub fn disk_full_exception(index: &str) -> Exception {
    blocked(index, &[TOO_FULL]).with_status(429)
}

fn blocked(index: &str, descriptions: &[&str]) -> Exception {
    let descriptions: Vec<_> = descriptions.iter().map(|text| format!("[{text}];")).collect();
    let reason = format!("index [{index}] blocked by: {}", descriptions.join(" "));
    Exception::new(ExceptionKind::ClusterBlock, reason).with_index(index)
}

fn refuse<'a>(index: &IndexMetadata, blocks: impl Iterator<Item = &'a Block>) -> Result<(), Exception> {
    let set: Vec<_> = blocks.filter(|block| index.has_flag(block.setting)).collect();
    if set.is_empty() {
        return Ok(());
    }
    let descriptions: Vec<_> = set.iter().map(|block| block.description).collect();
    let refused = blocked(&index.name, &descriptions);
    let only_full = set.iter().all(|block| block.setting == READ_ONLY_ALLOW_DELETE);
    Err(if only_full {
        refused.with_status(429)
    } else {
        refused
    })
}
