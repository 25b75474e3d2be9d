//! Configuration: a TOML file, overridden by the command line, checked before anything starts.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indices::IndicesSettings;
use oplog::{ByteCount, LogOptions};
use rest_api::CorsConfig;
use serde::Deserialize;

use crate::cli::ServeArgs;
use crate::logging::LogFormat;

/// What the file may hold. Every key is optional; an unknown one is refused with its place.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default)]
    cluster: RawCluster,
    #[serde(default)]
    node: RawName,
    #[serde(default)]
    path: RawPath,
    #[serde(default)]
    http: RawHttp,
    #[serde(default)]
    transport: RawAddress,
    #[serde(default)]
    ccr: RawCcr,
    #[serde(default)]
    indices: RawIndices,
    #[serde(default)]
    log: RawLog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCluster {
    name: Option<String>,
    #[serde(default)]
    routing: RawRouting,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRouting {
    #[serde(default)]
    allocation: RawAllocation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllocation {
    #[serde(default)]
    disk: RawDisk,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDisk {
    threshold_enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawName {
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPath {
    data: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAddress {
    address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    address: Option<String>,
    max_content_length: Option<String>,
    compression: Option<bool>,
    #[serde(default)]
    cors: RawCors,
}

/// Source: the names of Elasticsearch's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCors {
    #[serde(default)]
    enabled: bool,
    allow_origin: Option<String>,
    allow_methods: Option<String>,
    allow_headers: Option<String>,
    #[serde(default)]
    allow_credentials: bool,
    /// In seconds.
    max_age: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCcr {
    max_inflight_bytes: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIndices {
    #[serde(default)]
    log: RawIndicesLog,
    #[serde(default)]
    compaction: RawCompaction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIndicesLog {
    segment_size: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCompaction {
    max_bytes_per_sec: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    format: Option<LogFormat>,
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) cluster_name: String,
    pub(crate) node_name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) transport: SocketAddr,
    /// `http.max_content_length`: largest body of a request; a node may hold this much per connection.
    pub(crate) max_content_length: ByteCount,
    /// `http.compression`: whether answers are compressed for clients that take it.
    pub(crate) compression: bool,
    /// `http.cors.*`: what pages from other origins may do; `None` when that is nothing.
    pub(crate) cors: Option<CorsConfig>,
    /// `ccr.max_inflight_bytes`: bytes that all follow tasks of the node hold together at most.
    pub(crate) max_inflight_bytes: ByteCount,
    /// `indices.log.segment_size`: size at which a shard's log begins a new file.
    pub(crate) log_segment_size: ByteCount,
    /// `indices.compaction.max_bytes_per_sec`: what the cluster setting is when it is not set; 0 is no limit.
    pub(crate) compaction_max_bytes_per_sec: ByteCount,
    /// `cluster.routing.allocation.disk.threshold_enabled`: what the cluster setting is when it is not set.
    pub(crate) disk_threshold_enabled: bool,
    pub(crate) log_format: LogFormat,
}

/// Logs cannot have larger files, and are slow with very small ones.
const SEGMENT_SIZES: (ByteCount, ByteCount) = (ByteCount::from_kib(64), ByteCount::from_mib(1024));

const DEFAULT_CLUSTER_NAME: &str = "ccr";
const DEFAULT_NODE_NAME: &str = "node-1";
const DEFAULT_HTTP: ([u8; 4], u16) = ([127, 0, 0, 1], 9200);
const DEFAULT_TRANSPORT: ([u8; 4], u16) = ([127, 0, 0, 1], 9300);
const DEFAULT_MAX_CONTENT_LENGTH: ByteCount = ByteCount::from_mib(100);

impl Config {
    /// Reads the file that `args` name, if any, and lays `args` over it.
    ///
    /// # Errors
    /// One that names the file, the key and the value.
    pub(crate) fn load(args: &ServeArgs) -> anyhow::Result<Self> {
        let raw = args
            .config
            .as_deref()
            .map(read_file)
            .transpose()?
            .unwrap_or_default();
        let config = Self {
            cluster_name: pick(&args.cluster_name, raw.cluster.name, DEFAULT_CLUSTER_NAME),
            node_name: pick(&args.node_name, raw.node.name, DEFAULT_NODE_NAME),
            data_dir: args.data_dir.clone().or(raw.path.data).context(
                "no data directory: give --data-dir DIR, or data under [path] in the configuration file",
            )?,
            http: address("http.address", args.http, raw.http.address, DEFAULT_HTTP)?,
            transport: address(
                "transport.address",
                args.transport,
                raw.transport.address,
                DEFAULT_TRANSPORT,
            )?,
            max_content_length: bytes(
                "http.max_content_length",
                raw.http.max_content_length,
                DEFAULT_MAX_CONTENT_LENGTH,
            )?,
            compression: raw.http.compression.unwrap_or(true),
            cors: cors(raw.http.cors)?,
            max_inflight_bytes: bytes(
                "ccr.max_inflight_bytes",
                raw.ccr.max_inflight_bytes,
                follow_task::DEFAULT_MAX_INFLIGHT_BYTES,
            )?,
            log_segment_size: bytes(
                "indices.log.segment_size",
                raw.indices.log.segment_size,
                LogOptions::default().segment_bytes,
            )?,
            compaction_max_bytes_per_sec: rate(
                "indices.compaction.max_bytes_per_sec",
                raw.indices.compaction.max_bytes_per_sec,
                IndicesSettings::DEFAULTS.compaction_max_bytes_per_sec,
            )?,
            disk_threshold_enabled: raw
                .cluster
                .routing
                .allocation
                .disk
                .threshold_enabled
                .unwrap_or(IndicesSettings::DEFAULTS.disk.threshold_enabled),
            log_format: raw.log.format.unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    /// Both addresses fixed and the same can never be bound.
    fn check(&self) -> anyhow::Result<()> {
        if self.http == self.transport && self.http.port() != 0 {
            bail!(
                "the REST API and the transport have the same address [{}]; give them different ports",
                self.http
            );
        }
        let (least, most) = SEGMENT_SIZES;
        if !(least..=most).contains(&self.log_segment_size) {
            bail!(
                "[indices.log.segment_size] is [{}]; it must be from {least} to {most}",
                self.log_segment_size
            );
        }
        for (what, name) in [("cluster", &self.cluster_name), ("node", &self.node_name)] {
            if name.is_empty() || name.contains(['/', ':', ',']) || name.contains(char::is_whitespace) {
                bail!("the {what} name [{name}] must not be empty or contain spaces, [/], [:] or [,]");
            }
        }
        Ok(())
    }
}

/// What `http.cors` allows.
///
/// # Errors
/// One that names the key and the value.
fn cors(raw: RawCors) -> anyhow::Result<Option<CorsConfig>> {
    if !raw.enabled {
        return Ok(None);
    }
    let defaults = CorsConfig::default();
    let config = CorsConfig {
        allow_origin: list("http.cors.allow-origin", raw.allow_origin, defaults.allow_origin)?,
        allow_methods: list(
            "http.cors.allow-methods",
            raw.allow_methods,
            defaults.allow_methods,
        )?,
        allow_headers: list(
            "http.cors.allow-headers",
            raw.allow_headers,
            defaults.allow_headers,
        )?,
        allow_credentials: raw.allow_credentials,
        max_age: raw.max_age.map_or(defaults.max_age, Duration::from_secs),
    };
    let methods = config.allow_methods.iter().map(|method| method.as_str());
    let headers = config.allow_headers.iter().map(|header| header.as_str());
    if methods.chain(headers).any(|name| name == "*") {
        bail!("[http.cors.allow-methods] and [http.cors.allow-headers] are lists of names, without [*]");
    }
    for origin in &config.allow_origin {
        let text = origin.to_str().unwrap_or_default();
        if text.starts_with('/') {
            bail!(
                "[http.cors.allow-origin] is [{text}]; regular expressions are not supported: name the origins, separated by commas, or [*]"
            );
        }
        if text == "*" && (config.allow_credentials || config.allow_origin.len() > 1) {
            bail!(
                "[http.cors.allow-origin] has [*] in it, which stands alone and does not go with [http.cors.allow-credentials]: name the origins"
            );
        }
    }
    Ok(Some(config))
}

/// The values of a list that is separated by commas.
fn list<T: FromStr>(key: &str, text: Option<String>, default: Vec<T>) -> anyhow::Result<Vec<T>> {
    let Some(text) = text else {
        return Ok(default);
    };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            part.parse()
                .map_err(|_| anyhow!("[{key}] has [{part}] in it, which cannot be there"))
        })
        .collect()
}

fn read_file(path: &Path) -> anyhow::Result<RawConfig> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file [{}]", path.display()))?;
    parse(&text).with_context(|| format!("the configuration file [{}] is not valid", path.display()))
}

/// The parser's message spans several lines with a picture; a start-up error is one sentence.
fn parse(text: &str) -> anyhow::Result<RawConfig> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        anyhow::anyhow!("{place}{}", error.message())
    })
}

fn pick(argument: &Option<String>, file: Option<String>, default: &str) -> String {
    argument.clone().or(file).unwrap_or_else(|| default.to_owned())
}

/// What the command line says, else the file, else the default.
fn address(
    key: &str,
    argument: Option<SocketAddr>,
    file: Option<String>,
    default: ([u8; 4], u16),
) -> anyhow::Result<SocketAddr> {
    match (argument, file) {
        (Some(address), _) => Ok(address),
        (None, Some(text)) => parse_address(&text)
            .map_err(|problem| anyhow::anyhow!("[{key}] has the value [{text}]: {problem}")),
        (None, None) => Ok(default.into()),
    }
}

/// Reads `HOST:PORT`, where the host is an address or a name; of a name with several addresses the first of IPv4 is taken.
///
/// # Errors
/// A sentence for people.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let well_formed = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !well_formed {
        return Err("an address is HOST:PORT, such as localhost:9200".to_owned());
    }
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("the host cannot be found: {error}"))?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| "the host has no address".to_owned())
}

fn bytes(key: &str, text: Option<String>, default: ByteCount) -> anyhow::Result<ByteCount> {
    let Some(text) = text else { return Ok(default) };
    let value: ByteCount = text
        .parse()
        .map_err(|error| anyhow::anyhow!("[{key}] has the value [{text}], which is no size: {error}"))?;
    if value.get() == 0 {
        bail!("[{key}] is 0; give a size such as 256mb");
    }
    Ok(value)
}

fn rate(key: &str, text: Option<String>, default: ByteCount) -> anyhow::Result<ByteCount> {
    let Some(text) = text else { return Ok(default) };
    indices::parse_rate(&text)
        .map_err(|problem| anyhow::anyhow!("[{key}] has the value [{text}], which is no rate: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text)?;
        Config::load(&ServeArgs {
            config: Some(path),
            data_dir: Some("data".into()),
            ..ServeArgs::default()
        })
    }

    #[test]
    fn pages_from_other_origins_are_allowed_by_name() {
        let cors = |text: &str| load(text).map(|config| config.cors);
        assert_eq!(cors("[http.cors]\nallow-origin = \"*\"\n").expect("off"), None);
        let on = "[http.cors]\nenabled = true\nallow-origin = \"http://a, http://b\"\nmax-age = 5\n";
        let config = cors(on).expect("two origins").expect("on");
        assert_eq!(config.allow_origin, ["http://a", "http://b"]);
        assert_eq!(config.max_age, Duration::from_secs(5));
        for (wrong, text) in [
            ("allow-origin = \"/http.*/\"", "regular expressions"),
            ("allow-origin = \"*\"\nallow-credentials = true", "[*]"),
            ("allow-origin = \"*, http://a\"", "[*]"),
            ("allow-methods = \"GET, (\"", "[http.cors.allow-methods]"),
            (
                "allow-headers = \"*\"\nallow-credentials = true",
                "[http.cors.allow-headers]",
            ),
        ] {
            let refused = cors(&format!("[http.cors]\nenabled = true\n{wrong}\n")).expect_err(wrong);
            assert!(refused.to_string().contains(text), "{refused}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("node.toml");
        let text = "[cluster]\nname = \"lisbon\"\n[node]\nname = \"a\"\n[path]\ndata = \"d\"\n[http]\naddress = \"127.0.0.1:0\"\n";
        std::fs::write(&path, text).expect("write");
        let args = ServeArgs {
            config: Some(path),
            node_name: Some("b".into()),
            ..ServeArgs::default()
        };
        let config = Config::load(&args).expect("valid");
        assert_eq!(
            (config.cluster_name.as_str(), config.node_name.as_str()),
            ("lisbon", "b")
        );
        assert_eq!((config.http.port(), config.transport.port()), (0, 9300));
        assert_eq!(config.max_content_length, DEFAULT_MAX_CONTENT_LENGTH);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = load("[http]\naddres = \"127.0.0.1:1\"\n").expect_err("unknown key");
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains("addres"), "{text}");
        assert!(!text.contains('\n'), "one sentence: {text}");
    }

    #[test]
    fn the_disk_is_watched_unless_the_file_says_otherwise() {
        assert!(load("").expect("valid").disk_threshold_enabled);
        let text =
            "[cluster]\nname = \"lisbon\"\n[cluster.routing.allocation.disk]\nthreshold_enabled = false\n";
        assert!(!load(text).expect("valid").disk_threshold_enabled);
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, expected) in [
            ("localhost:9200", Some("127.0.0.1:9200")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("[::1]:9300", Some("[::1]:9300")),
            ("localhost", None),
            (":9200", None),
            ("localhost:", None),
            ("localhost:70000", None),
        ] {
            let parsed = parse_address(text).ok().map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
        let config = load("[http]\naddress = \"localhost:9201\"\n").expect("a host name");
        assert_eq!(config.http.to_string(), "127.0.0.1:9201");
        let refused = load("[transport]\naddress = \"9300\"\n").expect_err("no host");
        let text = format!("{refused:#}");
        assert!(
            text.contains("[transport.address]") && text.contains("[9300]"),
            "{text}"
        );
    }

    #[test]
    fn background_work_is_tuned_per_node() {
        let text =
            "[indices.log]\nsegment_size = \"8mb\"\n[indices.compaction]\nmax_bytes_per_sec = \"-1\"\n";
        let config = load(text).expect("valid");
        assert_eq!(
            (config.log_segment_size, config.compaction_max_bytes_per_sec),
            (ByteCount::from_mib(8), ByteCount::ZERO)
        );
        let config = load("").expect("defaults");
        assert_eq!(
            (config.log_segment_size, config.compaction_max_bytes_per_sec),
            (ByteCount::from_mib(64), ByteCount::from_mib(40))
        );
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        for text in [
            "[ccr]\nmax_inflight_bytes = \"lots\"\n",
            "[ccr]\nmax_inflight_bytes = \"0b\"\n",
            "[cluster]\nname = \"a b\"\n",
            "[http]\naddress = \"127.0.0.1:9300\"\n",
            "[log]\nformat = \"xml\"\n",
            "[indices.log]\nsegment_size = \"1kb\"\n",
            "[indices.log]\nsegment_size = \"2gb\"\n",
            "[indices.compaction]\nmax_bytes_per_sec = \"fast\"\n",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
    }
}
