//! Starts that cannot work: each ends soon, with a failure status and a sentence that names what is wrong.

use crate::clock::wait_for;
use crate::context::Context;
use crate::node::{Node, NodeSpec};
use anyhow::{Context as _, Result, ensure};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

const ANY: &str = "127.0.0.1:0";

/// Lines that a refusal may take, its causes included.
const LINES: usize = 4;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let node = Node::start(context.node_spec("running")).await?;

    // A second process on the same folder.
    let same = NodeSpec {
        log: context.home.join("same-folder.log"),
        ..node.spec().clone()
    };
    let words = [path_text(&same)?];
    refuses(
        &same,
        same.command(ANY, ANY),
        &words.each_ref().map(String::as_str),
    )
    .await
    .context("same data folder")?;

    // Ports that are taken.
    let taken = context.node_spec("http-port-taken");
    refuses(
        &taken,
        taken.command(&node.addresses().http, ANY),
        &[&node.addresses().http],
    )
    .await
    .context("REST port taken")?;
    let taken = context.node_spec("transport-port-taken");
    refuses(
        &taken,
        taken.command(ANY, &node.addresses().transport),
        &[&node.addresses().transport],
    )
    .await
    .context("transport port taken")?;

    // Folders that cannot be.
    let mut file = context.node_spec("folder-is-a-file");
    file.data_dir = context.home.join("a-file");
    fs::write(&file.data_dir, "not a folder")?;
    refuses(&file, file.command(ANY, ANY), &[&path_text(&file)?])
        .await
        .context("data folder is a file")?;
    let mut unwritable = context.node_spec("folder-unwritable");
    // No one may create files there, root neither.
    unwritable.data_dir = "/proc/ccr-node-data".into();
    refuses(
        &unwritable,
        unwritable.command(ANY, ANY),
        &[&path_text(&unwritable)?],
    )
    .await
    .context("unwritable data folder")?;

    // A configuration that says what nobody knows.
    let unknown = context.node_spec("unknown-key");
    let config = context.home.join("unknown-key.toml");
    fs::write(&config, "no_such_key = 1\n")?;
    let mut command = unknown.command(ANY, ANY);
    command.arg("--config").arg(&config);
    refuses(&unknown, command, &["no_such_key"])
        .await
        .context("unknown key in the configuration")?;

    // Arguments that cannot be addresses.
    let address = context.node_spec("bad-address");
    refuses(&address, address.command("nowhere", ANY), &["nowhere"])
        .await
        .context("an address that is none")?;

    // All of that left the first node alone.
    node.rest().get("/").await?;
    node.check_log()
}

fn path_text(spec: &NodeSpec) -> Result<String> {
    Ok(spec
        .data_dir
        .to_str()
        .context("a path that is no text")?
        .to_owned())
}

/// Runs a command that must fail, and checks what it says: a few lines that hold the words, and nothing of a panic.
async fn refuses(spec: &NodeSpec, mut command: Command, words: &[&str]) -> Result<()> {
    let log = File::create(&spec.log)?;
    command
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut child = command.spawn()?;
    let ended = wait_for("a start that cannot work to end", Duration::from_secs(15), || {
        std::future::ready(child.try_wait().map_err(Into::into))
    })
    .await;
    if ended.is_err() {
        child.kill().ok();
        child.wait().ok();
    }
    let status = ended?;
    let said = fs::read_to_string(&spec.log)?;
    ensure!(!status.success(), "ended with {status}, saying: {said}");
    ensure!(
        status.code().is_some(),
        "was ended by a signal: {status}, saying: {said}"
    );
    ensure!(!said.contains("panicked"), "panicked: {said}");
    let lines = said.lines().filter(|line| !line.trim().is_empty()).count();
    ensure!((1..=LINES).contains(&lines), "took {lines} lines to say: {said}");
    for word in words {
        ensure!(said.contains(word), "does not name {word}: {said}");
    }
    Ok(())
}
