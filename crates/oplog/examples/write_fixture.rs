//! Writes the fixture of the present format version: `cargo run --package oplog --example write_fixture -- DIRECTORY`, or of a log that was healed from one
//! with `-- DIRECTORY LEADER`, the directory of such a fixture, which is opened and therefore to be a copy; or of one whose heal was decided and not
//! carried out, with `-- DIRECTORY LEADER decided`.
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
    match (std::env::args().nth(2), std::env::args().nth(3).as_deref()) {
        (None, _) => scenario::write(dir)?,
        (Some(leader), None) => scenario::write_healed(dir, Path::new(&leader))?,
        (Some(leader), Some("decided")) => scenario::write_healing(dir, Path::new(&leader))?,
        (_, Some(other)) => return Err(format!("{other} is no state of a heal").into()),
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        println!("{:>6} {}", entry.metadata()?.len(), entry.path().display());
    }
    Ok(())
}
