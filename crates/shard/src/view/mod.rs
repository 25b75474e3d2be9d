//! The search view: a tantivy index that consumes the log, and the node-wide threads that feed it.

mod check;
mod core;
mod document;
mod doubt;
mod generations;
mod inflight;
mod merge;
mod metadata;
mod open;
mod pool;
mod published;
mod schema;
mod sealed_directory;
mod ticket;
mod verification;
mod writer;

pub(crate) use self::core::{STEP_LIMITS, ViewCore, ViewParts, next_of, read_held};
pub(crate) use check::check_view;
pub use check::{ViewCheck, ViewFileCheck};
pub(crate) use document::{ip_of_term, ip_term};
pub(crate) use merge::MergeGoal;
pub(crate) use metadata::Metadata;
pub(crate) use pool::Lane;
pub use pool::ViewPool;
pub(crate) use published::Published;
pub(crate) use schema::{SEQ_NO, VERSION, ViewSchema};
pub(crate) use sealed_directory::{MANAGED_FILE, META_FILE, sealed};
pub use ticket::RefreshTicket;
pub(crate) use verification::ViewVerification;
