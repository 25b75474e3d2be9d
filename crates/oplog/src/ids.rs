//! Numbers and names that every layer shares: newtypes with private fields, no sentinels.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text or number is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not an unsigned decimal number in range.
    #[error("[{text}] is not a valid {what}")]
    NotANumber {
        /// The type that was asked for.
        what: &'static str,
        /// The text as given.
        text: String,
    },
    /// A primary term of 0.
    #[error("a primary term is at least 1")]
    TermIsZero,
    /// Empty, too long, or a character outside of the alphabet.
    #[error("[{text}] is not a valid {what}: {reason}")]
    Text {
        /// The type that was asked for.
        what: &'static str,
        /// The text as given, shortened to 64 characters.
        text: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A size without a known unit.
    #[error("failed to parse [{text}] as a size in bytes: {reason}")]
    ByteCount {
        /// The text as given.
        text: String,
        /// The rule it breaks.
        reason: &'static str,
    },
}

fn text_error(what: &'static str, text: &str, reason: &'static str) -> IdError {
    IdError::Text {
        what,
        text: text.chars().take(64).collect(),
        reason,
    }
}

macro_rules! number {
    ($(#[$meta:meta])* $name:ident($inner:ty), $what:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a raw number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The raw number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self).map_err(|_| IdError::NotANumber { what: $what, text: text.to_owned() })
            }
        }
    };
}

number!(
    /// The place of an operation in its shard's history, from 0 and without gaps.
    ///
    /// At most `u64::MAX - 1`, so that "one past the last" always exists on disk.
    SeqNo(u64),
    "sequence number"
);

impl SeqNo {
    /// The first operation of a shard.
    pub const ZERO: Self = Self(0);
    /// The largest valid seq_no.
    pub const MAX: Self = Self(u64::MAX - 1);

    /// The next seq_no, or `None` at the end of the number range.
    pub const fn checked_next(self) -> Option<Self> {
        if self.0 < Self::MAX.0 {
            Some(Self(self.0 + 1))
        } else {
            None
        }
    }

    /// The seq_no before this one, or `None` at 0.
    pub const fn checked_prev(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The on-disk and atomic form of an optional seq_no: 0 is none, everything else is one more than the seq_no.
    pub(crate) fn to_plus_one(value: Option<Self>) -> u64 {
        value.map_or(0, |seq_no| seq_no.0.saturating_add(1))
    }

    /// The inverse of [`Self::to_plus_one`].
    pub(crate) fn from_plus_one(value: u64) -> Option<Self> {
        value.checked_sub(1).map(Self)
    }
}

/// A range of seq_nos with both ends included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SeqNoRange {
    first: SeqNo,
    last: SeqNo,
}

impl<'de> Deserialize<'de> for SeqNoRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            first: SeqNo,
            last: SeqNo,
        }
        let raw = Raw::deserialize(deserializer)?;
        Self::new(raw.first, raw.last)
            .ok_or_else(|| serde::de::Error::custom("a range ends before it begins"))
    }
}

impl SeqNoRange {
    /// The range, or `None` when `last` is before `first`.
    pub fn new(first: SeqNo, last: SeqNo) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first seq_no in the range.
    pub const fn first(self) -> SeqNo {
        self.first
    }

    /// The last seq_no in the range.
    pub const fn last(self) -> SeqNo {
        self.last
    }

    /// How many seq_nos the range holds; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        self.last.0 - self.first.0 + 1
    }

    /// Whether `seq_no` lies in the range.
    pub fn contains(self, seq_no: SeqNo) -> bool {
        self.first <= seq_no && seq_no <= self.last
    }
}

impl fmt::Display for SeqNoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.first, self.last)
    }
}

impl FromStr for SeqNoRange {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || {
            text_error(
                "range of sequence numbers",
                text,
                "it must be written [first, last]",
            )
        };
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(bad)?;
        let (first, last) = inner.split_once(',').ok_or_else(bad)?;
        Self::new(first.trim().parse()?, last.trim().parse()?).ok_or_else(bad)
    }
}

/// The term of a primary; it grows by one with every new primary and never goes back. At least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PrimaryTerm(u64);

impl PrimaryTerm {
    /// The term of the first primary of a shard.
    pub const FIRST: Self = Self(1);

    /// The term, or `None` for 0.
    pub const fn new(value: u64) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// The raw number, at least 1.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The term of the next primary, or `None` at the end of the number range.
    pub const fn checked_next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

impl fmt::Display for PrimaryTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PrimaryTerm {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let value = text.parse().map_err(|_| IdError::NotANumber {
            what: "primary term",
            text: text.to_owned(),
        })?;
        Self::new(value).ok_or(IdError::TermIsZero)
    }
}

impl<'de> Deserialize<'de> for PrimaryTerm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom(IdError::TermIsZero))
    }
}

number!(
    /// The `_version` of a document, as the primary gave it.
    DocumentVersion(u64),
    "document version"
);

number!(
    /// Milliseconds since 1970-01-01 UTC on some node's clock.
    UnixMillis(u64),
    "time in milliseconds"
);

number!(
    /// The number of a shard in its index, from 0.
    ShardNumber(u32),
    "shard number"
);

macro_rules! uuid {
    ($(#[$meta:meta])* $name:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new random id: 16 random bytes as 22 characters of URL-safe base64.
            ///
            /// # Panics
            /// When the operating system has no random numbers.
            pub fn generate() -> Self {
                Self(random_id().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_uuid($what, text)?;
                Ok(Self(text.into()))
            }
        }

        text_serde!($name);
    };
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

fn check_uuid(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > 64 {
        return Err(text_error(what, text, "it must have 1 to 64 characters"));
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        return Err(text_error(what, text, "only A-Z, a-z, 0-9, - and _ are allowed"));
    }
    Ok(())
}

uuid!(
    /// The identity of an index; it outlives renames and tells apart indices of the same name.
    IndexUuid,
    "index uuid"
);

uuid!(
    /// The identity of a shard's history: two copies with the same history uuid agree on what a seq_no means.
    HistoryUuid,
    "history uuid"
);

/// A shard of an index, in any cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardId {
    /// The index it belongs to.
    pub index: IndexUuid,
    /// Its number in that index.
    pub shard: ShardNumber,
}

impl ShardId {
    /// The shard with this number of this index.
    pub const fn new(index: IndexUuid, shard: ShardNumber) -> Self {
        Self { index, shard }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}][{}]", self.index, self.shard)
    }
}

impl FromStr for ShardId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || text_error("shard id", text, "it must be written [index uuid][shard number]");
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(bad)?;
        let (index, shard) = inner.split_once("][").ok_or_else(bad)?;
        Ok(Self {
            index: index.parse()?,
            shard: shard.parse()?,
        })
    }
}

/// The id of a retention lease: 1 to 1024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(Arc<str>);

impl LeaseId {
    /// The longest id in bytes.
    pub const MAX_LENGTH: usize = 1024;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LeaseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(text_error(
                "retention lease id",
                text,
                "it must have 1 to 1024 bytes",
            ));
        }
        Ok(Self(text.into()))
    }
}

text_serde!(LeaseId);

/// A size in bytes, written as Elasticsearch writes it (`32mb`).
///
/// [`fmt::Display`] uses the largest unit that divides the size, so that parsing gives the same size again.
/// Serde uses the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteCount(u64);

impl ByteCount {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many units of 1024 bytes.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many units of 1024 * 1024 bytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Units from large to small, the spellings that Elasticsearch accepts with the printed one first.
const BYTE_UNITS: [(&str, &str, u32); 5] = [
    ("pb", "p", 50),
    ("tb", "t", 40),
    ("gb", "g", 30),
    ("mb", "m", 20),
    ("kb", "k", 10),
];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, _, shift) in BYTE_UNITS {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{name}", self.0 >> shift);
            }
        }
        write!(f, "{}b", self.0)
    }
}

impl FromStr for ByteCount {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = |reason| IdError::ByteCount {
            text: text.to_owned(),
            reason,
        };
        let lower = text.trim().to_ascii_lowercase();
        if lower == "0" {
            return Ok(Self::ZERO);
        }
        let unit = BYTE_UNITS
            .iter()
            .find_map(|(long, short, shift)| {
                lower
                    .strip_suffix(long)
                    .or_else(|| lower.strip_suffix(short))
                    .map(|number| (number, *shift))
            })
            .or_else(|| lower.strip_suffix('b').map(|number| (number, 0)));
        let (number, shift) = unit.ok_or_else(|| bad("unit is missing or unrecognized"))?;
        let number = number.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
            return Err(bad("it is not a number with a unit"));
        }
        let too_large = || bad("it is too large");
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let mut bytes = whole.checked_mul(1 << shift).ok_or_else(too_large)?;
        if !fraction.is_empty() {
            let part: f64 = format!("0.{fraction}")
                .parse()
                .map_err(|_| bad("it is not a number with a unit"))?;
            bytes = bytes
                .checked_add((part * (1_u64 << shift) as f64) as u64)
                .ok_or_else(too_large)?;
        }
        Ok(Self(bytes))
    }
}

text_serde!(ByteCount);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_parse_and_print_as_elasticsearch_does() {
        let cases = [
            ("32mb", 32 << 20, "32mb"),
            ("1024k", 1 << 20, "1mb"),
            ("512b", 512, "512b"),
            ("0", 0, "0b"),
            ("1.5GB", 3 << 29, "1536mb"),
            ("9223372036854775807b", i64::MAX as u64, "9223372036854775807b"),
            (" 7 kb ", 7 << 10, "7kb"),
        ];
        for (text, bytes, printed) in cases {
            let size: ByteCount = text.parse().unwrap();
            assert_eq!(size.get(), bytes, "{text}");
            assert_eq!(size.to_string(), printed);
            assert_eq!(size.to_string().parse::<ByteCount>().unwrap(), size);
        }
        for text in [
            "",
            "12",
            "mb",
            "-1b",
            "1x",
            "1.b",
            ".5mb",
            "99999999999999999999gb",
            "1e3mb",
        ] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_round_trip_as_text_and_json() {
        let shard = ShardId::new(IndexUuid::generate(), ShardNumber::new(3));
        assert_eq!(shard.index.as_str().len(), 22);
        assert_eq!(shard.to_string().parse::<ShardId>().unwrap(), shard);
        let json = serde_json::to_string(&shard).unwrap();
        assert_eq!(serde_json::from_str::<ShardId>(&json).unwrap(), shard);
        assert_eq!("17".parse::<SeqNo>().unwrap(), SeqNo::new(17));
        let range = SeqNoRange::new(SeqNo::new(2), SeqNo::new(5)).unwrap();
        assert_eq!(range.to_string().parse::<SeqNoRange>().unwrap(), range);
        assert_eq!(range.len(), 4);
    }

    #[test]
    fn bad_ids_are_refused() {
        assert!("".parse::<HistoryUuid>().is_err());
        assert!("a/b".parse::<HistoryUuid>().is_err());
        assert!("x".repeat(65).parse::<IndexUuid>().is_err());
        assert!("".parse::<LeaseId>().is_err());
        assert!("x".repeat(1025).parse::<LeaseId>().is_err());
        assert!("0".parse::<PrimaryTerm>().is_err());
        assert!(serde_json::from_str::<PrimaryTerm>("0").is_err());
        assert!("-1".parse::<SeqNo>().is_err());
        assert!(SeqNoRange::new(SeqNo::new(1), SeqNo::ZERO).is_none());
        assert!(serde_json::from_str::<SeqNoRange>(r#"{"first":2,"last":1}"#).is_err());
    }

    #[test]
    fn neighbours_stop_at_the_ends() {
        assert_eq!(SeqNo::ZERO.checked_prev(), None);
        assert_eq!(SeqNo::MAX.checked_next(), None);
        assert_eq!(SeqNo::ZERO.checked_next(), Some(SeqNo::new(1)));
    }
}
