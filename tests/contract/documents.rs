//! What the documents say of the code.

use cleaning::{RejectionCode, Rule};

use crate::{names, read};

/// Names in the first column of the table under `heading`, without their backticks and links.
fn first_column(document: &str, heading: &str) -> Vec<String> {
    let section = document
        .split(&format!("## {heading}\n"))
        .nth(1)
        .expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .trim_start_matches('[')
                .strip_prefix('`')?
                .split_once('`')
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn every_variable_of_a_function_is_in_its_readme() {
    for (function, vars) in [
        ("daily-batch", daily_batch::Config::VARS.as_slice()),
        ("ingest-api", ingest_api::Config::VARS.as_slice()),
        ("stream-cleaner", stream_cleaner::Config::VARS.as_slice()),
    ] {
        let readme = read(&format!("functions/{function}/README.md"));
        assert_eq!(first_column(&readme, "Environment"), vars, "{function}");
    }
}

#[test]
fn every_function_is_in_the_readme() {
    let readme = read("README.md");
    assert_eq!(first_column(&readme, "Functions"), names("functions"));
}

#[test]
fn every_rule_and_every_rejection_is_explained() {
    let readme = read("crates/cleaning/README.md");
    assert_eq!(
        first_column(&readme, "Rules"),
        Rule::ALL
            .iter()
            .map(|rule| rule.as_str())
            .collect::<Vec<_>>()
    );
    assert_eq!(
        first_column(&readme, "Rejections"),
        RejectionCode::ALL
            .iter()
            .map(|code| code.as_str())
            .collect::<Vec<_>>()
    );
}

#[test]
fn every_crate_is_in_the_code_map() {
    let architecture = read("ARCHITECTURE.md");
    for folder in ["crates", "functions"] {
        for name in names(folder) {
            assert!(
                architecture.contains(&format!("`{folder}/{name}`")),
                "{folder}/{name}"
            );
        }
    }
}
