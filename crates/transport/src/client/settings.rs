//! The settings under `cluster.remote.`, parsed and checked.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::{ClusterAlias, RemoteSettingsError};

const PREFIX: &str = "cluster.remote.";

/// A setting's value as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingInput {
    /// The setting is removed.
    Null,
    /// One value; a list may be given as values between commas.
    Value(String),
    /// A list.
    List(Vec<String>),
}

/// How to reach a remote cluster, and what to do on the way.
///
/// Source: Elasticsearch, remote cluster settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteClusterSettings {
    /// Where and how to connect.
    pub mode: RemoteConnectionMode,
    /// Concerns searches; replication does not look at it. Default true.
    pub skip_unavailable: bool,
    /// What is compressed. Default: nothing.
    pub compress: RemoteCompression,
    /// How it is compressed.
    pub compression_scheme: RemoteCompressionScheme,
    /// Probe interval of connections: `Some` replaces the node's own; `None` (not set, or -1) leaves it as it is.
    pub ping_schedule: Option<Duration>,
    /// How long a caller waits for the connections to come up. Default 30 s.
    pub initial_connect_timeout: Duration,
}

/// How connections to a remote cluster are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteConnectionMode {
    /// Learn the nodes of the cluster from a seed and connect to some of them.
    Sniff {
        /// `host:port` of nodes to learn from, at least one.
        seeds: Vec<String>,
        /// Number of nodes to connect to. Default 3.
        node_connections: u32,
    },
    /// Make all connections to one address, which passes them on.
    Proxy {
        /// `host:port`.
        proxy_address: String,
        /// Most connections to make; they are opened as the calls under way demand. Default 18.
        proxy_socket_connections: u32,
        /// Name for TLS.
        server_name: Option<String>,
    },
}

/// What is compressed on the way to and from a remote cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteCompression {
    /// `true`: every message.
    All,
    /// `indexing_data`: operations and files.
    IndexingData,
    /// `false`: nothing.
    Off,
}

/// How what is compressed is compressed. Requests and the answers to them are compressed alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteCompressionScheme {
    /// `lz4`, the default as in Elasticsearch, whose settings are taken as they are. Means zstd here: see
    /// `docs/adr/0002-lz4-between-clusters-means-zstd.md`.
    Lz4,
    /// `zstd`. Elasticsearch has no such scheme.
    Zstd,
    /// `deflate`.
    Deflate,
}

impl RemoteClusterSettings {
    /// Settings that sniff from `seeds`, with every other setting at its default.
    #[must_use]
    pub fn sniff(seeds: Vec<String>) -> Self {
        Self::with_mode(RemoteConnectionMode::Sniff {
            seeds,
            node_connections: 3,
        })
    }

    /// Settings that connect through `proxy_address`, with every other setting at its default.
    #[must_use]
    pub fn proxy(proxy_address: impl Into<String>) -> Self {
        Self::with_mode(RemoteConnectionMode::Proxy {
            proxy_address: proxy_address.into(),
            proxy_socket_connections: 18,
            server_name: None,
        })
    }

    fn with_mode(mode: RemoteConnectionMode) -> Self {
        Self {
            mode,
            skip_unavailable: true,
            compress: RemoteCompression::Off,
            compression_scheme: RemoteCompressionScheme::Lz4,
            ping_schedule: None,
            initial_connect_timeout: Duration::from_secs(30),
        }
    }

    /// Reads all settings under `cluster.remote.` from flat settings; other keys are passed over, removed ones (null) are absent.
    ///
    /// A remote cluster without seeds and without proxy address is not there, which is how it is removed.
    ///
    /// # Errors
    ///
    /// The first refusal in the order of keys: a key that names no setting, a value that does not parse, a setting of the other mode, an
    /// option of a remote cluster that has neither seeds nor proxy address.
    pub fn parse_all(
        flat: &BTreeMap<String, SettingInput>,
    ) -> Result<BTreeMap<ClusterAlias, Self>, RemoteSettingsError> {
        let mut initial_connect_timeout = Duration::from_secs(30);
        let mut by_alias: BTreeMap<ClusterAlias, BTreeMap<&str, Setting<'_>>> = BTreeMap::new();
        for (key, input) in flat {
            let Some(rest) = key.strip_prefix(PREFIX) else {
                continue;
            };
            if *input == SettingInput::Null {
                continue;
            }
            let setting = Setting { key, input };
            match rest.split_once('.') {
                None if rest == "initial_connect_timeout" => initial_connect_timeout = setting.duration()?,
                // The attribute that remote nodes would have to have; nodes here have none.
                Some(("node", "attr")) => {}
                Some((alias, option)) => {
                    by_alias
                        .entry(alias.parse()?)
                        .or_default()
                        .insert(option, setting);
                }
                None => return Err(RemoteSettingsError::Unknown { key: key.clone() }),
            }
        }
        let mut remotes = BTreeMap::new();
        for (alias, options) in by_alias {
            if let Some(mut settings) = parse_remote(&alias, &options)? {
                settings.initial_connect_timeout = initial_connect_timeout;
                remotes.insert(alias, settings);
            }
        }
        Ok(remotes)
    }
}

/// Reads the settings of one remote cluster; `None` when it is not enabled.
fn parse_remote(
    alias: &ClusterAlias,
    options: &BTreeMap<&str, Setting<'_>>,
) -> Result<Option<RemoteClusterSettings>, RemoteSettingsError> {
    let configured = match options.get("mode") {
        Some(setting) => setting.one_of(&[("sniff", "SNIFF"), ("proxy", "PROXY")])?,
        None => "SNIFF",
    };
    for (option, setting) in options {
        let required = match *option {
            "seeds" | "node_connections" => "SNIFF",
            "proxy_address" | "proxy_socket_connections" | "server_name" => "PROXY",
            "mode"
            | "skip_unavailable"
            | "transport.compress"
            | "transport.compression_scheme"
            | "transport.ping_schedule" => configured,
            _ => {
                return Err(RemoteSettingsError::Unknown {
                    key: setting.key.to_owned(),
                });
            }
        };
        if required != configured {
            let key = setting.key.to_owned();
            return Err(RemoteSettingsError::Mode {
                key,
                alias: alias.to_string(),
                required,
                configured,
            });
        }
    }
    let mode = if configured == "SNIFF" {
        sniff_mode(options)?
    } else {
        proxy_mode(options)?
    };
    let mut settings = RemoteClusterSettings::with_mode(match &mode {
        Some(mode) => mode.clone(),
        None => RemoteConnectionMode::Sniff {
            seeds: Vec::new(),
            node_connections: 0,
        },
    });
    if let Some(setting) = options.get("skip_unavailable") {
        settings.skip_unavailable = setting.one_of(&[("true", true), ("false", false)])?;
    }
    if let Some(setting) = options.get("transport.compress") {
        use RemoteCompression::{All, IndexingData, Off};
        settings.compress =
            setting.one_of(&[("true", All), ("indexing_data", IndexingData), ("false", Off)])?;
    }
    if let Some(setting) = options.get("transport.compression_scheme") {
        use RemoteCompressionScheme::{Deflate, Lz4, Zstd};
        settings.compression_scheme =
            setting.one_of(&[("lz4", Lz4), ("zstd", Zstd), ("deflate", Deflate)])?;
    }
    if let Some(setting) = options.get("transport.ping_schedule") {
        settings.ping_schedule = if setting.text() == "-1" {
            None
        } else {
            Some(setting.duration()?)
        };
    }
    if mode.is_some() {
        return Ok(Some(settings));
    }
    // `mode` alone may stay behind, and so may the empty list or address that removed the remote.
    let leftover = options
        .iter()
        .find(|(option, _)| !matches!(**option, "mode" | "seeds" | "proxy_address"));
    match leftover {
        Some((_, setting)) => Err(RemoteSettingsError::NotEnabled {
            key: setting.key.to_owned(),
        }),
        None => Ok(None),
    }
}

fn sniff_mode(
    options: &BTreeMap<&str, Setting<'_>>,
) -> Result<Option<RemoteConnectionMode>, RemoteSettingsError> {
    let node_connections = number(options.get("node_connections"), 3)?;
    let seeds = options
        .get("seeds")
        .map_or_else(|| Ok(Vec::new()), Setting::addresses)?;
    Ok((!seeds.is_empty()).then_some(RemoteConnectionMode::Sniff {
        seeds,
        node_connections,
    }))
}

fn proxy_mode(
    options: &BTreeMap<&str, Setting<'_>>,
) -> Result<Option<RemoteConnectionMode>, RemoteSettingsError> {
    let proxy_socket_connections = number(options.get("proxy_socket_connections"), 18)?;
    let server_name = options
        .get("server_name")
        .map(Setting::text)
        .filter(|name| !name.is_empty());
    let Some(setting) = options.get("proxy_address") else {
        return Ok(None);
    };
    let proxy_address = setting.text();
    if proxy_address.is_empty() {
        return Ok(None);
    }
    setting.check_address(&proxy_address)?;
    Ok(Some(RemoteConnectionMode::Proxy {
        proxy_address,
        proxy_socket_connections,
        server_name,
    }))
}

fn number(setting: Option<&Setting<'_>>, default: u32) -> Result<u32, RemoteSettingsError> {
    let Some(setting) = setting else {
        return Ok(default);
    };
    match setting.text().parse::<u32>() {
        Ok(0) => Err(setting.invalid("must be >= 1")),
        Ok(number) => Ok(number),
        Err(problem) => Err(setting.invalid(problem)),
    }
}

/// A setting with its full key, for messages.
#[derive(Clone, Copy)]
struct Setting<'a> {
    key: &'a str,
    input: &'a SettingInput,
}

impl Setting<'_> {
    fn text(&self) -> String {
        match self.input {
            SettingInput::Null => String::new(),
            SettingInput::Value(value) => value.trim().to_owned(),
            SettingInput::List(values) => values.join(","),
        }
    }

    fn invalid(&self, problem: impl ToString) -> RemoteSettingsError {
        RemoteSettingsError::Value {
            key: self.key.to_owned(),
            value: self.text(),
            problem: problem.to_string(),
        }
    }

    fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, RemoteSettingsError> {
        let text = self.text().to_lowercase();
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.invalid(format!("only {} are allowed", names.join(", ")))
        })
    }

    fn addresses(&self) -> Result<Vec<String>, RemoteSettingsError> {
        let text = self.text();
        let addresses = text
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty());
        addresses
            .map(|address| self.check_address(address).map(|()| address.to_owned()))
            .collect()
    }

    fn check_address(&self, address: &str) -> Result<(), RemoteSettingsError> {
        let problem = match address.rsplit_once(':') {
            None | Some((_, "")) => "a port must be given, as in host:port",
            Some(("", _)) => "a host must be given, as in host:port",
            Some((host, _)) if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) => {
                "an IPv6 address needs brackets, as in [::1]:9300"
            }
            Some((host, _)) if host.contains(['/', ' ', '@']) => "the host is not valid",
            Some((_, port)) => match u16::from_str(port) {
                Ok(1..) => return Ok(()),
                _ => "the port must be a number between 1 and 65535",
            },
        };
        Err(self.invalid(format!("[{address}]: {problem}")))
    }

    /// A time with its unit, as Elasticsearch writes it: `30s`, `500ms`, `1m`.
    fn duration(&self) -> Result<Duration, RemoteSettingsError> {
        let text = self.text();
        let digits = text
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let nanos_per_unit: u64 = match unit {
            "nanos" => 1,
            "micros" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return Err(self.invalid("a time needs a unit, as in [30s]")),
        };
        let nanos = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(nanos_per_unit));
        match nanos {
            Some(0) => Err(self.invalid("must be larger than 0")),
            Some(nanos) => Ok(Duration::from_nanos(nanos)),
            None => Err(self.invalid("is not a time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        settings: &[(&str, &str)],
    ) -> Result<BTreeMap<ClusterAlias, RemoteClusterSettings>, RemoteSettingsError> {
        let input = |value: &str| match value {
            "null" => SettingInput::Null,
            value => SettingInput::Value(value.to_owned()),
        };
        let full = |(key, value): &(&str, &str)| (format!("cluster.remote.{key}"), input(value));
        RemoteClusterSettings::parse_all(&settings.iter().map(full).collect())
    }

    fn parse_one(settings: &[(&str, &str)]) -> RemoteClusterSettings {
        let remotes = parse(settings).unwrap();
        assert_eq!(remotes.len(), 1, "{remotes:?}");
        remotes.into_values().next().unwrap()
    }

    #[test]
    fn defaults_are_those_of_elasticsearch() {
        let settings = parse_one(&[("a.seeds", "h:9300, [::1]:9301")]);
        assert_eq!(
            settings,
            RemoteClusterSettings::sniff(vec!["h:9300".into(), "[::1]:9301".into()])
        );
        let settings = parse_one(&[("a.mode", "proxy"), ("a.proxy_address", "edge:9400")]);
        assert_eq!(settings, RemoteClusterSettings::proxy("edge:9400"));
    }

    #[test]
    fn every_setting_is_read() {
        let settings = parse_one(&[
            ("initial_connect_timeout", "40s"),
            ("node.attr", "gateway"),
            ("a.mode", "PROXY"),
            ("a.proxy_address", "edge:9400"),
            ("a.proxy_socket_connections", "2"),
            ("a.server_name", "oslo.example"),
            ("a.skip_unavailable", "false"),
            ("a.transport.compress", "indexing_data"),
            ("a.transport.compression_scheme", "deflate"),
            ("a.transport.ping_schedule", "5m"),
        ]);
        let expected = RemoteClusterSettings {
            mode: RemoteConnectionMode::Proxy {
                proxy_address: "edge:9400".into(),
                proxy_socket_connections: 2,
                server_name: Some("oslo.example".into()),
            },
            skip_unavailable: false,
            compress: RemoteCompression::IndexingData,
            compression_scheme: RemoteCompressionScheme::Deflate,
            ping_schedule: Some(Duration::from_secs(300)),
            initial_connect_timeout: Duration::from_secs(40),
        };
        assert_eq!(settings, expected);
        let off = parse_one(&[
            ("a.seeds", "h:1"),
            ("a.transport.ping_schedule", "-1"),
            ("a.transport.compress", "true"),
        ]);
        assert_eq!((off.ping_schedule, off.compress), (None, RemoteCompression::All));
    }

    #[test]
    fn what_is_removed_is_not_there() {
        assert!(parse(&[]).unwrap().is_empty());
        assert!(
            parse(&[("a.seeds", "null"), ("a.skip_unavailable", "null")])
                .unwrap()
                .is_empty()
        );
        assert!(parse(&[("a.seeds", ""), ("a.mode", "sniff")]).unwrap().is_empty());
        let other = BTreeMap::from([("cluster.name".to_owned(), SettingInput::Value("x".to_owned()))]);
        assert!(RemoteClusterSettings::parse_all(&other).unwrap().is_empty());
        let list = SettingInput::List(vec!["h:1".to_owned(), "i:2".to_owned()]);
        let list =
            RemoteClusterSettings::parse_all(&BTreeMap::from([("cluster.remote.a.seeds".to_owned(), list)]));
        assert_eq!(list.unwrap().len(), 1);
    }

    #[test]
    fn refusals_name_the_setting() {
        let cases: [(&[(&str, &str)], &str); 18] = [
            (
                &[("a.skip_unavailable", "true")],
                "Cannot configure setting [cluster.remote.a.skip_unavailable] if",
            ),
            (
                &[("a.seeds", "null"), ("a.transport.compress", "true")],
                "[cluster.remote.a.transport.compress] if remote",
            ),
            (
                &[("a.mode", "proxy"), ("a.proxy_socket_connections", "2")],
                "proxy_socket_connections] if remote",
            ),
            (
                &[("a.node_connections", "2")],
                "[cluster.remote.a.node_connections] if remote",
            ),
            (
                &[("a.proxy_address", "h:1")],
                "Setting \"cluster.remote.a.proxy_address\" cannot be used with the configured \"cluster.remote.a.mode\" [required=PROXY, configured=SNIFF]",
            ),
            (
                &[("a.mode", "proxy"), ("a.seeds", "h:1")],
                "[required=SNIFF, configured=PROXY]",
            ),
            (
                &[
                    ("a.mode", "proxy"),
                    ("a.proxy_address", "h:1"),
                    ("a.node_connections", "1"),
                ],
                "[required=SNIFF",
            ),
            (&[("a.seeds", "h:1"), ("a.server_name", "x")], "[required=PROXY"),
            (&[("a.mode", "fast")], "only sniff, proxy are allowed"),
            (&[("a.seeds", "h")], "[h]: a port must be given"),
            (&[("a.seeds", "h:1,:2")], "[:2]: a host must be given"),
            (&[("a.seeds", "::1:9300")], "brackets"),
            (&[("a.seeds", "h:0")], "between 1 and 65535"),
            (&[("a.seeds", "h:1"), ("a.node_connections", "0")], "must be >= 1"),
            (
                &[("a.seeds", "h:1"), ("a.transport.ping_schedule", "5")],
                "a time needs a unit",
            ),
            (
                &[("a.seeds", "h:1"), ("a.transport.compression_scheme", "snappy")],
                "[snappy] for setting [cluster.remote.a.transport.compression_scheme]: only lz4, zstd, deflate are allowed",
            ),
            (
                &[("a.seeds", "h:1"), ("a.colour", "red")],
                "unknown setting [cluster.remote.a.colour]",
            ),
            (
                &[("a b.seeds", "h:1")],
                "[a b] is not a valid remote cluster alias",
            ),
        ];
        for (settings, text) in cases {
            let error = parse(settings).unwrap_err();
            assert!(error.to_string().contains(text), "{settings:?}: {error}");
            assert_eq!(es_exception::Exception::from(&error).status(), 400);
        }
    }
}
