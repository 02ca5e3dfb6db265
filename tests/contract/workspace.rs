//! One name per thing, and the direction of the dependencies.

use crate::{names, read};

/// Names of the project's own packages in a section of a manifest.
fn own_dependencies(manifest: &str, section: &str) -> Vec<String> {
    let own: Vec<String> = names("crates")
        .into_iter()
        .chain(names("functions"))
        .collect();
    let section = manifest
        .split(&format!("[{section}]\n"))
        .nth(1)
        .unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let dependencies = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    dependencies
        .filter(|name| own.iter().any(|other| other == name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_folder_is_named_like_its_package() {
    for folder in ["crates", "functions"] {
        for name in names(folder) {
            let manifest = read(&format!("{folder}/{name}/Cargo.toml"));
            assert!(
                manifest.contains(&format!("\nname = \"{name}\"\n")),
                "{folder}/{name}"
            );
            assert!(
                manifest.contains("[lints]\nworkspace = true\n"),
                "{folder}/{name} sets its own lints"
            );
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let functions = names("functions");
    for (folder, name, allowed) in [
        ("crates", "event-model", &["json-reader"][..]),
        ("crates", "aws-request", &["event-model"]),
        ("crates", "test-server", &[]),
        ("crates", "conditional-put", &[]),
        ("crates", "aws-access", &["conditional-put"]),
        (
            "crates",
            "posting",
            &["aws-access", "event-model", "json-reader"],
        ),
        ("crates", "json-reader", &[]),
        ("crates", "kpl", &["event-model"]),
        ("crates", "cleaning", &["event-model", "json-reader", "kpl"]),
        ("crates", "cost", &[]),
        ("crates", "lake", &["cleaning", "event-model"]),
        ("crates", "daily-report", &["cost"]),
        ("crates", "emf", &[]),
        (
            "functions",
            "daily-batch",
            &[
                "aws-request",
                "cleaning",
                "daily-report",
                "emf",
                "event-model",
                "lake",
            ],
        ),
        (
            "functions",
            "ingest-api",
            &["aws-request", "event-model", "json-reader"],
        ),
        (
            "functions",
            "stream-cleaner",
            &["cleaning", "conditional-put", "emf", "event-model", "lake"],
        ),
    ] {
        let manifest = read(&format!("{folder}/{name}/Cargo.toml"));
        for dependency in own_dependencies(&manifest, "dependencies") {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} depends on {dependency}"
            );
        }
        for dependency in own_dependencies(&manifest, "dev-dependencies") {
            assert!(
                !functions.contains(&dependency),
                "{name} is tested with {dependency}"
            );
        }
    }
}

#[test]
fn the_checks_of_a_dependency_section_see_it() {
    let manifest = read("functions/stream-cleaner/Cargo.toml");
    assert_eq!(
        own_dependencies(&manifest, "dependencies"),
        ["cleaning", "conditional-put", "emf", "event-model", "lake"]
    );
}
