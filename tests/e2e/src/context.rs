//! What a scenario is given: the program to run, a folder of its own, the data set, and a seed.

use crate::dataset::Dataset;
use crate::pair::{self, Connection, Pair};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The official clients and the YAML tests, where they were installed.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// A Python interpreter that can import `elasticsearch` and `yaml`.
    pub(crate) python: PathBuf,
    /// A `node_modules` folder with `@elastic/elasticsearch`.
    pub(crate) node_modules: PathBuf,
    /// The folder of the scripts to run.
    pub(crate) scripts: PathBuf,
    /// The archive of the YAML tests.
    pub(crate) yaml_tests: PathBuf,
    /// The archive of the API definitions.
    pub(crate) api_definitions: PathBuf,
}

/// The third-party tools, where they were installed.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// The program `elasticdump`.
    pub(crate) elasticdump: PathBuf,
    /// The program `curator`.
    pub(crate) curator: PathBuf,
    /// The program `esrally`.
    pub(crate) esrally: PathBuf,
    /// The program `schemathesis`.
    pub(crate) schemathesis: PathBuf,
    /// The folder of the scripts that drive them.
    pub(crate) scripts: PathBuf,
}

/// Given to one scenario.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The program under test.
    pub(crate) binary: &'a Path,
    /// The scenario's own folder: data, logs.
    pub(crate) home: PathBuf,
    /// The scenario's seed.
    pub(crate) seed: u64,
    /// The real data set.
    pub(crate) dataset: &'a Dataset,
    /// The official clients, if they were installed.
    pub(crate) clients: Option<&'a Clients>,
    /// The third-party tools, if they were installed.
    pub(crate) tools: Option<&'a Tools>,
}

impl Context<'_> {
    /// Starts a leader and a follower in the scenario's folder.
    pub(crate) async fn pair(&self, connection: Connection) -> Result<Pair> {
        Pair::start(self.binary, &self.home, connection).await
    }

    /// Starts a leader with the index `orders` of two shards, and a follower that follows it with `orders-copy`.
    pub(crate) async fn following_orders(&self, connection: Connection) -> Result<Pair> {
        let pair = self.pair(connection).await?;
        let settings = json!({ "settings": { "number_of_shards": 2, "number_of_replicas": 0 } });
        pair.leader.rest().put("/orders", &settings).await?;
        let parameters = json!({ "read_poll_timeout": "1s" });
        pair.follow("orders", "orders-copy", parameters).await?;
        Ok(pair)
    }

    /// What a node of that name is started with.
    pub(crate) fn node_spec(&self, cluster_name: &str) -> crate::node::NodeSpec {
        pair::node_spec(self.binary, &self.home, cluster_name)
    }

    /// The official clients.
    pub(crate) fn clients(&self) -> Result<&Clients> {
        self.clients
            .context("the official clients are not installed: run `cargo xtask e2e --clients`")
    }

    /// The third-party tools.
    pub(crate) fn tools(&self) -> Result<&Tools> {
        self.tools
            .context("the tools are not installed: run `cargo xtask e2e --clients`")
    }
}
