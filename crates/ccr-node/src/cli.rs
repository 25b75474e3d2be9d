//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::parse_address;

/// A search server made for cross-cluster replication.
#[derive(Debug, Parser)]
#[command(name = "ccr-node", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until SIGTERM or Ctrl-C.
    Serve(ServeArgs),
    /// Run two clusters in this process and watch one index being replicated between them.
    Demo(DemoArgs),
    /// Verify the files of a node that is stopped, and change nothing.
    ///
    /// Ends with status 0 when nothing is lost, 1 when something is, 2 when that cannot be told.
    Check(CheckArgs),
}

/// Options of a node. Each may also stand in the configuration file; the command line wins.
#[derive(Debug, Args, Default)]
pub(crate) struct ServeArgs {
    /// Name of the cluster [default: ccr].
    #[arg(long)]
    pub(crate) cluster_name: Option<String>,
    /// Name of this node [default: node-1].
    #[arg(long)]
    pub(crate) node_name: Option<String>,
    /// Directory of the node's data; created if missing.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the REST API; port 0 takes a free one [default: 127.0.0.1:9200].
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) http: Option<SocketAddr>,
    /// Address of the gRPC services for other nodes and clusters; port 0 takes a free one [default: 127.0.0.1:9300].
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) transport: Option<SocketAddr>,
    /// Configuration file in TOML.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Orders that exist before following begins.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) docs: u64,
    /// Shards of the leader index.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) shards: u32,
    /// Keep the data directories when the demo ends.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Seed of the generated orders.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// End by itself after this many seconds of live traffic; without it the demo runs until Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop_after: Option<u64>,
}

/// Options of the verification.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Directory of the node's data.
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Print one JSON object instead of text for people.
    #[arg(long)]
    pub(crate) json: bool,
    /// List every file, the good ones too.
    #[arg(long)]
    pub(crate) files: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
