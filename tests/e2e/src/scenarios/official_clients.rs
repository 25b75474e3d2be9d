//! The samples of the documentation, run by the official Python and JavaScript clients as their users write them.

use crate::context::Context;
use crate::pair::Connection;
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let clients = context.clients()?;
    let pair = context.pair(Connection::Direct).await?;
    let mut python = Command::new(&clients.python);
    python.arg(clients.scripts.join("ccr.py"));
    let mut javascript = Command::new("node");
    javascript
        .arg(clients.scripts.join("ccr.mjs"))
        .env("CLIENT_MODULES", &clients.node_modules);
    for (name, mut command) in [("python", python), ("javascript", javascript)] {
        command
            .env("LEADER", pair.leader.rest().base())
            .env("FOLLOWER", pair.follower.rest().base());
        command.env("LEADER_TRANSPORT", &pair.leader.addresses().transport);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await?
            .with_context(|| format!("cannot run {name}"))?;
        let said = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        ensure!(
            output.status.success(),
            "the {name} client: {}\n{said}",
            output.status
        );
        ensure!(
            said.contains("all samples passed"),
            "the {name} script ended early:\n{said}"
        );
    }
    pair.check_logs()
}
