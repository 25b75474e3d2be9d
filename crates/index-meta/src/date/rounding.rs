//! Rounding dates down to intervals, as date histograms do.
//!
//! Rules (source: Elasticsearch's documentation of `date_histogram`, and its answers):
//! - *ROUND-1*: a bucket is the time from its start up to the next start; a date belongs to the last start that is not after it.
//! - *ROUND-2*: days and longer begin when the clocks of the zone first show midnight, or first show a later time where midnight is left out.
//! - *ROUND-3*: shorter units and fixed intervals are counted on the clocks of the zone. A time that is shown twice begins two buckets, if both
//!   begin before the date; one that is left out begins where the clocks are set.
//! - *ROUND-4*: an offset moves every start by so much.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::zone::DateZone;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const FIRST_MONDAY: i64 = 4 * DAY;
/// Steps that a search for the next start takes at most: a day of 25 hours needs two of a day's length.
const MAX_STEPS: i64 = 4;

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// A second of the clock.
    Second,
    /// A minute of the clock.
    Minute,
    /// An hour of the clock.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last of a month.
    Month,
    /// January to March, and so on.
    Quarter,
    /// January to December.
    Year,
}

/// How long the buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateInterval {
    /// So many milliseconds; at least 1.
    Fixed(i64),
    /// One unit of the calendar.
    Calendar(CalendarUnit),
}

/// How dates are put into buckets. Dates are milliseconds since 1970; those outside of the years -9999 to 9999 belong to the first or the last bucket
/// of these if that takes a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateRounding {
    interval: DateInterval,
    zone: DateZone,
    offset: i64,
}

impl DateRounding {
    /// Rounds to `interval` on the clocks of `zone`, with every start `offset` milliseconds later.
    #[must_use]
    pub const fn new(interval: DateInterval, zone: DateZone, offset: i64) -> Self {
        Self {
            interval,
            zone,
            offset,
        }
    }

    /// The zone whose clocks count.
    #[must_use]
    pub const fn zone(&self) -> &DateZone {
        &self.zone
    }

    /// Length and first start of the buckets in milliseconds, if all have one length.
    #[must_use]
    pub fn constant(&self) -> Option<(i64, i64)> {
        let (length, first) = constant(self.interval)?;
        self.zone
            .is_utc()
            .then(|| (length, first.saturating_add(self.offset % length)))
    }

    /// The start of the bucket that `millis` belongs to.
    #[must_use]
    pub fn round(&self, millis: i64) -> i64 {
        self.start(millis.saturating_sub(self.offset))
            .saturating_add(self.offset)
    }

    /// The start after `start`, which must be one; always greater, but for the greatest number.
    #[must_use]
    pub fn next(&self, start: i64) -> i64 {
        let from = start.saturating_sub(self.offset);
        let next = match (constant(self.interval), self.interval) {
            (Some((length, first)), _) if self.zone.is_utc() => {
                floor(from, length, first).saturating_add(length)
            }
            (Some((length, _)), DateInterval::Fixed(_)) => self.next_on_clocks(from, length),
            (Some((length, _)), DateInterval::Calendar(unit)) if !unit.is_of_days() => {
                self.next_on_clocks(from, length)
            }
            (_, DateInterval::Calendar(unit)) => self.next_unit(from, unit),
            (None, DateInterval::Fixed(length)) => from.saturating_add(length),
        };
        next.saturating_add(self.offset).max(start.saturating_add(1))
    }

    fn start(&self, at: i64) -> i64 {
        match (constant(self.interval), self.interval) {
            (Some((length, first)), _) if self.zone.is_utc() => floor(at, length, first),
            (_, DateInterval::Calendar(unit)) if unit.is_of_days() => {
                let date = self.local(at).date();
                first_instant(self.zone.rules(), unit.first_day(date))
            }
            (Some((length, _)), _) => self.start_on_clocks(at, length),
            (None, _) => at,
        }
    }

    /// ROUND-3.
    fn start_on_clocks(&self, at: i64, length: i64) -> i64 {
        let start = self.floor_on_clocks(at, length);
        // Clocks that were set back show times again that another bucket began with: that one goes on.
        let set = self
            .zone
            .rules()
            .preceding(timestamp(at.saturating_add(1)))
            .next();
        match set.map(|set| set.timestamp().as_millisecond()) {
            Some(set) if start < set && set <= at => {
                start.max(self.floor_on_clocks(set.saturating_sub(1), length))
            }
            _ => start,
        }
    }

    fn floor_on_clocks(&self, at: i64, length: i64) -> i64 {
        let rules = self.zone.rules();
        let local = floor(on_clocks(rules, at), length, 0);
        let at_offset = |offset: Offset| local.saturating_sub(i64::from(offset.seconds()) * SECOND);
        match rules.to_ambiguous_timestamp(civil(local)).offset() {
            AmbiguousOffset::Unambiguous { offset } => at_offset(offset),
            AmbiguousOffset::Fold { before, after } => {
                let second = at_offset(after);
                if second <= at { second } else { at_offset(before) }
            }
            AmbiguousOffset::Gap { before, after } => set_in(rules, at_offset(after), at_offset(before)),
        }
    }

    fn next_on_clocks(&self, from: i64, length: i64) -> i64 {
        let candidates =
            (1..=MAX_STEPS).map(|steps| self.start(from.saturating_add(length.saturating_mul(steps))));
        candidates
            .into_iter()
            .find(|start| *start > from)
            .unwrap_or_else(|| from.saturating_add(length))
    }

    /// ROUND-2.
    fn next_unit(&self, from: i64, unit: CalendarUnit) -> i64 {
        let date = unit.first_day(self.local(from).date());
        let step = match unit {
            CalendarUnit::Week => 1.week(),
            CalendarUnit::Month => 1.month(),
            CalendarUnit::Quarter => 3.months(),
            CalendarUnit::Year => 1.year(),
            CalendarUnit::Day | CalendarUnit::Hour | CalendarUnit::Minute | CalendarUnit::Second => 1.day(),
        };
        match date.checked_add(step) {
            Ok(next) => first_instant(self.zone.rules(), next),
            Err(_) => i64::MAX,
        }
    }

    /// What the clocks of the zone show.
    fn local(&self, at: i64) -> DateTime {
        civil(on_clocks(self.zone.rules(), at))
    }
}

impl CalendarUnit {
    const fn is_of_days(self) -> bool {
        !matches!(self, Self::Second | Self::Minute | Self::Hour)
    }

    /// The day that the unit begins on which `date` belongs to.
    fn first_day(self, date: Date) -> Date {
        match self {
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(days.days()).unwrap_or(Date::MIN)
            }
            Self::Month => date.first_of_month(),
            Self::Quarter => {
                let month = (date.month() - 1) / 3 * 3 + 1;
                Date::new(date.year(), month, 1).unwrap_or(Date::MIN)
            }
            Self::Year => date.first_of_year(),
            Self::Day | Self::Hour | Self::Minute | Self::Second => date,
        }
    }
}

/// Length and first start in UTC, of what has one length there.
const fn constant(interval: DateInterval) -> Option<(i64, i64)> {
    match interval {
        DateInterval::Fixed(length) => Some((length, 0)),
        DateInterval::Calendar(CalendarUnit::Second) => Some((SECOND, 0)),
        DateInterval::Calendar(CalendarUnit::Minute) => Some((MINUTE, 0)),
        DateInterval::Calendar(CalendarUnit::Hour) => Some((HOUR, 0)),
        DateInterval::Calendar(CalendarUnit::Day) => Some((DAY, 0)),
        DateInterval::Calendar(CalendarUnit::Week) => Some((WEEK, FIRST_MONDAY)),
        DateInterval::Calendar(CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year) => None,
    }
}

fn floor(at: i64, length: i64, first: i64) -> i64 {
    let past = at.saturating_sub(first).rem_euclid(length);
    at.saturating_sub(past)
}

/// The instant, or the nearest that the calendar has.
fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// What the clocks show, in milliseconds as if that were universal time.
fn on_clocks(rules: &TimeZone, at: i64) -> i64 {
    let offset = i64::from(rules.to_offset(timestamp(at)).seconds()) * SECOND;
    at.saturating_add(offset)
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Milliseconds of clocks as a date and a time, or the nearest that the calendar has. Timestamps would end a day earlier.
fn civil(millis: i64) -> DateTime {
    let beyond = if millis < 0 { DateTime::MIN } else { DateTime::MAX };
    EPOCH
        .checked_add(SignedDuration::from_millis(millis))
        .unwrap_or(beyond)
}

fn civil_millis(civil: DateTime) -> i64 {
    // The calendar has fewer than 2^50 milliseconds.
    i64::try_from(civil.duration_since(EPOCH).as_millis()).unwrap_or(i64::MAX)
}

/// When the clocks first show this day.
fn first_instant(rules: &TimeZone, date: Date) -> i64 {
    let midnight = date.at(0, 0, 0, 0);
    let at_offset = |offset: Offset| civil_millis(midnight) - i64::from(offset.seconds()) * SECOND;
    match rules.to_ambiguous_timestamp(midnight).offset() {
        AmbiguousOffset::Unambiguous { offset } => at_offset(offset),
        AmbiguousOffset::Fold { before, .. } => at_offset(before),
        AmbiguousOffset::Gap { before, after } => set_in(rules, at_offset(after), at_offset(before)),
    }
}

/// When the clocks were set between these instants, neither of which it need be.
fn set_in(rules: &TimeZone, after: i64, until: i64) -> i64 {
    rules
        .following(timestamp(after))
        .next()
        .map(|set| set.timestamp().as_millisecond())
        .filter(|set| *set <= until)
        .unwrap_or(until)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DateFormat;

    fn rounding(interval: DateInterval, zone: &str, offset: i64) -> DateRounding {
        DateRounding::new(interval, DateZone::parse(zone).expect("a zone"), offset)
    }

    fn millis(text: &str) -> i64 {
        DateFormat::default_format().parse_millis(text).expect(text)
    }

    #[track_caller]
    fn starts(rounding: &DateRounding, at: &str, expected: &[&str]) {
        let mut start = rounding.round(millis(at));
        for expected in expected {
            let shown = DateFormat::default_format().format_millis_in(start, rounding.zone());
            assert_eq!(shown, *expected, "{rounding:?} of {at}");
            assert_eq!(rounding.round(start), start, "a start is its own");
            start = rounding.next(start);
        }
    }

    #[test]
    fn units_of_the_calendar_begin_on_its_days() {
        use CalendarUnit::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
        for (unit, expected) in [
            (Second, ["2024-02-29T13:14:15.000Z", "2024-02-29T13:14:16.000Z"]),
            (Minute, ["2024-02-29T13:14:00.000Z", "2024-02-29T13:15:00.000Z"]),
            (Hour, ["2024-02-29T13:00:00.000Z", "2024-02-29T14:00:00.000Z"]),
            (Day, ["2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"]),
            (Week, ["2024-02-26T00:00:00.000Z", "2024-03-04T00:00:00.000Z"]),
            (Month, ["2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"]),
            (Quarter, ["2024-01-01T00:00:00.000Z", "2024-04-01T00:00:00.000Z"]),
            (Year, ["2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"]),
        ] {
            let rounding = rounding(DateInterval::Calendar(unit), "Z", 0);
            starts(&rounding, "2024-02-29T13:14:15.167Z", &expected);
        }
    }

    #[test]
    fn days_begin_at_the_midnight_of_the_zone_however_long_they_are() {
        let paris = rounding(DateInterval::Calendar(CalendarUnit::Day), "Europe/Paris", 0);
        let short = [
            "2024-03-30T00:00:00.000+01:00",
            "2024-03-31T00:00:00.000+01:00",
            "2024-04-01T00:00:00.000+02:00",
        ];
        starts(&paris, "2024-03-30T22:59:59.999Z", &short);
        let long = ["2024-10-27T00:00:00.000+02:00", "2024-10-28T00:00:00.000+01:00"];
        starts(&paris, "2024-10-27T22:59:59.999Z", &long);
        let months = rounding(DateInterval::Calendar(CalendarUnit::Month), "Europe/Paris", 0);
        let expected = ["2024-03-01T00:00:00.000+01:00", "2024-04-01T00:00:00.000+02:00"];
        starts(&months, "2024-03-31T21:59:59.999Z", &expected);
    }

    #[test]
    fn a_day_without_a_midnight_begins_when_the_clocks_were_set() {
        // Midnight of 2018-11-04 became one o'clock.
        let sao_paulo = rounding(DateInterval::Calendar(CalendarUnit::Day), "America/Sao_Paulo", 0);
        let expected = ["2018-11-03T00:00:00.000-03:00", "2018-11-04T01:00:00.000-02:00"];
        starts(&sao_paulo, "2018-11-04T02:59:59.999Z", &expected);
        // The whole of 2011-12-30 was left out.
        let apia = rounding(DateInterval::Calendar(CalendarUnit::Day), "Pacific/Apia", 0);
        let expected = ["2011-12-29T00:00:00.000-10:00", "2011-12-31T00:00:00.000+14:00"];
        starts(&apia, "2011-12-30T09:59:59.999Z", &expected);
    }

    #[test]
    fn hours_that_are_shown_twice_are_two_and_fixed_intervals_follow_the_clocks() {
        let hours = rounding(DateInterval::Calendar(CalendarUnit::Hour), "Europe/Paris", 0);
        let expected = [
            "2024-10-27T02:00:00.000+02:00",
            "2024-10-27T02:00:00.000+01:00",
            "2024-10-27T03:00:00.000+01:00",
        ];
        starts(&hours, "2024-10-27T00:30:00Z", &expected);
        let half_days = rounding(DateInterval::Fixed(12 * HOUR), "Europe/Paris", 0);
        let expected = [
            "2024-03-31T00:00:00.000+01:00",
            "2024-03-31T12:00:00.000+02:00",
            "2024-04-01T00:00:00.000+02:00",
        ];
        starts(&half_days, "2024-03-31T05:00:00Z", &expected);
        let three_hours = rounding(DateInterval::Fixed(3 * HOUR), "America/Sao_Paulo", 0);
        let expected = ["2018-11-03T21:00:00.000-03:00", "2018-11-04T01:00:00.000-02:00"];
        starts(&three_hours, "2018-11-04T01:00:00Z", &expected);
    }

    #[test]
    fn an_offset_moves_every_start() {
        let days = rounding(DateInterval::Calendar(CalendarUnit::Month), "Z", 6 * HOUR);
        let expected = ["2024-01-01T06:00:00.000Z", "2024-02-01T06:00:00.000Z"];
        starts(&days, "2024-02-01T05:59:59.999Z", &expected);
        assert_eq!(days.constant(), None);
        let weeks = rounding(DateInterval::Calendar(CalendarUnit::Week), "Z", -HOUR);
        assert_eq!(weeks.constant(), Some((WEEK, FIRST_MONDAY - HOUR)));
        assert_eq!(
            rounding(DateInterval::Fixed(DAY), "Europe/Paris", 0).constant(),
            None
        );
    }

    #[test]
    fn dates_beyond_the_calendar_are_in_its_last_buckets() {
        let years = rounding(DateInterval::Calendar(CalendarUnit::Year), "Europe/Paris", 0);
        let last = years.round(i64::MAX);
        assert_eq!(last, years.round(last));
        assert_eq!(years.next(last), i64::MAX);
        assert_eq!(years.round(i64::MIN), years.round(i64::MIN + 1));
        // The last day is one like others.
        let days = rounding(DateInterval::Calendar(CalendarUnit::Day), "Europe/Paris", 0);
        starts(&days, "9999-12-30T12:00:00Z", &["9999-12-30T00:00:00.000+01:00"]);
        let start = days.round(millis("9999-12-31T12:00:00Z"));
        assert_eq!(start, millis("9999-12-30T23:00:00Z"));
        assert_eq!(days.next(millis("9999-12-29T23:00:00Z")), start);
        assert_eq!(days.next(start), i64::MAX);
    }

    #[test]
    fn no_offset_and_no_date_is_too_great() {
        for zone in ["Z", "Europe/Paris", "-12:00"] {
            for offset in [i64::MAX, i64::MIN, -1, 0] {
                for interval in [
                    DateInterval::Fixed(1),
                    DateInterval::Fixed(i64::MAX),
                    DateInterval::Calendar(CalendarUnit::Month),
                    DateInterval::Calendar(CalendarUnit::Hour),
                ] {
                    let rounding = rounding(interval, zone, offset);
                    for at in [i64::MIN, -1, 0, 1, i64::MAX] {
                        let start = rounding.round(at);
                        let next = rounding.next(start);
                        assert!(next > start || next == i64::MAX, "{rounding:?} of {at}");
                    }
                }
            }
        }
    }

    fn any_rounding() -> impl Strategy<Value = DateRounding> {
        use CalendarUnit::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
        let units = [Second, Minute, Hour, Day, Week, Month, Quarter, Year].map(DateInterval::Calendar);
        let fixed = [1, 90_000, 30 * MINUTE, 90 * MINUTE, 5 * HOUR, DAY, 7 * DAY].map(DateInterval::Fixed);
        let intervals: Vec<_> = units.into_iter().chain(fixed).collect();
        let zones = [
            "Z",
            "+05:45",
            "Europe/Paris",
            "America/New_York",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Kathmandu",
            "Africa/Casablanca",
        ];
        let offsets = [0, 0, HOUR, -30 * MINUTE];
        (
            prop::sample::select(intervals),
            prop::sample::select(zones.to_vec()),
            prop::sample::select(offsets.to_vec()),
        )
            .prop_map(|(interval, zone, offset)| rounding(interval, zone, offset))
    }

    proptest! {
        /// ROUND-1, around the times when clocks are set as well as anywhere else.
        #[test]
        fn a_date_is_between_its_start_and_the_next(
            rounding in any_rounding(),
            // 1950 to 2050.
            anywhere in -631_152_000_000_i64..2_524_608_000_000,
            around in -7_200_000_i64..7_200_000,
            near_change in any::<bool>(),
        ) {
            let changes = || rounding.zone.rules().following(timestamp(anywhere)).next();
            let at = match changes() {
                Some(set) if near_change => set.timestamp().as_millisecond() + around,
                _ => anywhere,
            };
            let start = rounding.round(at);
            prop_assert!(start <= at);
            prop_assert_eq!(rounding.round(start), start);
            let next = rounding.next(start);
            prop_assert!(at < next, "{} is not before {}", at, next);
            prop_assert_eq!(rounding.round(next), next);
            prop_assert_eq!(rounding.round(next - 1), start, "nothing begins in between");
        }
    }
}
