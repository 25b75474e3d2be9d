//! The samples of the documentation, the clients' own helpers, scenarios of Elasticsearch's tests, and every API, run by the official Python and
//! JavaScript clients as their users write them.

use crate::context::Context;
use crate::pair::Connection;
use crate::script;
use anyhow::Result;
use std::path::Path;

/// Scripts of `tests/e2e/clients`; each leaves both clusters as it found them.
const SCRIPTS: &[&str] = &[
    "ccr.py",
    "ccr.mjs",
    "search.py",
    "search.mjs",
    "one_cluster.py",
    "followers.py",
    "every_api.py",
    "every_api.mjs",
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
        let mut command = script::command(interpreter, &clients.scripts.join(name), &pair);
        command.env("CLIENT_MODULES", &clients.node_modules);
        script::run(name, command).await?;
    }
    pair.check_logs()
}
