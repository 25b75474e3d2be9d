//! The segments of the search view, one by one.

use oplog::ByteCount;
use tantivy::space_usage::SegmentSpaceUsage;

use crate::{Shard, ShardError};

/// One segment of the last commit, which searches see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The segment's name, which no other one of the view ever had.
    pub name: String,
    /// Documents that a search finds.
    pub docs: u64,
    /// Dead documents that are still there.
    pub deleted_docs: u64,
    /// Its files.
    pub size: ByteCount,
    /// The size of each of them, by the ending of its name; those that are not there are left out.
    pub files: Vec<(&'static str, ByteCount)>,
}

/// Source: how tantivy names the files of a segment.
fn files_of(usage: &SegmentSpaceUsage) -> Vec<(&'static str, ByteCount)> {
    let sizes = [
        ("term", usage.termdict().total()),
        ("idx", usage.postings().total()),
        ("pos", usage.positions().total()),
        ("fast", usage.fast_fields().total()),
        ("fieldnorm", usage.fieldnorms().total()),
        ("store", usage.store().total()),
        ("del", usage.deletes()),
    ];
    let sizes = sizes
        .into_iter()
        .map(|(ending, size)| (ending, ByteCount::new(size.get_bytes())));
    sizes.filter(|(_, size)| size.get() > 0).collect()
}

impl Shard {
    /// The segments of the search view as they are. Opens the view's files if nobody has, as a search does. Blocks.
    ///
    /// # Errors
    /// As a search.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, ShardError> {
        self.check_open()?;
        let published = self.view.published();
        self.view.read_state(&published, |searcher| {
            let usage = searcher.space_usage()?;
            let segments = searcher.segment_readers().iter().zip(usage.segments());
            Ok(segments
                .map(|(reader, usage)| SegmentInfo {
                    name: reader.segment_id().short_uuid_string(),
                    docs: reader.num_docs().into(),
                    deleted_docs: reader.num_deleted_docs().into(),
                    size: ByteCount::new(usage.total().get_bytes()),
                    files: files_of(usage),
                })
                .collect())
        })
    }
}
