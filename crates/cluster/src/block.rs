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

impl BlockLevel {
    /// The name in cluster state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::MetadataRead => "metadata_read",
            Self::MetadataWrite => "metadata_write",
        }
    }
}

/// A block of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexBlock {
    /// The id by which Elasticsearch knows it.
    pub id: u8,
    /// What it is.
    pub description: &'static str,
    /// What it forbids.
    pub levels: &'static [BlockLevel],
}

struct Block {
    setting: &'static str,
    /// The class of what it answers.
    class: &'static str,
    block: IndexBlock,
}

impl Block {
    fn described(&self) -> String {
        format!("{}/{}/{}", self.class, self.block.id, self.block.description)
    }
}

/// Source: a closed index has a block like those that users set.
const CLOSED: IndexBlock = IndexBlock {
    id: 4,
    description: "index closed",
    levels: &[BlockLevel::Read, BlockLevel::Write],
};

/// Source: the index blocks of Elasticsearch's `IndexMetadata`, with their ids.
const BLOCKS: [Block; 5] = [
    Block {
        setting: "index.blocks.read_only",
        class: FORBIDDEN,
        block: IndexBlock {
            id: 5,
            description: "index read-only (api)",
            levels: &[BlockLevel::Write, BlockLevel::MetadataWrite],
        },
    },
    Block {
        setting: "index.blocks.read",
        class: FORBIDDEN,
        block: IndexBlock {
            id: 7,
            description: "index read (api)",
            levels: &[BlockLevel::Read],
        },
    },
    Block {
        setting: "index.blocks.write",
        class: FORBIDDEN,
        block: IndexBlock {
            id: 8,
            description: "index write (api)",
            levels: &[BlockLevel::Write],
        },
    },
    Block {
        setting: "index.blocks.metadata",
        class: FORBIDDEN,
        block: IndexBlock {
            id: 9,
            description: "index metadata (api)",
            levels: &[BlockLevel::MetadataRead, BlockLevel::MetadataWrite],
        },
    },
    TOO_FULL,
];

const FORBIDDEN: &str = "FORBIDDEN";
const READ_ONLY_ALLOW_DELETE: &str = "index.blocks.read_only_allow_delete";
const TOO_FULL: Block = Block {
    setting: READ_ONLY_ALLOW_DELETE,
    class: "TOO_MANY_REQUESTS",
    block: IndexBlock {
        id: 12,
        description: "disk usage exceeded flood-stage watermark, index has read-only-allow-delete block",
        levels: &[BlockLevel::Write, BlockLevel::MetadataWrite],
    },
};

/// The blocks of `index`: those that its settings say, and that of a closed index.
pub fn blocks_of(index: &IndexMetadata) -> impl Iterator<Item = IndexBlock> + '_ {
    let by_settings = BLOCKS.iter().filter(|block| index.has_flag(block.setting));
    let closed = (!index.is_open()).then_some(CLOSED);
    closed.into_iter().chain(by_settings.map(|block| block.block))
}

/// Fails if a block of `index` forbids `level`.
///
/// # Errors
/// `cluster_block_exception`: 403, or 429 if only `read_only_allow_delete` is in the way.
pub fn check_block(index: &IndexMetadata, level: BlockLevel) -> Result<(), Exception> {
    refuse(
        index,
        BLOCKS.iter().filter(|block| block.block.levels.contains(&level)),
    )
}

/// Fails if a block of `index` forbids its deletion: [`check_block`] for metadata, except that `read_only_allow_delete` allows it.
///
/// # Errors
/// `cluster_block_exception`.
pub fn check_delete_block(index: &IndexMetadata) -> Result<(), Exception> {
    let forbids = |block: &&Block| {
        block.block.levels.contains(&BlockLevel::MetadataWrite) && block.setting != READ_ONLY_ALLOW_DELETE
    };
    refuse(index, BLOCKS.iter().filter(forbids))
}

/// The refusal of an operation on an index whose disk is too full: what the block `read_only_allow_delete` would say.
#[must_use]
pub fn disk_full_exception(index: &str) -> Exception {
    blocked(index, &[TOO_FULL.described()]).with_status(429)
}

fn blocked(index: &str, descriptions: &[String]) -> Exception {
    let descriptions: Vec<_> = descriptions.iter().map(|text| format!("[{text}];")).collect();
    let reason = format!("index [{index}] blocked by: {}", descriptions.join(" "));
    Exception::new(ExceptionKind::ClusterBlock, reason).with_index(index)
}

fn refuse<'a>(index: &IndexMetadata, blocks: impl Iterator<Item = &'a Block>) -> Result<(), Exception> {
    let set: Vec<_> = blocks.filter(|block| index.has_flag(block.setting)).collect();
    if set.is_empty() {
        return Ok(());
    }
    let descriptions: Vec<_> = set.iter().map(|block| block.described()).collect();
    let refused = blocked(&index.name, &descriptions);
    let only_full = set.iter().all(|block| block.setting == READ_ONLY_ALLOW_DELETE);
    Err(if only_full {
        refused.with_status(429)
    } else {
        refused
    })
}
