//! Compiles `proto/` with protox, so that nobody needs `protoc`.

use std::error::Error;
use std::path::Path;

const SERVICES: [&str; 5] = [
    "shard_changes",
    "delta_heal",
    "retention_leases",
    "recovery",
    "remote_cluster",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = SERVICES.map(|service| root.join(format!("ccr/v1/{service}.proto")));
    let descriptors = protox::compile(files, [&root])?;
    // Payloads are slices of the receive buffer in place of copies.
    tonic_prost_build::configure()
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
