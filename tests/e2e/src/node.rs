//! One `ccr-node` process: started on free loopback ports, killed, terminated and started again on the same folder and ports.
//!
//! The process is this program's own child and is ended by its own id; a forgotten node is killed when its handle is dropped.

use crate::clock::wait_for;
use crate::rest::Rest;
use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde::Deserialize;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A node that was started answers within this time, recovery of a killed one included.
const START_WITHIN: Duration = Duration::from_secs(60);
/// A node that was asked to stop has stopped within this time.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// Deadline of one request.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// The file, inside the data folder, in which a node tells its addresses.
const ADDRESSES_FILE: &str = "node.addresses.json";

/// What every node is configured with: a test does not depend on how full the machine's disk is.
const CONFIGURATION: &str = "[cluster.routing.allocation.disk]\nthreshold_enabled = false\n";

/// Where a node listens.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Addresses {
    /// REST.
    pub(crate) http: String,
    /// Node to node.
    pub(crate) transport: String,
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub(crate) struct NodeSpec {
    /// The program.
    pub(crate) binary: PathBuf,
    /// The cluster's name; the log file is named after it too.
    pub(crate) cluster_name: String,
    /// Its data folder.
    pub(crate) data_dir: PathBuf,
    /// Its log file, appended to at each start.
    pub(crate) log: PathBuf,
    /// The value of `RUST_LOG`.
    pub(crate) log_level: &'static str,
}

impl NodeSpec {
    /// The command that serves this node at the given addresses.
    pub(crate) fn command(&self, http: &str, transport: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--data-dir").arg(&self.data_dir);
        command.args([
            "--cluster-name",
            &self.cluster_name,
            "--http",
            http,
            "--transport",
            transport,
        ]);
        command.env("RUST_LOG", self.log_level).env("RUST_BACKTRACE", "1");
        command
    }
}

/// A second name of the program inside `folder`: a build that replaces the program meanwhile does not reach it.
pub(crate) fn pinned(binary: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let pinned = folder.join("ccr-node");
    fs::remove_file(&pinned).ok();
    let linked = fs::hard_link(binary, &pinned).or_else(|_| fs::copy(binary, &pinned).map(|_| ()));
    linked.with_context(|| format!("cannot use the program {}", binary.display()))?;
    Ok(pinned)
}

/// A running, or stopped, node.
#[derive(Debug)]
pub(crate) struct Node {
    spec: NodeSpec,
    child: Option<Child>,
    addresses: Addresses,
    rest: Rest,
}

impl Node {
    /// Starts a node on free ports and waits until it answers.
    pub(crate) async fn start(spec: NodeSpec) -> Result<Node> {
        let any = Addresses {
            http: "127.0.0.1:0".into(),
            transport: "127.0.0.1:0".into(),
        };
        let (child, addresses) = launch(&spec, &any).await?;
        let rest = Rest::new(&addresses.http, REQUEST_WITHIN)?;
        Ok(Node {
            spec,
            child: Some(child),
            addresses,
            rest,
        })
    }

    /// Starts it again on the same folder and the same ports.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("{} runs already", self.spec.cluster_name);
        }
        let (child, _) = launch(&self.spec, &self.addresses).await?;
        self.child = Some(child);
        Ok(())
    }

    /// Ends the process at once, as a crash does.
    pub(crate) fn kill_9(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("cannot kill the node")?;
            child.wait().context("cannot wait for the killed node")?;
        }
        Ok(())
    }

    /// Asks the process to stop and waits for its end.
    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus> {
        let Some(mut child) = self.child.take() else {
            bail!("{} does not run", self.spec.cluster_name)
        };
        let asked = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()?;
        let ended = wait_for("the node to stop after SIGTERM", STOP_WITHIN, || {
            std::future::ready(child.try_wait().map_err(Into::into))
        });
        match ended.await {
            Ok(status) => Ok(status),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error.context(format!("kill -TERM ended with {asked}")))
            }
        }
    }

    /// Stops it in order, then starts it again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let status = self.terminate().await?;
        if !status.success() {
            bail!("{} ended with {status} after SIGTERM", self.spec.cluster_name);
        }
        self.start_again().await
    }

    /// Its REST interface.
    pub(crate) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Its addresses.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What it was started with.
    pub(crate) fn spec(&self) -> &NodeSpec {
        &self.spec
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Fails when the log tells of a panic: a node must answer even the worst request.
    pub(crate) fn check_log(&self) -> Result<()> {
        let log = fs::read_to_string(&self.spec.log).unwrap_or_default();
        match log.lines().find(|line| line.contains("panicked at")) {
            Some(line) => bail!("{} panicked: {line}", self.spec.cluster_name),
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.kill_9() {
            eprintln!("{error:#}");
        }
    }
}

async fn launch(spec: &NodeSpec, at: &Addresses) -> Result<(Child, Addresses)> {
    fs::create_dir_all(&spec.data_dir)
        .with_context(|| format!("cannot create {}", spec.data_dir.display()))?;
    // The file of an earlier start tells nothing of this one.
    let file = spec.data_dir.join(ADDRESSES_FILE);
    fs::remove_file(&file).ok();
    let configuration = spec.log.with_extension("toml");
    fs::write(&configuration, CONFIGURATION)
        .with_context(|| format!("cannot write {}", configuration.display()))?;
    let log = append(&spec.log)?;
    let mut command = spec.command(&at.http, &at.transport);
    let mut child = command
        .arg("--config")
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", spec.binary.display()))?;
    match await_start(spec, &mut child, &file).await {
        Ok(addresses) => Ok((child, addresses)),
        Err(error) => {
            child.kill().ok();
            child.wait().ok();
            Err(error)
        }
    }
}

async fn await_start(spec: &NodeSpec, child: &mut Child, file: &Path) -> Result<Addresses> {
    let what = format!("{} to answer", spec.cluster_name);
    let deadline = crate::clock::now() + START_WITHIN;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("{} ended with {status} at its start", spec.cluster_name);
        }
        if let Some(addresses) = read_addresses(file)
            && answers(&addresses).await
        {
            return Ok(addresses);
        }
        if crate::clock::now() >= deadline {
            bail!("not within {START_WITHIN:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn read_addresses(file: &Path) -> Option<Addresses> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

async fn answers(addresses: &Addresses) -> bool {
    let Ok(rest) = Rest::new(&addresses.http, Duration::from_secs(5)) else {
        return false;
    };
    rest.send(Method::GET, "/", None)
        .await
        .is_ok_and(|answer| answer.status == 200)
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}
