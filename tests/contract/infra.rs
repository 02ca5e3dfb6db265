//! What the Terraform says of the functions, and they of it.

use std::collections::BTreeSet;

use cost::Monitoring;

use crate::{names, read};

/// The lines of a block at the top of a file, without its first and its last; `head` is how the first one begins.
fn block(text: &str, head: &str) -> String {
    let start = text
        .find(&format!("\n{head}"))
        .unwrap_or_else(|| panic!("there is no `{head}`"));
    let body = text.get(start + 1..).unwrap_or_default();
    let lines = body.lines().skip(1).take_while(|line| *line != "}");
    lines.collect::<Vec<_>>().join("\n")
}

/// Names that are set in the inner block that begins with `head`.
fn keys(block: &str, head: &str) -> BTreeSet<String> {
    let lines = block.lines().skip_while(|line| line.trim() != head).skip(1);
    lines
        .take_while(|line| line.trim() != "}")
        .filter_map(|line| line.trim().split_once(" = "))
        .map(|(name, _)| name.trim_end().to_owned())
        .filter(|name| !name.starts_with('#'))
        .collect()
}

fn module(function: &str) -> String {
    let name = function.replace('-', "_");
    block(
        &read("infra/functions.tf"),
        &format!("module \"{name}\" {{"),
    )
}

#[test]
fn every_function_is_deployed() {
    for function in names("functions") {
        let module = module(&function);
        for part in [
            "source = \"./modules/function\"".to_owned(),
            format!("\"${{local.name}}-{function}\""),
            format!("\"${{var.package_directory}}/{function}/bootstrap.zip\""),
        ] {
            assert!(module.contains(&part), "{function}: {part}");
        }
    }
    let mut packages = names("functions");
    packages.insert(0, "architecture".to_owned());
    assert_eq!(names("infra/tests/packages"), packages);
    let modules = read("infra/functions.tf").matches("\nmodule \"").count();
    assert_eq!(modules, names("functions").len());
}

#[test]
fn a_function_gets_the_variables_that_it_reads() {
    for (function, vars) in [
        ("daily-batch", daily_batch::Config::VARS.as_slice()),
        ("ingest-api", ingest_api::Config::VARS.as_slice()),
        ("stream-cleaner", stream_cleaner::Config::VARS.as_slice()),
    ] {
        let vars: BTreeSet<_> = vars.iter().copied().map(str::to_owned).collect();
        let mut given = keys(&module(function), "environment = {");
        // The C library reads it.
        assert_eq!(given.remove("GLIBC_TUNABLES"), function == "stream-cleaner");
        assert_eq!(given, vars, "{function}");
    }
}

#[test]
fn the_routes_are_those_of_the_description() {
    let mut described = BTreeSet::new();
    let mut path = "";
    for line in read("functions/ingest-api/openapi.yaml").lines() {
        if let Some(name) = line
            .strip_prefix("  /")
            .and_then(|rest| rest.strip_suffix(':'))
        {
            path = name;
        }
        for method in ["get", "post", "put"] {
            if line == format!("    {method}:") {
                described.insert(format!("{} /{path}", method.to_uppercase()));
            }
        }
    }
    let api = read("infra/api.tf");
    let routed: BTreeSet<_> = block(&api, "locals {")
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains(" /"))
        .map(str::to_owned)
        .collect();
    assert!(!described.is_empty());
    // Where GET is open to all, HEAD is too: `$default` would ask for a signature.
    for open in ["/health", "/openapi.yaml"] {
        described.insert(format!("HEAD {open}"));
    }
    assert_eq!(routed, described);
}

#[test]
fn each_right_on_everything_tells_why() {
    for file in ["infra/functions.tf", "infra/modules/function/main.tf"] {
        let text = read(file);
        let lines: Vec<_> = text.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| {
            line.trim_start().starts_with("resources") && line.contains("\"*\"")
        }) {
            let statement = lines[..index]
                .iter()
                .rposition(|line| line.trim() == "statement {")
                .expect("a statement");
            let comment = statement.checked_sub(1).and_then(|above| lines.get(above));
            assert!(
                comment.is_some_and(|line| line.trim_start().starts_with('#')),
                "{file}:{}",
                index + 1
            );
        }
        assert!(!text.contains("actions   = [\"*\"]"), "{file}");
    }
}

#[test]
fn each_validation_is_tried() {
    for (variables, tests) in [
        ("infra/variables.tf", "infra/tests/validation.tftest.hcl"),
        (
            "infra/modules/function/variables.tf",
            "infra/modules/function/tests/function.tftest.hcl",
        ),
    ] {
        let tests = read(tests);
        for variable in read(variables).split("\nvariable \"").skip(1) {
            let (name, body) = variable.split_once('"').expect("a name");
            let refused = tests
                .lines()
                .filter(|line| {
                    line.contains("expect_failures") && line.contains(&format!("var.{name}"))
                })
                .count();
            let validations = body.matches("validation {").count();
            // One attempt may try the same setting with several variables, but not one variable's settings at once.
            assert!(
                refused >= validations,
                "{variables}: {name}: {refused} < {validations}"
            );
        }
    }
}

#[test]
fn the_dashboard_shows_each_alarm() {
    let (alarms, dashboard) = (read("infra/alarms.tf"), read("infra/dashboard.tf"));
    let resources = alarms.lines().filter_map(|line| {
        let name = line.strip_prefix("resource \"aws_cloudwatch_metric_alarm\" \"")?;
        name.split_once('"').map(|(name, _)| name)
    });
    let resources: Vec<_> = resources.collect();
    assert!(resources.len() > 4, "{resources:?}");
    for name in resources {
        let reference = format!("aws_cloudwatch_metric_alarm.{name}");
        assert!(dashboard.contains(&reference), "the dashboard lacks {name}");
    }
}

#[test]
fn alarms_and_dashboard_look_at_metrics_that_the_functions_send() {
    let sent = ["daily-batch", "stream-cleaner"].map(|function| {
        let readme = read(&format!("functions/{function}/README.md"));
        let metrics = readme.split("## Metrics\n").nth(1).expect("the section");
        metrics.split("\n## ").next().unwrap_or_default().to_owned()
    });
    let alarms = read("infra/alarms.tf");
    let dashboard = read("infra/dashboard.tf");
    for metric in [
        "unaccounted",
        "duplicate_keys",
        "steps_failed",
        "objects_unreadable",
        "reconciliation_complete",
        "row_imbalance",
        "scheduled_runs_succeeded",
        "rejected",
        "user_records_in",
        "runs_succeeded",
        "runs_failed",
        "rows_in",
        "rows_merged",
    ] {
        let quoted = format!("\"{metric}\"");
        assert!(
            alarms.contains(&quoted) || dashboard.contains(&quoted),
            "nothing looks at {metric}"
        );
        assert!(
            sent.iter()
                .any(|readme| readme.contains(&format!("`{metric}`"))),
            "nothing sends {metric}"
        );
    }
}

#[test]
fn the_bill_is_that_of_this_stack() {
    let memory = |function: &str| {
        let module = module(function);
        let line = module
            .lines()
            .find_map(|line| line.trim().strip_prefix("memory_mb"))
            .expect("the memory");
        line.trim_start_matches([' ', '=']).to_owned()
    };
    assert_eq!(
        memory("ingest-api"),
        format!("{}", cost::stack::INGEST_API_MEMORY_MB)
    );
    assert_eq!(
        memory("stream-cleaner"),
        format!("{}", cost::stack::STREAM_CLEANER_MEMORY_MB)
    );
    assert_eq!(memory("daily-batch"), "var.daily_memory_mb");
    let variable = block(
        &read("infra/variables.tf"),
        "variable \"daily_memory_mb\" {",
    );
    assert!(variable.contains(&format!("= {}\n", cost::stack::DAILY_BATCH_MEMORY_MB)));
    let alarms = read("infra/alarms.tf");
    let resources = alarms.matches("resource \"aws_cloudwatch_metric_alarm\"");
    // Two of them make the alarms of a list; the list's own form of a function's alarm is none.
    let shares = alarms.matches("percent     = ").count();
    let single = resources.count() - 3;
    let listed = block(&alarms, "locals {").matches("description = ").count();
    // There is one of each of the two kinds of functions' alarms per function. An alarm is paid for by the metrics that it looks at: two for
    // one that compares.
    let compared = shares
        + alarms
            .matches("  metric_query {\n    id          = ")
            .count()
        - 1;
    let all = single + listed + 2 * names("functions").len() + compared;
    // Of the lists, lean monitoring has these; of the others, each.
    let lean = block(&alarms, "locals {");
    let lean = lean.split("lean_alarms = [").nth(1).expect("the list");
    let lean = lean.split(']').next().unwrap_or_default();
    let lean_shares = ["api-errors", "api-refusals"].into_iter();
    let lean_shares = lean_shares.filter(|name| lean.contains(name)).count();
    let lean = single + 1 + lean.matches('"').count() / 2 + compared - shares + lean_shares;
    for (alarms, billed) in [
        (all, Monitoring::Full.alarm_metrics()),
        (lean, Monitoring::Lean.alarm_metrics()),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a few alarms")]
        let alarms = alarms as f64;
        assert!((alarms - billed).abs() < 0.5, "{alarms} metrics");
    }
    for (packed, billed) in [
        (
            ingest_api::Packing::LINES_MAX_BYTES,
            cost::stack::PACKED_LINES_MAX_BYTES,
        ),
        (
            ingest_api::Packing::GZIP_MAX_BYTES,
            cost::stack::PACKED_GZIP_MAX_BYTES,
        ),
    ] {
        assert_eq!(packed.to_string(), billed.to_string());
    }
    let lake = read("infra/lake.tf");
    for (line, days) in [
        ("  clean_days = ", cost::stack::CLEAN_DAYS),
        (
            "    \"quarantine/\"                 = ",
            cost::stack::QUARANTINE_DAYS,
        ),
        ("      noncurrent_days = ", cost::stack::NONCURRENT_DAYS),
    ] {
        assert!(lake.contains(&format!("{line}{days}\n")), "{line}{days}");
    }
    let functions = read("infra/functions.tf");
    let vacuum = format!(
        "VACUUM_RETENTION_HOURS = \"{}\"\n",
        cost::stack::VACUUM_DAYS * 24.0
    );
    assert!(functions.contains(&vacuum), "{vacuum}");
    let rate = format!("rate  = optional(number, {})", cost::stack::API_RATE);
    assert!(read("infra/variables.tf").contains(&rate), "{rate}");
}
