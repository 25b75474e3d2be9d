//! Dates: formats, reading text, and date math.

mod format;
mod math;
mod name;
mod pattern;

pub use format::DateFormat;
pub(crate) use math::{Rounding, parse_time_zone, resolve};
pub use name::resolve_date_math_name;
