//! Index life cycle, document and search operations over the shards of an index
#![forbid(unsafe_code)]
