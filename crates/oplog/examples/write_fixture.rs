//! Writes the fixture of the present format version: `cargo run --package oplog --example write_fixture -- DIRECTORY`.
//!
//! To be run once for each format version, before its first release (`docs/formats/README.md`); the directory must not exist.

#[path = "../tests/it/scenario.rs"]
mod scenario;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("name the directory to write")?;
    let dir = Path::new(&argument);
    if dir.exists() {
        return Err(format!("{argument} exists; fixtures are never written again").into());
    }
    scenario::write(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        println!("{:>6} {}", entry.metadata()?.len(), entry.path().display());
    }
    Ok(())
}
