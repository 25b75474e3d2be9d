//! Writes the fixture of the present format version: `cargo run --package oplog --example write_fixture -- DIRECTORY`, or of a log that was healed from one
//! with `-- DIRECTORY LEADER`, the directory of such a fixture, which is opened and therefore to be a copy.
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
    match std::env::args().nth(2) {
        None => scenario::write(dir)?,
        Some(leader) => scenario::write_healed(dir, Path::new(&leader))?,
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        println!("{:>6} {}", entry.metadata()?.len(), entry.path().display());
    }
    Ok(())
}
