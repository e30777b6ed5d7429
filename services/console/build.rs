//! Builds the dashboard and lists its files for the crate to embed.
//!
//! With npm at hand one cargo command gives the whole product. Without it the program is built all the same, and its page
//! says what is missing. `ALERTSTREAM_UI_DIST` names a folder with a page that somebody else built.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the page is made of: nothing else makes it be built again.
const SOURCES: [&str; 8] = [
    "src",
    "public",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];
/// A page that somebody else built.
const BUILT: &str = "ALERTSTREAM_UI_DIST";
/// Where npm's script puts the page.
const OUT: &str = "ALERTSTREAM_UI_OUT";
/// CI's word that a program without its page is an error.
const REQUIRED: &str = "ALERTSTREAM_REQUIRE_UI";

fn main() -> Result<(), Box<dyn Error>> {
    for name in [BUILT, REQUIRED] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed=ui/{source}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let page = match env::var_os(BUILT) {
        Some(folder) => Some(PathBuf::from(folder)),
        None => match build(&out.join("ui")) {
            Ok(folder) => Some(folder),
            Err(why) if env::var_os(REQUIRED).is_some() => return Err(why),
            Err(why) => {
                for line in format!("the dashboard is not built: {why}").lines() {
                    println!("cargo::warning={line}");
                }
                None
            }
        },
    };
    fs::write(out.join("assets.rs"), list(page.as_deref(), &out)?)?;
    Ok(())
}

/// Builds the page into a folder.
fn build(into: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let npm = |arguments: &[&str]| -> Result<(), Box<dyn Error>> {
        let ran = Command::new("npm")
            .args(arguments)
            .env(OUT, into)
            .current_dir(&ui)
            .output();
        let ran = ran.map_err(|error| format!("npm does not run ({error}); install Node.js 20 or newer with npm"))?;
        if ran.status.success() {
            return Ok(());
        }
        Err(format!("npm {} failed:\n{}", arguments.join(" "), said(&ran)).into())
    };
    if is_older(
        &ui.join("node_modules/.package-lock.json"),
        &ui.join("package-lock.json"),
    ) {
        npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    }
    npm(&["run", "--silent", "build"])?;
    Ok(into.to_owned())
}

/// The end of what a command said.
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n")
}

/// Whether the first file is not there or was written before the second.
fn is_older(first: &Path, second: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    written(first).is_none() || written(first) < written(second)
}

/// The list of a folder's files as Rust; `out` is where this script may write.
fn list(page: Option<&Path>, out: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    if let Some(folder) = page {
        walk(folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
        if !folder.join("index.html").is_file() {
            return Err(format!("{} holds no index.html", folder.display()).into());
        }
    }
    files.sort();
    let mut text = "static ASSETS: &[Asset] = &[\n".to_owned();
    for file in files.iter().filter(|file| !is_compressed(file)) {
        let below = page
            .and_then(|folder| file.strip_prefix(folder).ok())
            .ok_or("a file outside its folder")?;
        let embedded = |path: PathBuf| {
            if !path.is_file() {
                return "&[]".to_owned();
            }
            // What this script made lies where the compiler says: Cargo does not run it again when the target folder moves.
            match path.strip_prefix(out) {
                Ok(below) => format!(
                    "include_bytes!(concat!(env!(\"OUT_DIR\"), \"/\", {:?}))",
                    below.to_string_lossy()
                ),
                Err(_) => format!("include_bytes!({:?})", path.to_string_lossy()),
            }
        };
        let beside = |extension: &str| PathBuf::from(format!("{}.{extension}", file.display()));
        writeln!(
            text,
            "    Asset {{ path: {:?}, bytes: {}, brotli: {}, gzip: {} }},",
            below.to_string_lossy(),
            embedded(file.clone()),
            embedded(beside("br")),
            embedded(beside("gz")),
        )?;
    }
    Ok(text + "];\n")
}

fn is_compressed(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "br" || extension == "gz")
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
