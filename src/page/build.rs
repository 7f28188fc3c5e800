//! Lists the page's files and brings in its chart library.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crate that ships Apache ECharts, and the file in it. The crate is never compiled: Cargo only
/// brings its files.
const CHARTS: (&str, &str) = ("charming", "src/asset/echarts-5.5.1.min.js");

/// The folder of the page's own files.
const SITE: &str = "site";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    println!("cargo:rerun-if-changed={SITE}");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let from = charts()?;
    fs::copy(&from, out.join("echarts.js"))
        .map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    fs::write(out.join("assets.rs"), assets()?)?;
    Ok(())
}

/// Returns the page's files as the source of a Rust slice: the address of each, and its bytes.
fn assets() -> Result<String, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(SITE)? {
        let name =
            entry?.file_name().into_string().map_err(|name| format!("{name:?} is no name of a file"))?;
        names.push(name);
    }
    names.sort();
    let asset = |name: &String| {
        let address = if name == "index.html" { "" } else { name };
        format!(
            "    (\"/{address}\", include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{SITE}/{name}\"))),\n"
        )
    };
    Ok(format!("&[\n{}]\n", names.iter().map(asset).collect::<String>()))
}

/// Returns the path of the chart library. Cargo downloads its crate, which `Cargo.lock` names, if
/// it is not there yet.
fn charts() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked", "--features", "charts", "--manifest-path"])
        .arg(Path::new(&variable("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))
        .arg("--filter-platform")
        .arg(variable("TARGET")?)
        .output()?;
    let (package, file) = CHARTS;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata does not find the crate {package}: {said}").into());
    }
    // A JSON parser would be five more crates to build. In a path, Cargo escapes only `\` and `"`.
    let metadata = String::from_utf8(output.stdout)?;
    let manifests = metadata.split(r#""manifest_path":""#).skip(1).filter_map(|rest| rest.split('"').next());
    let folders =
        manifests.filter_map(|path| Some(Path::new(&path.replace(r"\\", r"\")).parent()?.to_owned()));
    folders
        .map(|folder| folder.join(file))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("no dependency has the file {file} of the crate {package}").into())
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set: the build script is run by Cargo"))
}
