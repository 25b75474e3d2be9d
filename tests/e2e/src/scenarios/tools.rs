//! Third-party tools do their work against two clusters, as their users configure them. One script for each drives it and checks
//! what the clusters hold afterwards; `docs/tools.md` says what works with which versions and settings.

use crate::context::Context;
use crate::pair::Connection;
use crate::script;
use anyhow::{Context as _, Result};
use std::path::Path;

/// Rows of the data set that a tool gets to work with.
const DOCUMENTS: u64 = 5_000;

/// elasticdump copies indices out and in.
pub(crate) async fn elasticdump(context: &Context<'_>) -> Result<()> {
    run(context, "elasticdump.py").await
}

/// Curator's actions change indices and aliases.
pub(crate) async fn curator(context: &Context<'_>) -> Result<()> {
    run(context, "curator.py").await
}

/// rsyslog writes into a node that dies and comes back; the script starts a node of its own for that.
pub(crate) async fn rsyslog(context: &Context<'_>) -> Result<()> {
    run(context, "rsyslog.py").await
}

/// Rally measures a leader and watches its follower.
pub(crate) async fn rally(context: &Context<'_>) -> Result<()> {
    run(context, "rally.py").await
}

async fn run(context: &Context<'_>, name: &str) -> Result<()> {
    let tools = context.tools()?;
    let pair = context.pair(Connection::Direct).await?;
    let documents = context.home.join("documents.ndjson");
    let rows: String = (0..DOCUMENTS)
        .map(|number| format!("{}\n", context.dataset.row(number)))
        .collect();
    std::fs::write(&documents, rows).with_context(|| format!("cannot write {}", documents.display()))?;
    // The scripts use Python's standard library only.
    let mut command = script::command(Path::new("python3"), &tools.scripts.join(name), &pair);
    command
        .env("WORK", &context.home)
        .env("DOCUMENTS", &documents)
        .env("CCR_NODE", context.binary)
        .env("ELASTICDUMP", &tools.elasticdump)
        .env("CURATOR", &tools.curator)
        .env("ESRALLY", &tools.esrally);
    script::run(name, command).await?;
    pair.check_logs()
}
