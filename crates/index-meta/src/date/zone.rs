//! Time zones as requests name them.

use jiff::tz::TimeZone;

use super::math::parse_time_zone;
use crate::error::ValueError;

/// A time zone: an offset from UTC, or a region with the rules of its clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateZone(TimeZone);

impl DateZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Reads an offset such as `+01:00` or `Z`, or a name such as `Europe/Paris`.
    ///
    /// # Errors
    /// [`ValueError::TimeZone`] for what is neither.
    pub fn parse(name: &str) -> Result<Self, ValueError> {
        parse_time_zone(name).map(Self)
    }

    /// Whether its clocks always show universal time.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        self.0 == TimeZone::UTC || self.0.to_fixed_offset().is_ok_and(|offset| offset.is_zero())
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.0
    }
}
