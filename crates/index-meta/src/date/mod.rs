//! Dates: formats, parsing, and date math.

mod format;

pub use format::DateFormat;
