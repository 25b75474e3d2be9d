//! The public YAML tests of Elasticsearch's REST API, on nodes that hold nothing else.

use crate::context::Context;
use crate::node::Node;
use crate::script;
use anyhow::Result;
use std::process::Command;

/// Nodes that share the tests: each waits for its disk most of the time.
const NODES: usize = 3;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let clients = context.clients()?;
    let mut command = Command::new(&clients.python);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(clients.scripts.join("yaml_tests.py"))
        .arg("--tests")
        .arg(&clients.yaml_tests)
        .arg("--definitions")
        .arg(&clients.api_definitions);
    let mut nodes = Vec::with_capacity(NODES);
    for number in 1..=NODES {
        let node = Node::start(context.node_spec(&format!("cluster-{number}"))).await?;
        command.arg("--node").arg(&node.addresses().http);
        nodes.push(node);
    }
    script::run("yaml_tests.py", command).await?;
    nodes.iter().try_for_each(Node::check_log)
}
