//! Requests made up from the server's own description of its API: whatever is sent, the server neither fails nor hangs, and answers as it said.

use crate::context::Context;
use crate::node::Node;
use crate::script;
use anyhow::Result;
use std::process::Command;

/// For how long requests are made up, in seconds.
const SECONDS: u32 = 60;
/// No answer takes longer, in seconds; none waits longer than a second for what may not come, see the hooks.
const ANSWERED_WITHIN: u32 = 20;
/// Where the tool finds its hooks.
const HOOKS: &str = "SCHEMATHESIS_HOOKS";
/// Lines of JSON, which the tool cannot make up.
const NOT_TRIED: &str = "/(_bulk|_msearch)";

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let tools = context.tools()?;
    let node = Node::start(context.node_spec("cluster")).await?;
    let mut command = Command::new(&tools.schemathesis);
    command
        .arg("run")
        .arg(format!("{}/_openapi.json", node.rest().base()))
        .args([
            "--checks",
            "not_a_server_error,response_schema_conformance,content_type_conformance",
        ])
        .args([
            "--phases",
            "fuzzing",
            "--no-color",
            "--seed",
            &context.seed.to_string(),
        ])
        .args(["--max-time", &SECONDS.to_string()])
        .args(["--request-timeout", &ANSWERED_WITHIN.to_string()])
        .args(["--exclude-path-regex", NOT_TRIED])
        // Nothing is written beside the scripts.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(HOOKS, tools.scripts.join("schemathesis_hooks.py"))
        .current_dir(&context.home);
    script::run_until("schemathesis", command, "Test cases:").await?;
    node.rest().get("/_cluster/health").await?;
    node.check_log()
}
