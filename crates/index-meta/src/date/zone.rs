//! Time zones as requests name them.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::math::parse_time_zone;
use crate::error::ValueError;

/// A time zone: an offset from UTC, or a region with the rules of its clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateZone {
    rules: TimeZone,
    name: Cow<'static, str>,
}

impl DateZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self {
        rules: TimeZone::UTC,
        name: Cow::Borrowed("Z"),
    };

    /// Reads an offset such as `+01:00` or `Z`, or a name such as `Europe/Paris`.
    ///
    /// # Errors
    /// [`ValueError::TimeZone`] for what is neither.
    pub fn parse(name: &str) -> Result<Self, ValueError> {
        Ok(Self {
            rules: parse_time_zone(name)?,
            name: Cow::Owned(name.to_owned()),
        })
    }

    /// As it was read.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its clocks always show universal time.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        self.rules.to_fixed_offset().is_ok_and(|offset| offset.is_zero())
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.rules
    }
}
