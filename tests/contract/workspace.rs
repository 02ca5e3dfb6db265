//! One name per thing, and the direction of the dependencies.

use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::names;

/// Returns the project's own packages.
fn packages() -> Vec<Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(root).no_deps().exec();
    metadata.unwrap().packages
}

/// Returns the names of the project's own packages that one depends on.
fn own_dependencies(package: &Package, kind: DependencyKind) -> Vec<&str> {
    let own = |dependency: &&cargo_metadata::Dependency| {
        dependency.kind == kind && dependency.path.is_some()
    };
    let names = package.dependencies.iter().filter(own);
    names.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn a_folder_is_named_like_its_package() {
    for package in packages() {
        let folder = package.manifest_path.parent().unwrap();
        if package.name != "pipeline-tests" {
            assert_eq!(folder.file_name(), Some(package.name.as_str()));
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "{folder} sets its own lints"
        );
    }
}

#[test]
fn dependencies_point_one_way() {
    let (packages, functions) = (packages(), names("functions"));
    for (name, allowed) in [
        ("event-model", &["json-reader"][..]),
        ("aws-request", &["event-model"]),
        ("test-server", &[]),
        ("conditional-put", &["event-model"]),
        ("aws-access", &["conditional-put"]),
        (
            "posting",
            &["aws-access", "event-model", "json-reader", "model"],
        ),
        ("json-reader", &[]),
        ("kpl", &["event-model"]),
        ("model", &["event-model", "json-reader"]),
        ("cleaning", &["event-model", "json-reader", "kpl", "model"]),
        ("cost", &[]),
        ("lake", &["cleaning", "event-model", "model"]),
        ("daily-report", &["cost"]),
        ("emf", &[]),
        (
            "daily-batch",
            &[
                "aws-request",
                "cleaning",
                "daily-report",
                "emf",
                "event-model",
                "lake",
                "model",
            ],
        ),
        (
            "ingest-api",
            &["aws-request", "event-model", "json-reader", "model"],
        ),
        (
            "stream-cleaner",
            &[
                "cleaning",
                "conditional-put",
                "emf",
                "event-model",
                "lake",
                "model",
            ],
        ),
    ] {
        let package = packages.iter().find(|package| package.name == name);
        let package = package.unwrap_or_else(|| panic!("there is no {name}"));
        for dependency in own_dependencies(package, DependencyKind::Normal) {
            assert!(
                allowed.contains(&dependency),
                "{name} depends on {dependency}"
            );
        }
        for dependency in own_dependencies(package, DependencyKind::Development) {
            assert!(
                functions.iter().all(|function| function != dependency),
                "{name} is tested with {dependency}"
            );
        }
    }
}

#[test]
fn the_checks_of_dependencies_see_them() {
    let packages = packages();
    let cleaner = packages
        .iter()
        .find(|package| package.name == "stream-cleaner");
    assert_eq!(
        own_dependencies(cleaner.unwrap(), DependencyKind::Normal),
        [
            "cleaning",
            "conditional-put",
            "emf",
            "event-model",
            "lake",
            "model"
        ]
    );
}
