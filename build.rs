//! Embeds the pages for people: what `playground/` builds, with everything the pages load.
//!
//! The pages are built by npm into `playground/dist`, which outlives this build and serves every profile and
//! every target folder. Beside them lies a digest of the sources they were made from; as long as it fits,
//! nothing is done. Otherwise they are built anew, if Node is there. What goes wrong with that never fails this
//! build: it is said in a warning, and what was built before is embedded, or nothing. The server then says at
//! `/playground` how to get it.
//!
//! Who packages chooses with `PORTOLAN_PLAYGROUND_DIST`: a folder that was built elsewhere, or `none`.
//!
//! What is embedded is a copy in the folder of this build, so that a build that runs beside it, or somebody who
//! clears `playground/dist`, takes nothing away. Cargo asks again when a source changes, by time; the digest
//! then tells whether it matters. The folder that is built here is not watched, or each build would ask for the
//! next one.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    fmt::Write as _,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Says which folder to embed.
const CHOICE: &str = "PORTOLAN_PLAYGROUND_DIST";

/// What the pages are made from.
const SOURCES: [&str; 7] =
    [".npmrc", "index.html", "package-lock.json", "package.json", "src", "tsconfig.json", "vite.config.ts"];

/// The digest of the sources, beside what was made from them.
const DIGEST: &str = ".sources";

/// What the bundler asks for.
const NODE: (u32, u32) = (20, 19);

fn main() -> Outcome {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={CHOICE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let dist = match env::var_os(CHOICE).filter(|choice| !choice.is_empty()) {
        None => built(Path::new("playground")),
        Some(choice) if choice == "none" => None,
        Some(choice) => {
            let folder = PathBuf::from(choice);
            println!("cargo::rerun-if-changed={}", folder.display());
            if !folder.join("index.html").is_file() {
                return Err(format!("{CHOICE}: there is no index.html in {}", folder.display()).into());
            }
            Some(folder)
        }
    };
    embed(dist.as_deref(), &out)
}

/// The folder with the pages, after they were built if they had to be.
fn built(home: &Path) -> Option<PathBuf> {
    if !home.join("package.json").is_file() {
        return None;
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", home.join(source).display());
    }
    let dist = home.join("dist");
    if let Err(error) = refresh(home, &dist) {
        let built = dist.join("index.html").is_file();
        let instead = if built { "it is embedded as it was built last" } else { "it is left out" };
        println!("cargo::warning=the playground could not be built, so {instead}: {error}");
        println!("cargo::warning=to build it: npm ci && npm run build, in {}, then cargo build again", home.display());
        // Somebody may build it by hand. Watched only here, see above; what is not there would ask every time.
        fs::create_dir_all(&dist).ok()?;
        println!("cargo::rerun-if-changed={}", dist.display());
        return built.then_some(dist);
    }
    Some(dist)
}

/// Builds the pages unless they were built from these sources.
fn refresh(home: &Path, dist: &Path) -> Outcome {
    let lock = File::open(home.join("package-lock.json"))?;
    // Another build may be at it, for an editor or for another target folder.
    lock.lock()?;
    let digest = digest(home)?;
    if fs::read_to_string(dist.join(DIGEST)).is_ok_and(|made| made == digest) {
        return Ok(());
    }
    node_is_new_enough()?;
    if !installed(home) {
        // Only what the bundler needs; the tools of the checks are a matter of the checks.
        npm(home, &["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    }
    npm(home, &["run", "build"])?;
    fs::write(dist.join(DIGEST), digest)?;
    Ok(())
}

/// A digest of the names and the contents of all sources. Tests are none.
fn digest(home: &Path) -> Outcome<String> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        for (name, path) in files(&home.join(source))? {
            if !name.contains(".test.") {
                (source, name, fs::read(path)?).hash(&mut hasher);
            }
        }
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// The files in a folder and below, by their names in it, in order; a file is in itself.
fn files(root: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    fn walk(root: &Path, path: PathBuf, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
        if path.is_dir() {
            return fs::read_dir(path)?.try_for_each(|entry| walk(root, entry?.path(), found));
        }
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        found.push((name, path));
        Ok(())
    }
    let mut found = Vec::new();
    walk(root, root.to_owned(), &mut found)?;
    found.sort();
    Ok(found)
}

fn node_is_new_enough() -> Outcome {
    let said = Command::new("node").arg("--version").output();
    let said = said.map_err(|_| "Node is not installed")?;
    let said = String::from_utf8_lossy(&said.stdout);
    let mut numbers = said.trim().trim_start_matches('v').split('.').map_while(|number| number.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < NODE {
        return Err(format!("Node {}.{} or newer is needed, this is {}", NODE.0, NODE.1, said.trim()).into());
    }
    Ok(())
}

/// Whether npm installed these dependencies: it writes a list of its own when it is done.
fn installed(home: &Path) -> bool {
    let when = |name: &str| fs::metadata(home.join(name)).and_then(|found| found.modified());
    match (when("node_modules/.package-lock.json"), when("package-lock.json")) {
        (Ok(done), Ok(asked)) => done >= asked,
        _ => false,
    }
}

fn npm(home: &Path, arguments: &[&str]) -> Outcome {
    let output = Command::new("npm").args(arguments).current_dir(home).output();
    let output = output.map_err(|error| format!("npm cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    // A warning is one line: the first two that name an error. All of it is in cargo's record of this script.
    let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    io::Write::write_all(&mut io::stderr(), said.as_bytes())?;
    let telling: Vec<_> = said.lines().filter(|line| line.to_lowercase().contains("error")).take(2).collect();
    Err(format!("npm {} failed: {}", arguments.join(" "), telling.join("; ")).into())
}

/// Copies the pages into the folder of this build, and writes the table by which the server finds them.
fn embed(dist: Option<&Path>, out: &Path) -> Outcome {
    let (copy, mut table) = (out.join("playground"), String::from("&[\n"));
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    for (name, path) in dist.map(files).transpose()?.unwrap_or_default() {
        let zipped = Path::new(&name).extension() == Some(OsStr::new("gz"));
        // What has a compressed twin is kept in that form alone.
        if name.starts_with('.') || dist.is_some_and(|dist| dist.join(format!("{name}.gz")).exists()) {
            continue;
        }
        let target = copy.join(&name);
        fs::create_dir_all(target.parent().unwrap_or(&copy))?;
        fs::copy(&path, &target)?;
        let mut hasher = DefaultHasher::new();
        fs::read(&path)?.hash(&mut hasher);
        let (asset, tag) = (name.trim_end_matches(".gz"), hasher.finish());
        writeln!(
            table,
            r#"    Asset {{
        name: {asset:?},
        tag: "W/\"{tag:016x}\"",
        zipped: {zipped},
        body: include_bytes!(concat!(env!("OUT_DIR"), "/playground/", {name:?})),
    }},"#
        )?;
    }
    table.push(']');
    fs::write(out.join("playground.rs"), table)?;
    Ok(())
}
