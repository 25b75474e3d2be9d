//! The node's replication settings, read from the cluster settings.

use std::time::Duration;

use es_exception::Exception;
use oplog::ByteCount;

/// Settings of remote recovery, of following and of metadata waits. All are dynamic.
///
/// Source: the `ccr.*` settings of Elasticsearch with their defaults and bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CcrSettings {
    /// `ccr.indices.recovery.max_bytes_per_sec`: rate of all file copies of this node in one direction; 0 is no limit.
    pub recovery_max_bytes_per_sec: ByteCount,
    /// `ccr.indices.recovery.chunk_size`: bytes asked for at once, 1 KiB to 1 GiB.
    pub recovery_chunk_size: ByteCount,
    /// `ccr.indices.recovery.max_concurrent_file_chunks`: chunks under way per shard, 1 to 10.
    pub recovery_max_concurrent_file_chunks: usize,
    /// `ccr.indices.recovery.recovery_activity_timeout`: how long a leader keeps a session that nobody reads.
    pub recovery_activity_timeout: Duration,
    /// `ccr.indices.recovery.internal_action_timeout`: how long one call of a recovery may take.
    pub recovery_internal_action_timeout: Duration,
    /// `ccr.auto_heal`: whether a follower gets over operations that its leader has removed by a delta heal; otherwise its task fails.
    pub auto_heal: bool,
    /// `ccr.tail.max_bytes_per_sec`: rate at which all follow tasks of this node together read operations; 0 is no limit. Elasticsearch has no such
    /// setting.
    pub tail_max_bytes_per_sec: ByteCount,
    /// `ccr.wait_for_metadata_timeout`: how long one wait for newer leader metadata may take.
    pub wait_for_metadata_timeout: Duration,
}

impl CcrSettings {
    /// What holds when nothing is set.
    pub const DEFAULTS: Self = Self {
        recovery_max_bytes_per_sec: ByteCount::new(40 * 1024 * 1024),
        recovery_chunk_size: ByteCount::new(1024 * 1024),
        recovery_max_concurrent_file_chunks: 5,
        recovery_activity_timeout: Duration::from_secs(60),
        recovery_internal_action_timeout: Duration::from_secs(60),
        auto_heal: true,
        tail_max_bytes_per_sec: ByteCount::new(0),
        wait_for_metadata_timeout: Duration::from_secs(60),
    };

    /// Reads the settings by `lookup`, which answers the text of a setting or `None` where it is not set.
    ///
    /// # Errors
    /// Illegal argument naming the setting, its value and its bounds.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Exception> {
        let defaults = Self::DEFAULTS;
        let reader = Reader { lookup: &lookup };
        Ok(Self {
            recovery_max_bytes_per_sec: reader.bytes(
                "ccr.indices.recovery.max_bytes_per_sec",
                defaults.recovery_max_bytes_per_sec,
                (0, u64::MAX),
            )?,
            recovery_chunk_size: reader.bytes(
                "ccr.indices.recovery.chunk_size",
                defaults.recovery_chunk_size,
                (1024, 1024 * 1024 * 1024),
            )?,
            recovery_max_concurrent_file_chunks: reader.count(
                "ccr.indices.recovery.max_concurrent_file_chunks",
                defaults.recovery_max_concurrent_file_chunks,
                (1, 10),
            )?,
            recovery_activity_timeout: reader.time(
                "ccr.indices.recovery.recovery_activity_timeout",
                defaults.recovery_activity_timeout,
            )?,
            recovery_internal_action_timeout: reader.time(
                "ccr.indices.recovery.internal_action_timeout",
                defaults.recovery_internal_action_timeout,
            )?,
            auto_heal: reader.switch("ccr.auto_heal", defaults.auto_heal)?,
            tail_max_bytes_per_sec: reader.bytes(
                "ccr.tail.max_bytes_per_sec",
                defaults.tail_max_bytes_per_sec,
                (0, u64::MAX),
            )?,
            // Source: the setting falls back to its former name.
            wait_for_metadata_timeout: reader.time(
                "ccr.wait_for_metadata_timeout",
                reader.time(
                    "ccr.auto_follow.wait_for_metadata_timeout",
                    defaults.wait_for_metadata_timeout,
                )?,
            )?,
        })
    }
}

struct Reader<'a, F> {
    lookup: &'a F,
}

impl<F: Fn(&str) -> Option<String>> Reader<'_, F> {
    fn bytes(&self, key: &str, default: ByteCount, bounds: (u64, u64)) -> Result<ByteCount, Exception> {
        let Some(text) = (self.lookup)(key) else {
            return Ok(default);
        };
        let value: ByteCount = text
            .parse()
            .map_err(|error| invalid(key, &text, &format!("{error}")))?;
        if value.get() < bounds.0 || value.get() > bounds.1 {
            let range = format!(
                "it must be from {} to {}",
                ByteCount::new(bounds.0),
                ByteCount::new(bounds.1)
            );
            return Err(invalid(key, &text, &range));
        }
        Ok(value)
    }

    fn count(&self, key: &str, default: usize, bounds: (usize, usize)) -> Result<usize, Exception> {
        let Some(text) = (self.lookup)(key) else {
            return Ok(default);
        };
        match text.parse::<usize>() {
            Ok(value) if (bounds.0..=bounds.1).contains(&value) => Ok(value),
            _ => Err(invalid(
                key,
                &text,
                &format!("it must be a number from {} to {}", bounds.0, bounds.1),
            )),
        }
    }

    fn switch(&self, key: &str, default: bool) -> Result<bool, Exception> {
        let Some(text) = (self.lookup)(key) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|_| invalid(key, &text, "only [true] or [false] are allowed"))
    }

    fn time(&self, key: &str, default: Duration) -> Result<Duration, Exception> {
        let Some(text) = (self.lookup)(key) else {
            return Ok(default);
        };
        match parse_time(&text) {
            Some(value) if !value.is_zero() => Ok(value),
            _ => Err(invalid(
                key,
                &text,
                "it must be a positive time with a unit, such as 30s or 1m",
            )),
        }
    }
}

fn invalid(key: &str, text: &str, why: &str) -> Exception {
    Exception::illegal_argument(format!(
        "failed to parse value [{text}] for setting [{key}]: {why}"
    ))
}

/// Reads a time with a unit, such as `500ms`, `30s`, `1m`, `12h`, `1d`.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &'static str, value: &'static str) -> Result<CcrSettings, Exception> {
        CcrSettings::read(|asked| (asked == key).then(|| value.to_owned()))
    }

    #[test]
    fn unset_settings_have_their_defaults() {
        assert_eq!(CcrSettings::read(|_| None), Ok(CcrSettings::DEFAULTS));
        let registered = |key: &str| {
            let definition = index_meta::cluster_setting_definition(key);
            let definition = definition.unwrap_or_else(|| panic!("{key} is not registered"));
            Some(definition.default.to_owned())
        };
        assert_eq!(CcrSettings::read(registered), Ok(CcrSettings::DEFAULTS));
    }

    #[test]
    fn settings_are_read_and_checked() {
        let chunk =
            read("ccr.indices.recovery.chunk_size", "128kb").map(|settings| settings.recovery_chunk_size);
        assert_eq!(chunk, Ok(ByteCount::new(128 * 1024)));
        let tail = read("ccr.tail.max_bytes_per_sec", "5mb").map(|settings| settings.tail_max_bytes_per_sec);
        assert_eq!(tail, Ok(ByteCount::new(5 * 1024 * 1024)));
        let former = "ccr.auto_follow.wait_for_metadata_timeout";
        let wait = |settings: Result<CcrSettings, Exception>| {
            settings.map(|settings| settings.wait_for_metadata_timeout.as_secs())
        };
        assert_eq!(wait(read(former, "7s")), Ok(7));
        let both = CcrSettings::read(|key| match key {
            "ccr.wait_for_metadata_timeout" => Some("5s".to_owned()),
            key => (key == former).then(|| "7s".to_owned()),
        });
        assert_eq!(wait(both), Ok(5));
        for (key, value) in [
            ("ccr.indices.recovery.chunk_size", "512b"),
            ("ccr.indices.recovery.max_concurrent_file_chunks", "11"),
            ("ccr.indices.recovery.internal_action_timeout", "0s"),
            ("ccr.tail.max_bytes_per_sec", "-1mb"),
            ("ccr.tail.max_bytes_per_sec", "fast"),
            ("ccr.wait_for_metadata_timeout", "soon"),
            ("ccr.auto_heal", "yes"),
        ] {
            let refusal = read(key, value).expect_err(value);
            assert!(
                refusal.reason().contains(key) && refusal.reason().contains(value),
                "{refusal}"
            );
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_time("12h"), Some(Duration::from_secs(12 * 3600)));
        assert_eq!(
            (parse_time("12"), parse_time("s"), parse_time("1y")),
            (None, None, None)
        );
    }
}
