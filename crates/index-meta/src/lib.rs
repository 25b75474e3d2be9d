//! Mappings, settings and aliases of an index: parsing, merging, versions, and what a follower replicates
#![forbid(unsafe_code)]
