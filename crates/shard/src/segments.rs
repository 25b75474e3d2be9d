//! The segments of the search view, one by one.

use oplog::ByteCount;

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
            let sizes = usage.segments().iter().map(|segment| segment.total().get_bytes());
            let segments = searcher.segment_readers().iter().zip(sizes);
            Ok(segments
                .map(|(reader, size)| SegmentInfo {
                    name: reader.segment_id().short_uuid_string(),
                    docs: reader.num_docs().into(),
                    deleted_docs: reader.num_deleted_docs().into(),
                    size: ByteCount::new(size),
                })
                .collect())
        })
    }
}
