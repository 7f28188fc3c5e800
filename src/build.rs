//! Lists the page's files and brings in its chart library.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crate that ships Apache ECharts, and where. It is never compiled: Cargo only brings its files.
const CHARTS: (&str, &str) = ("charming", "src/asset/echarts-5.5.1.min.js");

/// The folder of the page's own files.
const PAGE: &str = "src/dashboard/page";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src/build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed={PAGE}");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let (charts, file) = CHARTS;
    let from = folder_of(charts)?.join(file);
    fs::copy(&from, out.join("echarts.js"))
        .map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    fs::write(out.join("assets.rs"), assets()?)?;
    Ok(())
}

/// The page's files as a slice of Rust: the address of each, and its bytes.
fn assets() -> Result<String, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(PAGE)? {
        let name =
            entry?.file_name().into_string().map_err(|name| format!("{name:?} is no name of a file"))?;
        names.push(name);
    }
    names.sort();
    let asset = |name: &String| {
        let address = if name == "index.html" { "" } else { name };
        format!(
            "    (\"/{address}\", include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{PAGE}/{name}\"))),\n"
        )
    };
    Ok(format!("&[\n{}]\n", names.iter().map(asset).collect::<String>()))
}

/// Where Cargo keeps the files of a package that `Cargo.lock` names, downloaded if they are not there yet.
fn folder_of(package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked", "--features", "charts", "--manifest-path"])
        .arg(Path::new(&variable("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))
        .arg("--filter-platform")
        .arg(variable("TARGET")?)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata does not find the crate {package}: {said}").into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|found| found["name"] == package)
        .find_map(|found| Path::new(found["manifest_path"].as_str()?).parent().map(Path::to_owned))
        .ok_or_else(|| format!("the crate {package} is not among the dependencies").into())
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set: the build script is run by Cargo"))
}
