#![doc = include_str!("../README.md")]

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// One number of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: Cow<'static, str>,
    unit: &'static str,
    value: u64,
}

impl Metric {
    /// Makes a metric of a number of things.
    pub fn count(name: impl Into<Cow<'static, str>>, value: u64) -> Self {
        Self::new(name, "Count", value)
    }

    /// Makes a metric of a number of bytes.
    pub fn bytes(name: impl Into<Cow<'static, str>>, value: u64) -> Self {
        Self::new(name, "Bytes", value)
    }

    /// Makes a metric of a length of time.
    pub fn milliseconds(name: impl Into<Cow<'static, str>>, value: u64) -> Self {
        Self::new(name, "Milliseconds", value)
    }

    fn new(name: impl Into<Cow<'static, str>>, unit: &'static str, value: u64) -> Self {
        Self {
            name: name.into(),
            unit,
            value,
        }
    }
}

/// Returns metrics as one line, without its end. `at_ms` is their time: milliseconds since 1970-01-01 UTC.
///
/// `deployed` is the name that Lambda knows the function by; where it runs without Lambda that is empty, and `package` is used.
pub fn line(deployed: &str, package: &str, at_ms: i64, metrics: &[Metric]) -> String {
    let function = if deployed.is_empty() {
        package
    } else {
        deployed
    };
    let names: Vec<Value> = metrics
        .iter()
        .map(|metric| json!({"Name": metric.name, "Unit": metric.unit}))
        .collect();
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({
        "Timestamp": at_ms,
        "CloudWatchMetrics": [{"Namespace": "pinflow", "Dimensions": [["function"]], "Metrics": names}],
    }));
    line.insert("function".to_owned(), json!(function));
    line.extend(
        metrics
            .iter()
            .map(|metric| (metric.name.to_string(), json!(metric.value))),
    );
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn each_metric_is_declared_and_has_its_value() {
        let metrics = [
            Metric::count("rows_in", 3),
            Metric::bytes("bytes_written", 2048),
            Metric::milliseconds("duration_ms", 7),
        ];
        let line = line("dev-cleaner", "cleaner", 1_700_000_000_000, &metrics);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "pinflow",
                    "Dimensions": [["function"]],
                    "Metrics": [
                        {"Name": "rows_in", "Unit": "Count"},
                        {"Name": "bytes_written", "Unit": "Bytes"},
                        {"Name": "duration_ms", "Unit": "Milliseconds"},
                    ],
                }],
            },
            "function": "dev-cleaner",
            "rows_in": 3,
            "bytes_written": 2048,
            "duration_ms": 7,
        });
        assert_eq!(read(&line), expected);
        assert!(!line.contains('\n'), "CloudWatch reads line by line");
    }

    #[test]
    fn a_function_that_is_not_deployed_goes_by_its_package() {
        let line = read(&line("", "cleaner", 0, &[]));
        assert_eq!(line.get("function"), Some(&json!("cleaner")));
    }
}
