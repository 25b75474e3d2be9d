//! Dates: formats, reading text, and date math.

mod format;
mod math;
mod name;
mod pattern;
mod rounding;
mod zone;

pub use format::DateFormat;
pub(crate) use math::{Rounding, parse_time_zone, resolve};
pub use name::resolve_date_math_name;
pub use rounding::{CalendarUnit, DateInterval, DateRounding};
pub use zone::DateZone;
