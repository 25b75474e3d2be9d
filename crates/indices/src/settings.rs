//! The cluster settings that indices work by: background work and a full disk.

use cluster::ClusterState;
use es_exception::Exception;
use oplog::ByteCount;

const MAX_BYTES_PER_SEC: &str = "indices.compaction.max_bytes_per_sec";
const SCRUB_MAX_BYTES_PER_SEC: &str = "indices.scrub.max_bytes_per_sec";
const THRESHOLD_ENABLED: &str = "cluster.routing.allocation.disk.threshold_enabled";
const LOW: &str = "cluster.routing.allocation.disk.watermark.low";
const LOW_HEADROOM: &str = "cluster.routing.allocation.disk.watermark.low.max_headroom";
const HIGH: &str = "cluster.routing.allocation.disk.watermark.high";
const HIGH_HEADROOM: &str = "cluster.routing.allocation.disk.watermark.high.max_headroom";
const FLOOD_STAGE: &str = "cluster.routing.allocation.disk.watermark.flood_stage";
const FLOOD_STAGE_HEADROOM: &str = "cluster.routing.allocation.disk.watermark.flood_stage.max_headroom";

const GIB: u64 = 1 << 30;

/// A level of disk usage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Watermark {
    /// Reached when more than this share of the disk is in use and, if there is a headroom, less than that is free.
    UsedRatio {
        /// From 0 to 1.
        ratio: f64,
        /// Free space that is enough whatever the share is; keeps large disks from being called full.
        max_headroom: Option<ByteCount>,
    },
    /// Reached when less than this is free.
    Free(ByteCount),
}

impl Watermark {
    const fn percent(ratio: f64, headroom_gib: u64) -> Self {
        Self::UsedRatio {
            ratio,
            max_headroom: Some(ByteCount::new(headroom_gib * GIB)),
        }
    }

    /// The least that must be free of `total` to stay below the level.
    #[must_use]
    pub fn least_free(self, total: ByteCount) -> ByteCount {
        match self {
            Self::Free(free) => free,
            Self::UsedRatio { ratio, max_headroom } => {
                let free = ByteCount::new((total.get() as f64 * (1.0 - ratio)) as u64);
                max_headroom.map_or(free, |most| free.min(most))
            }
        }
    }
}

/// When a disk counts as too full to be written to.
///
/// Source: Elasticsearch's disk watermarks. One node has nowhere to move shards to, so of `low` only the value is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskSettings {
    /// `cluster.routing.allocation.disk.threshold_enabled`: whether the disk is watched at all.
    pub threshold_enabled: bool,
    /// `cluster.routing.allocation.disk.watermark.high`: a disk that was too full takes writes again below it.
    pub high: Watermark,
    /// `cluster.routing.allocation.disk.watermark.flood_stage`: a disk above it takes no writes.
    pub flood_stage: Watermark,
}

/// Settings of background work and of the disk. All are dynamic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndicesSettings {
    /// `indices.compaction.max_bytes_per_sec`: bytes that the compactions of this node read and write together; 0 is no limit.
    pub compaction_max_bytes_per_sec: ByteCount,
    /// `indices.scrub.max_bytes_per_sec`: bytes of shards' files that this node reads again to find damage; 0 is none.
    pub scrub_max_bytes_per_sec: ByteCount,
    /// When the disk is too full.
    pub disk: DiskSettings,
}

impl IndicesSettings {
    /// What holds when nothing is set.
    pub const DEFAULTS: Self = Self {
        compaction_max_bytes_per_sec: ByteCount::from_mib(40),
        scrub_max_bytes_per_sec: ByteCount::from_mib(1),
        disk: DiskSettings {
            threshold_enabled: true,
            high: Watermark::percent(0.90, 150),
            flood_stage: Watermark::percent(0.95, 100),
        },
    };

    /// The settings whose defaults the configuration of a node may change, with those of this one.
    #[must_use]
    pub fn defaults_of(node: &Self) -> [(&'static str, String); 3] {
        [
            (MAX_BYTES_PER_SEC, node.compaction_max_bytes_per_sec.to_string()),
            (SCRUB_MAX_BYTES_PER_SEC, node.scrub_max_bytes_per_sec.to_string()),
            (THRESHOLD_ENABLED, node.disk.threshold_enabled.to_string()),
        ]
    }

    /// Reads the settings by `lookup`, which answers the text of a setting or `None` where it is not set; then it is as in `node`.
    ///
    /// # Errors
    /// Illegal argument naming the setting, its value and what it may be.
    pub fn read<'a>(node: &Self, lookup: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Exception> {
        let watermark = |key, headroom_key, default| {
            read_watermark(key, lookup(key), headroom_key, lookup(headroom_key), default)
        };
        let low = watermark(LOW, LOW_HEADROOM, Watermark::percent(0.85, 200))?;
        let disk = DiskSettings {
            threshold_enabled: match lookup(THRESHOLD_ENABLED) {
                None => node.disk.threshold_enabled,
                Some("true") => true,
                Some("false") => false,
                Some(other) => return Err(invalid(THRESHOLD_ENABLED, other, "it must be true or false")),
            },
            high: watermark(HIGH, HIGH_HEADROOM, node.disk.high)?,
            flood_stage: watermark(FLOOD_STAGE, FLOOD_STAGE_HEADROOM, node.disk.flood_stage)?,
        };
        check_order((LOW, low), (HIGH, disk.high))?;
        check_order((HIGH, disk.high), (FLOOD_STAGE, disk.flood_stage))?;
        let rate = |key, default| match lookup(key) {
            None => Ok(default),
            Some(text) => parse_rate(text).map_err(|why| invalid(key, text, &why)),
        };
        Ok(Self {
            compaction_max_bytes_per_sec: rate(MAX_BYTES_PER_SEC, node.compaction_max_bytes_per_sec)?,
            scrub_max_bytes_per_sec: rate(SCRUB_MAX_BYTES_PER_SEC, node.scrub_max_bytes_per_sec)?,
            disk,
        })
    }

    /// The settings in force. Values are checked before they enter the state; what does not parse all the same counts as not set.
    pub(crate) fn of(state: &ClusterState, node: &Self) -> Self {
        Self::read(node, |key| state.setting(key)).unwrap_or(*node)
    }
}

/// Checks the settings of indices in a cluster state that somebody proposes, before it is committed.
///
/// # Errors
/// Illegal argument naming the setting, its value and what it may be.
pub fn check_cluster_settings(proposed: &ClusterState) -> Result<(), Exception> {
    IndicesSettings::read(&IndicesSettings::DEFAULTS, |key| proposed.setting(key)).map(|_| ())
}

/// Reads a rate in bytes a second, where `-1` and 0 are no limit.
///
/// # Errors
/// What is wrong, for people.
pub fn parse_rate(text: &str) -> Result<ByteCount, String> {
    if text == "-1" {
        return Ok(ByteCount::ZERO);
    }
    text.parse().map_err(|error| format!("{error}"))
}

/// Source: the default headroom goes with the default watermark only.
fn read_watermark(
    key: &str,
    text: Option<&str>,
    headroom_key: &str,
    headroom_text: Option<&str>,
    default: Watermark,
) -> Result<Watermark, Exception> {
    let watermark = match text {
        None => default,
        Some(text) => parse_watermark(text).ok_or_else(|| {
            invalid(
                key,
                text,
                "it must be a percentage, a ratio from 0 to 1, or the bytes that must stay free",
            )
        })?,
    };
    let Some(text) = headroom_text else {
        return Ok(watermark);
    };
    let max_headroom = match text {
        "-1" => None,
        _ => Some(
            text.parse()
                .map_err(|error| invalid(headroom_key, text, &format!("{error}")))?,
        ),
    };
    match watermark {
        Watermark::UsedRatio { ratio, .. } => Ok(Watermark::UsedRatio { ratio, max_headroom }),
        Watermark::Free(_) => Err(invalid(
            headroom_key,
            text,
            &format!("a headroom has no meaning while [{key}] is a number of bytes"),
        )),
    }
}

fn parse_watermark(text: &str) -> Option<Watermark> {
    let ratio = match text.strip_suffix('%') {
        Some(percent) => Some(percent.trim().parse::<f64>().ok()? / 100.0),
        None => text.parse::<f64>().ok(),
    };
    match ratio {
        Some(ratio) if (0.0..=1.0).contains(&ratio) => Some(Watermark::UsedRatio {
            ratio,
            max_headroom: None,
        }),
        Some(_) => None,
        None => text.parse().ok().map(Watermark::Free),
    }
}

/// The lower level must not be above the higher one, and both must be of one kind.
fn check_order(lower: (&str, Watermark), higher: (&str, Watermark)) -> Result<(), Exception> {
    let wrong = |why: &str| {
        Err(Exception::illegal_argument(format!(
            "settings [{}] and [{}] do not fit together: {why}",
            lower.0, higher.0
        )))
    };
    match (lower.1, higher.1) {
        (Watermark::Free(lower), Watermark::Free(higher)) if lower < higher => wrong(&format!(
            "[{lower}] free is less than [{higher}] free, but must not be"
        )),
        (Watermark::UsedRatio { ratio: lower, .. }, Watermark::UsedRatio { ratio: higher, .. })
            if lower > higher =>
        {
            wrong(&format!("[{lower}] is more than [{higher}], but must not be"))
        }
        (Watermark::Free(_), Watermark::UsedRatio { .. })
        | (Watermark::UsedRatio { .. }, Watermark::Free(_)) => {
            wrong("give both as percentages or ratios, or both as numbers of bytes")
        }
        _ => Ok(()),
    }
}

fn invalid(key: &str, text: &str, why: &str) -> Exception {
    Exception::illegal_argument(format!(
        "failed to parse value [{text}] for setting [{key}]: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &'static str)]) -> Result<IndicesSettings, Exception> {
        IndicesSettings::read(&IndicesSettings::DEFAULTS, |asked| {
            let found = settings.iter().find(|(key, _)| *key == asked);
            found.map(|(_, value)| *value)
        })
    }

    fn flood(settings: &[(&str, &'static str)], total_gib: u64) -> u64 {
        let flood = read(settings).unwrap().disk.flood_stage;
        flood.least_free(ByteCount::new(total_gib * GIB)).get() >> 20
    }

    #[test]
    fn a_headroom_keeps_large_disks_from_being_called_full() {
        assert_eq!(read(&[]), Ok(IndicesSettings::DEFAULTS));
        assert_eq!(flood(&[], 100), 5 * 1024, "5 % of a small disk");
        assert_eq!(
            flood(&[], 100_000),
            100 * 1024,
            "no more than the headroom of a large one"
        );
        assert_eq!(
            flood(&[(FLOOD_STAGE, "95%")], 100_000),
            5_000 * 1024,
            "set: no headroom"
        );
        let both = [(FLOOD_STAGE, "0.99"), (FLOOD_STAGE_HEADROOM, "10gb")];
        assert_eq!((flood(&both, 100), flood(&both, 100_000)), (1024, 10 * 1024));
        let bytes = [(LOW, "3gb"), (HIGH, "2gb"), (FLOOD_STAGE, "1gb")];
        assert_eq!(flood(&bytes, 100), 1024);
    }

    #[test]
    fn rates_may_be_without_limit() {
        let rate = |text| read(&[(MAX_BYTES_PER_SEC, text)]).map(|read| read.compaction_max_bytes_per_sec);
        assert_eq!(rate("5mb"), Ok(ByteCount::from_mib(5)));
        assert_eq!(
            (rate("-1"), rate("0")),
            (Ok(ByteCount::ZERO), Ok(ByteCount::ZERO))
        );
    }

    #[test]
    fn the_registry_knows_each_setting_with_its_default() {
        let registered = |key: &str| {
            let definition = index_meta::cluster_setting_definition(key);
            definition
                .unwrap_or_else(|| panic!("{key} is not registered"))
                .default
        };
        for (key, default) in IndicesSettings::defaults_of(&IndicesSettings::DEFAULTS) {
            assert_eq!(registered(key), default, "{key}");
        }
        // A headroom that is set goes with the watermark that is set, as those of the defaults go together.
        let read = IndicesSettings::read(&IndicesSettings::DEFAULTS, |key| Some(registered(key)));
        assert_eq!(read, Ok(IndicesSettings::DEFAULTS));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        for (settings, named) in [
            (&[(MAX_BYTES_PER_SEC, "fast")][..], MAX_BYTES_PER_SEC),
            (&[(THRESHOLD_ENABLED, "maybe")], THRESHOLD_ENABLED),
            (&[(FLOOD_STAGE, "101%")], FLOOD_STAGE),
            (&[(FLOOD_STAGE, "80%")], HIGH),
            (&[(FLOOD_STAGE, "1gb")], FLOOD_STAGE),
            (&[(LOW, "1gb"), (HIGH, "2gb"), (FLOOD_STAGE, "1gb")], LOW),
            (&[(HIGH_HEADROOM, "much")], HIGH_HEADROOM),
            (
                &[
                    (LOW, "3gb"),
                    (HIGH, "2gb"),
                    (FLOOD_STAGE, "1gb"),
                    (HIGH_HEADROOM, "1gb"),
                ],
                HIGH_HEADROOM,
            ),
        ] {
            let refusal = read(settings).expect_err(named);
            assert!(refusal.reason().contains(named), "{refusal}");
        }
    }
}
