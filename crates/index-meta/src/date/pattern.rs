//! One date pattern, and reading text by it.
//!
//! Reading is on the path of every document, so it works on bytes and makes no allocation.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The parts of a date as far as the text gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DateParts {
    pub(crate) year: Option<i64>,
    pub(crate) month: Option<u32>,
    pub(crate) day: Option<u32>,
    pub(crate) hour: Option<u32>,
    pub(crate) minute: Option<u32>,
    pub(crate) second: Option<u32>,
    pub(crate) millis: Option<u32>,
    pub(crate) offset_seconds: Option<i32>,
    afternoon: Option<bool>,
}

/// One of the numeric parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Month,
    Day,
    Hour,
    HalfDayHour,
    Minute,
    Second,
}

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// Year of at least this many digits; more only with a sign.
    Year(usize),
    /// Two digits since 2000.
    ShortYear,
    Number(Part, usize, usize),
    MonthName {
        short: bool,
    },
    DayName {
        short: bool,
    },
    AmPm,
    Fraction {
        min: usize,
        max: usize,
    },
    Offset {
        zulu: bool,
        colon: Option<bool>,
    },
    Literal(char),
    Optional(Vec<Item>),
    /// One of these characters.
    AnyOf(&'static str),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Reads the whole of `text`.
pub(crate) fn read(items: &[Item], text: &str) -> Option<DateParts> {
    let mut reader = PatternReader {
        rest: text.as_bytes(),
        parts: DateParts::default(),
    };
    reader.items(items)?;
    if !reader.rest.is_empty() {
        return None;
    }
    let mut parts = reader.parts;
    if let Some(afternoon) = parts.afternoon {
        let hour = parts.hour.filter(|hour| (1..=12).contains(hour))?;
        parts.hour = Some(hour % 12 + if afternoon { 12 } else { 0 });
    }
    parts.is_valid().then_some(parts)
}

impl DateParts {
    fn is_valid(&self) -> bool {
        let year = self.year.unwrap_or(1970);
        let month = self.month.unwrap_or(1);
        // Beyond this the milliseconds do not fit 64 bits.
        year.abs() <= 200_000_000
            && (1..=12).contains(&month)
            && self
                .day
                .is_none_or(|day| (1..=days_in_month(year, month)).contains(&day))
            && self.hour.is_none_or(|hour| hour < 24)
            && self.minute.is_none_or(|minute| minute < 60)
            && self.second.is_none_or(|second| second < 60)
            && self.offset_seconds.is_none_or(|offset| offset.abs() <= 18 * 3600)
    }

    /// Milliseconds since 1970 if the parts were in UTC; what is missing is taken as the smallest or largest.
    pub(crate) fn local_millis(&self, round_up: bool) -> i64 {
        let or = |given: Option<u32>, low: u32, high: u32| {
            i64::from(given.unwrap_or(if round_up { high } else { low }))
        };
        let year = self.year.unwrap_or(1970);
        let month = or(self.month, 1, 12) as u32;
        let day = or(self.day, 1, days_in_month(year, month)) as u32;
        let seconds = days_since_epoch(year, month, day) * 86_400
            + or(self.hour, 0, 23) * 3600
            + or(self.minute, 0, 59) * 60
            + or(self.second, 0, 59);
        seconds * 1000 + or(self.millis, 0, 999)
    }
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[derive(Clone, Copy)]
struct PatternReader<'a> {
    rest: &'a [u8],
    parts: DateParts,
}

impl PatternReader<'_> {
    fn items(&mut self, items: &[Item]) -> Option<()> {
        items.iter().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::Year(digits) => self.year(*digits),
            Item::ShortYear => {
                let (year, _) = self.digits(2, 2)?;
                self.parts.year = Some(2000 + i64::from(year));
                Some(())
            }
            Item::Number(part, min, max) => {
                let (number, _) = self.digits(*min, *max)?;
                let place = match part {
                    Part::Month => &mut self.parts.month,
                    Part::Day => &mut self.parts.day,
                    Part::Hour | Part::HalfDayHour => &mut self.parts.hour,
                    Part::Minute => &mut self.parts.minute,
                    Part::Second => &mut self.parts.second,
                };
                *place = Some(number);
                Some(())
            }
            Item::MonthName { short } => {
                let month = self.name(&MONTHS, *short)?;
                self.parts.month = Some(u32::try_from(month).ok()? + 1);
                Some(())
            }
            Item::DayName { short } => self.name(&DAYS, *short).map(|_| ()),
            Item::AmPm => {
                let mark = self.rest.get(..2)?;
                self.parts.afternoon = Some(match mark {
                    b"AM" => false,
                    b"PM" => true,
                    _ => return None,
                });
                self.rest = &self.rest[2..];
                Some(())
            }
            Item::Fraction { min, max } => self.fraction(*min, *max),
            Item::Offset { zulu, colon } => self.offset(*zulu, *colon),
            Item::Literal(literal) => {
                let mut buffer = [0; 4];
                let encoded = literal.encode_utf8(&mut buffer).as_bytes();
                self.rest = self.rest.strip_prefix(encoded)?;
                Some(())
            }
            Item::AnyOf(choices) => {
                let (first, rest) = self.rest.split_first()?;
                choices.as_bytes().contains(first).then(|| self.rest = rest)
            }
            Item::Optional(items) => {
                let mut attempt = *self;
                if attempt.items(items).is_some() {
                    *self = attempt;
                }
                Some(())
            }
        }
    }

    fn digits(&mut self, min: usize, max: usize) -> Option<(u32, usize)> {
        let count = self
            .rest
            .iter()
            .take(max.min(9))
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some((
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + u32::from(digit - b'0')),
            count,
        ))
    }

    /// Exactly `digits` digits, or up to nine after a sign. One digit means up to five, as lenient formats have it.
    fn year(&mut self, digits: usize) -> Option<()> {
        let sign = match self.rest.first() {
            Some(b'-') => Some(-1),
            Some(b'+') => Some(1),
            _ => None,
        };
        if sign.is_some() {
            self.rest = &self.rest[1..];
        }
        let max = match (sign, digits) {
            (Some(_), _) => 9,
            (None, 1) => 5,
            (None, exact) => exact,
        };
        let (year, _) = self.digits(digits, max)?;
        self.parts.year = Some(i64::from(year) * sign.unwrap_or(1));
        Some(())
    }

    fn fraction(&mut self, min: usize, max: usize) -> Option<()> {
        let (number, count) = self.digits(min, max)?;
        let millis = match count {
            0..=3 => number * 10_u32.pow(3 - count as u32),
            _ => number / 10_u32.pow(count as u32 - 3),
        };
        self.parts.millis = Some(millis);
        Some(())
    }

    /// `Z`, `+01`, `+0100`, `+01:00`, as far as the pattern allows them.
    fn offset(&mut self, zulu: bool, colon: Option<bool>) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        let sign = match first {
            b'Z' if zulu => {
                self.rest = rest;
                self.parts.offset_seconds = Some(0);
                return Some(());
            }
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.rest = rest;
        let (hours, _) = self.digits(2, 2)?;
        let has_colon = self.rest.first() == Some(&b':');
        if colon.is_some_and(|colon| colon != has_colon) {
            return None;
        }
        if has_colon {
            self.rest = &self.rest[1..];
        }
        let minutes = match self.digits(2, 2) {
            Some((minutes, _)) if minutes < 60 => minutes,
            None if colon.is_none() && !has_colon => 0,
            _ => return None,
        };
        self.parts.offset_seconds = Some(sign * (hours * 3600 + minutes * 60) as i32);
        Some(())
    }

    fn name(&mut self, names: &[&str], short: bool) -> Option<usize> {
        let found = names.iter().position(|name| {
            let name = if short { &name[..3] } else { name };
            self.rest.starts_with(name.as_bytes())
        })?;
        let length = if short { 3 } else { names[found].len() };
        self.rest = &self.rest[length..];
        Some(found)
    }
}

/// Writes a date as the clocks of `zone` show it, with all its optional parts; `None` for one that is beyond the calendar.
pub(crate) fn write(items: &[Item], millis: i64, zone: &TimeZone) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok()?;
    let offset = zone.to_offset(at);
    let mut text = String::new();
    write_items(items, offset.to_datetime(at), offset.seconds(), &mut text);
    Some(text)
}

fn write_items(items: &[Item], date: DateTime, offset_seconds: i32, text: &mut String) {
    let name = |names: &[&str], position: i8, short: bool| {
        let name = names.get(usize::try_from(position - 1).unwrap_or(0));
        let name = name.copied().unwrap_or_default();
        if short { &name[..3.min(name.len())] } else { name }.to_owned()
    };
    for item in items {
        match item {
            Item::Year(digits) => text.push_str(&format!("{:0digits$}", date.year())),
            Item::ShortYear => text.push_str(&format!("{:02}", date.year().rem_euclid(100))),
            Item::Number(part, digits, _) => {
                let number = match part {
                    Part::Month => date.month(),
                    Part::Day => date.day(),
                    Part::Hour => date.hour(),
                    Part::HalfDayHour => (date.hour() + 11) % 12 + 1,
                    Part::Minute => date.minute(),
                    Part::Second => date.second(),
                };
                text.push_str(&format!("{number:0digits$}"));
            }
            Item::MonthName { short } => text.push_str(&name(&MONTHS, date.month(), *short)),
            Item::DayName { short } => {
                text.push_str(&name(&DAYS, date.weekday().to_monday_one_offset(), *short));
            }
            Item::AmPm => text.push_str(if date.hour() < 12 { "AM" } else { "PM" }),
            Item::Fraction { min, max } => {
                // Dates have milliseconds; a format that leaves the number of digits open shows all three.
                let digits = if min == max { *min } else { 3 };
                let nanos = format!("{:09}", date.subsec_nanosecond());
                text.push_str(&nanos[..digits.min(nanos.len())]);
            }
            Item::Offset { zulu: true, .. } if offset_seconds == 0 => text.push('Z'),
            Item::Offset { zulu, colon } => {
                let sign = if offset_seconds < 0 { '-' } else { '+' };
                let minutes = offset_seconds.abs() / 60;
                // Source: what reads offsets with and without a colon writes them with one, as ISO 8601 does.
                let colon = if colon.unwrap_or(*zulu) { ":" } else { "" };
                text.push_str(&format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60));
            }
            Item::Literal(letter) => text.push(*letter),
            Item::Optional(inner) => write_items(inner, date, offset_seconds, text),
            Item::AnyOf(letters) => text.extend(letters.chars().next()),
        }
    }
}

/// Reads a Java pattern such as `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`.
pub(crate) fn compile(pattern: &str) -> Result<Vec<Item>, String> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut position = 0;
    let items = compile_section(&characters, &mut position, false)?;
    if items.is_empty() {
        return Err("a date pattern cannot be empty".to_owned());
    }
    Ok(items)
}

fn compile_section(pattern: &[char], position: &mut usize, optional: bool) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    while let Some(&character) = pattern.get(*position) {
        match character {
            '[' if optional => return Err("optional sections cannot be nested".to_owned()),
            '[' => {
                *position += 1;
                items.push(Item::Optional(compile_section(pattern, position, true)?));
            }
            ']' if optional => {
                *position += 1;
                return Ok(items);
            }
            '\'' => compile_quoted(pattern, position, &mut items)?,
            letter if letter.is_ascii_alphabetic() => {
                let count = pattern[*position..]
                    .iter()
                    .take_while(|next| **next == letter)
                    .count();
                *position += count;
                items.push(compile_letters(letter, count)?);
            }
            '{' | '}' | '#' | ']' => return Err(format!("character [{character}] is reserved")),
            literal => {
                *position += 1;
                items.push(Item::Literal(literal));
            }
        }
    }
    if optional {
        Err("an optional section is not closed".to_owned())
    } else {
        Ok(items)
    }
}

fn compile_quoted(pattern: &[char], position: &mut usize, items: &mut Vec<Item>) -> Result<(), String> {
    *position += 1;
    if pattern.get(*position) == Some(&'\'') {
        *position += 1;
        items.push(Item::Literal('\''));
        return Ok(());
    }
    loop {
        match pattern.get(*position) {
            None => return Err("a quoted text is not closed".to_owned()),
            Some('\'') if pattern.get(*position + 1) == Some(&'\'') => {
                items.push(Item::Literal('\''));
                *position += 2;
            }
            Some('\'') => {
                *position += 1;
                return Ok(());
            }
            Some(literal) => {
                items.push(Item::Literal(*literal));
                *position += 1;
            }
        }
    }
}

fn compile_letters(letter: char, count: usize) -> Result<Item, String> {
    let number = |part| Ok(Item::Number(part, count, if count == 1 { 2 } else { count }));
    match (letter, count) {
        ('y' | 'u', 2) => Ok(Item::ShortYear),
        ('y' | 'u', 1 | 4) => Ok(Item::Year(count)),
        ('M', 1 | 2) => number(Part::Month),
        ('M' | 'L', 3 | 4) => Ok(Item::MonthName { short: count == 3 }),
        ('d', 1 | 2) => number(Part::Day),
        ('H', 1 | 2) => number(Part::Hour),
        ('h', 1 | 2) => number(Part::HalfDayHour),
        ('m', 1 | 2) => number(Part::Minute),
        ('s', 1 | 2) => number(Part::Second),
        ('S', 1..=9) => Ok(Item::Fraction {
            min: count,
            max: count,
        }),
        ('a', 1) => Ok(Item::AmPm),
        ('E', 1..=4) => Ok(Item::DayName { short: count < 4 }),
        ('X', 1) => Ok(Item::Offset {
            zulu: true,
            colon: None,
        }),
        ('X', 2) => Ok(Item::Offset {
            zulu: true,
            colon: Some(false),
        }),
        ('X', 3) => Ok(Item::Offset {
            zulu: true,
            colon: Some(true),
        }),
        ('x', 2) | ('Z', 1..=3) => Ok(Item::Offset {
            zulu: false,
            colon: Some(false),
        }),
        ('x', 3) => Ok(Item::Offset {
            zulu: false,
            colon: Some(true),
        }),
        ('Z', 5) => Ok(Item::Offset {
            zulu: true,
            colon: Some(true),
        }),
        _ => {
            let letters: String = std::iter::repeat_n(letter, count).collect();
            Err(format!("pattern letters [{letters}] are not supported"))
        }
    }
}

/// `yyyy[-MM[-dd]]['T'[HH[:mm[:ss[.S]]]][offset]]`
pub(crate) fn optional_time(strict: bool) -> Vec<Item> {
    let two = |part| Item::Number(part, if strict { 2 } else { 1 }, 2);
    let fraction = Item::Optional(vec![Item::AnyOf(".,"), Item::Fraction { min: 1, max: 9 }]);
    let second = Item::Optional(vec![Item::Literal(':'), two(Part::Second), fraction]);
    let minute = Item::Optional(vec![Item::Literal(':'), two(Part::Minute), second]);
    let offset = Item::Optional(vec![Item::Offset {
        zulu: true,
        colon: None,
    }]);
    let time = Item::Optional(vec![two(Part::Hour), minute, offset]);
    let day = Item::Optional(vec![Item::Literal('-'), two(Part::Day)]);
    vec![
        Item::Year(if strict { 4 } else { 1 }),
        Item::Optional(vec![Item::Literal('-'), two(Part::Month), day]),
        Item::Optional(vec![Item::Literal('T'), time]),
    ]
}
