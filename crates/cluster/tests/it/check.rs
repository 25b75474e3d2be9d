//! Verifying the store of a cluster that is stopped, or was killed.

use std::path::{Path, PathBuf};

use cluster::{OpenError, StoreError, change, check_store};

use crate::service::{index, open};

struct Stopped {
    directory: tempfile::TempDir,
    copies: u32,
}

impl Stopped {
    fn file(&self) -> PathBuf {
        self.directory.path().join("state.redb")
    }

    /// Verifies, and makes sure that the store is as it was.
    fn check(&mut self) -> Result<Vec<String>, OpenError> {
        self.copies += 1;
        let copy = self.directory.path().join(format!("copy-{}", self.copies));
        let before = std::fs::read(self.file()).unwrap();
        let state = check_store(&self.file(), &copy);
        assert!(before == std::fs::read(self.file()).unwrap(), "nothing changes");
        let names = |state: cluster::ClusterState| state.indices.keys().cloned().collect();
        state.map(|state| state.map(names).unwrap_or_default())
    }
}

async fn with_indices(directory: &Path) {
    let cluster = open(directory).await;
    for name in ["customers", "orders"] {
        let create = index(name);
        cluster
            .update("create index", |state| {
                Ok((change::create_index(state, &create)?, ()))
            })
            .await
            .unwrap();
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_stopped_store_and_one_that_was_never_closed_are_good() {
    let directory = tempfile::tempdir().unwrap();
    with_indices(directory.path()).await;
    let mut stopped = Stopped { directory, copies: 0 };
    assert_eq!(stopped.check().unwrap(), ["customers", "orders"]);

    // What a killed process leaves: the file as it is while it is open.
    let cluster = open(stopped.directory.path()).await;
    let killed = tempfile::tempdir().unwrap();
    std::fs::copy(stopped.file(), killed.path().join("state.redb")).unwrap();
    drop(cluster);
    let mut killed = Stopped {
        directory: killed,
        copies: 0,
    };
    assert_eq!(killed.check().unwrap(), ["customers", "orders"]);
}

/// Each page is either verified or not in use. So a flipped byte anywhere is found, or the state reads as it was.
#[tokio::test]
async fn a_flipped_byte_is_found_or_does_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    with_indices(directory.path()).await;
    let mut stopped = Stopped { directory, copies: 0 };
    let good = std::fs::read(stopped.file()).unwrap();
    let mut found = 0;
    // The beginning holds the header; further on one place in each page is enough, if there is anything in the page.
    let pages = (4_096..good.len()).step_by(4_096);
    let written = pages.filter(|page| good[*page..].iter().take(4_096).any(|byte| *byte != 0));
    let places = (0..320).step_by(5).chain(written.map(|page| page + 20));
    for place in places {
        let mut damaged = good.clone();
        damaged[place] ^= 0xff;
        std::fs::write(stopped.file(), &damaged).unwrap();
        match stopped.check() {
            Ok(names) => assert_eq!(names, ["customers", "orders"], "flipped at {place}"),
            Err(OpenError::Store(StoreError::Corrupt { path, .. })) => {
                assert_eq!(path, stopped.file());
                found += 1;
            }
            Err(error) => assert!(place < 320, "flipped at {place}: {error:?}"),
        }
        std::fs::remove_file(stopped.directory.path().join(format!("copy-{}", stopped.copies))).unwrap();
    }
    assert!(found > 3, "{found} found");
}
