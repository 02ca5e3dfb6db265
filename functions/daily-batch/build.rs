//! Lists the reports: every `.sql` file of `src/reports` is one.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new("src/reports");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    let mut entries = String::new();
    for name in &names {
        // The checkout's path is filled in where this is included: a target directory that is shared outlives a checkout.
        // Writing to a `String` does not fail.
        let _ = writeln!(
            entries,
            "({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/reports/{name}.sql\"))),"
        );
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo passes the place to write to in this way"
    )]
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(
        Path::new(&out).join("reports.rs"),
        format!("&[\n{entries}]\n"),
    )
}
