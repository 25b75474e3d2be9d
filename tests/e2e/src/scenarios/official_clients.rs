//! The samples of the documentation, the clients' own helpers, and scenarios of Elasticsearch's tests, run by the official Python and JavaScript
//! clients as their users write them.

use crate::context::Context;
use crate::pair::Connection;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Scripts of `tests/e2e/clients`; each leaves both clusters as it found them.
const SCRIPTS: &[&str] = &[
    "ccr.py",
    "ccr.mjs",
    "search.py",
    "search.mjs",
    "one_cluster.py",
    "followers.py",
];

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let clients = context.clients()?;
    let pair = context.pair(Connection::Direct).await?;
    for name in SCRIPTS {
        let interpreter = if name.ends_with(".py") {
            clients.python.as_path()
        } else {
            Path::new("node")
        };
        let mut command = Command::new(interpreter);
        command
            .arg(clients.scripts.join(name))
            .env("CLIENT_MODULES", &clients.node_modules)
            .env("LEADER", pair.leader.rest().base())
            .env("FOLLOWER", pair.follower.rest().base());
        command.env("LEADER_TRANSPORT", &pair.leader.addresses().transport);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await?
            .with_context(|| format!("cannot run {name}"))?;
        let said = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        ensure!(output.status.success(), "{name}: {}\n{said}", output.status);
        ensure!(said.contains("all samples passed"), "{name} ended early:\n{said}");
    }
    pair.check_logs()
}
