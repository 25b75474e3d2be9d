//! What the operating system allows this process: raised where the process may do so itself, else told to a person.
//!
//! A shard at rest keeps one or two files open for each segment of its log. One in use has some seven memory mappings for each segment of its search view, too.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer open files than this run out with some thousands of shards.
const ENOUGH_OPEN_FILES: u64 = 65_535;
/// Fewer memory mappings than this run out with about a thousand shards of ten view segments each, in use at the same time. Linux allows 65,530 by default.
const ENOUGH_MEMORY_MAPPINGS: u64 = 262_144;
const MEMORY_MAPPINGS_FILE: &str = "/proc/sys/vm/max_map_count";

/// Raises the soft limit of open files to the hard one, and warns of what is left too low.
pub(crate) fn raise_and_check() {
    if let Err(error) = raise_open_files() {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    for warning in warnings(getrlimit(Resource::Nofile).current, memory_mappings()) {
        tracing::warn!("{warning}");
    }
}

fn raise_open_files() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised)
}

/// How many memory mappings a process may have; `None` where the system does not say.
fn memory_mappings() -> Option<u64> {
    std::fs::read_to_string(MEMORY_MAPPINGS_FILE)
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// What to tell of the limits in force; `None` is no limit.
fn warnings(open_files: Option<u64>, memory_mappings: Option<u64>) -> Vec<String> {
    let files = open_files
        .filter(|limit| *limit < ENOUGH_OPEN_FILES)
        .map(|limit| {
            format!(
                "this process may open [{limit}] files, which many shards or much data may exceed: raise the hard limit (ulimit -Hn, or \
                 LimitNOFILE of its service) to at least [{ENOUGH_OPEN_FILES}]"
            )
        });
    let mappings = memory_mappings
        .filter(|limit| *limit < ENOUGH_MEMORY_MAPPINGS)
        .map(|limit| {
            format!(
                "this process may have [{limit}] memory mappings, which some thousand shards may exceed: set vm.max_map_count to at least \
                 [{ENOUGH_MEMORY_MAPPINGS}]"
            )
        });
    files.into_iter().chain(mappings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_becomes_the_hard_one() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // One below is low enough to tell, and disturbs no other test.
        let lowered = Rlimit {
            current: Some(maximum.map_or(1 << 16, |maximum| maximum - 1)),
            maximum,
        };
        setrlimit(Resource::Nofile, lowered).expect("a soft limit may always be lowered");
        raise_open_files().expect("up to the hard limit it may be raised");
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }

    #[test]
    fn only_limits_that_are_too_low_are_told() {
        let none: Vec<String> = Vec::new();
        assert_eq!(warnings(None, None), none);
        assert_eq!(
            warnings(Some(ENOUGH_OPEN_FILES), Some(ENOUGH_MEMORY_MAPPINGS)),
            none
        );
        let both = warnings(Some(1_024), Some(65_530));
        assert_eq!(both.len(), 2);
        assert!(both[0].contains("[1024] files"), "{both:?}");
        assert!(both[1].contains("[65530] memory mappings"), "{both:?}");
    }
}
