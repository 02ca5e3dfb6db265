#![doc = include_str!("../README.md")]

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// One number of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: Cow<'static, str>,
    unit: &'static str,
    value: u64,
    is_sent: bool,
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
            is_sent: true,
        }
    }

    /// Keeps the number in the log line only, where queries find it: CloudWatch bills each metric, and no member of a line.
    #[must_use]
    pub fn in_log_only(self) -> Self {
        Self {
            is_sent: false,
            ..self
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Most metrics of one line (a limit of the format); CloudWatch drops a longer one whole.
const MAX_METRICS: usize = 100;

/// Whose metrics these are, and of when.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name that Lambda knows the function by; where it runs without Lambda that is empty, and `package` is used.
    pub deployed: &'a str,
    /// The function's package.
    pub package: &'a str,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

impl Source<'_> {
    /// Returns metrics of the function as lines, without the last one's end: one, unless they are more than a line may have.
    pub fn lines(&self, metrics: &[Metric]) -> String {
        self.lines_of(None, metrics)
    }

    /// Returns metrics of one table of the function, which have its name as a second dimension, `table`.
    pub fn lines_of_table(&self, table: &str, metrics: &[Metric]) -> String {
        self.lines_of(Some(table), metrics)
    }

    fn lines_of(&self, table: Option<&str>, metrics: &[Metric]) -> String {
        let lines: Vec<_> = metrics
            .chunks(MAX_METRICS)
            .map(|metrics| self.line(table, metrics))
            .collect();
        lines.join("\n")
    }

    fn line(&self, table: Option<&str>, metrics: &[Metric]) -> String {
        let function = if self.deployed.is_empty() {
            self.package
        } else {
            self.deployed
        };
        let dimensions = match table {
            Some(_) => vec!["function", "table"],
            None => vec!["function"],
        };
        let names: Vec<Value> = metrics
            .iter()
            .filter(|metric| metric.is_sent)
            .map(|metric| json!({"Name": metric.name, "Unit": metric.unit}))
            .collect();
        let mut line = Map::new();
        if !names.is_empty() {
            line.insert("_aws".to_owned(), json!({
                "Timestamp": self.at_ms,
                "CloudWatchMetrics": [{"Namespace": "pinflow", "Dimensions": [dimensions], "Metrics": names}],
            }));
        }
        line.insert("function".to_owned(), json!(function));
        if let Some(table) = table {
            line.insert("table".to_owned(), json!(table));
        }
        line.extend(
            metrics
                .iter()
                .map(|metric| (metric.name.to_string(), json!(metric.value))),
        );
        Value::Object(line).to_string()
    }
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
        let source = Source {
            deployed: "dev-cleaner",
            package: "cleaner",
            at_ms: 1_700_000_000_000,
        };
        let line = source.lines(&metrics);
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

    const LOCAL: Source<'_> = Source {
        deployed: "",
        package: "cleaner",
        at_ms: 0,
    };

    #[test]
    fn a_function_that_is_not_deployed_goes_by_its_package() {
        let line = read(&LOCAL.lines(&[Metric::count("rows", 1)]));
        assert_eq!(line.get("function"), Some(&json!("cleaner")));
    }

    #[test]
    fn a_table_is_a_dimension() {
        let line = read(&LOCAL.lines_of_table("pin", &[Metric::count("rows", 1)]));
        assert_eq!(line["table"], "pin");
        let group = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(group["Dimensions"], json!([["function", "table"]]));
    }

    #[test]
    fn more_metrics_than_a_line_takes_are_several_lines() {
        let metrics: Vec<_> = (0..250)
            .map(|number| Metric::count(format!("m{number}"), number))
            .collect();
        let lines = LOCAL.lines(&metrics);
        let lines: Vec<_> = lines.lines().map(read).collect();
        let counts = lines.iter().map(|line| {
            let group = &line["_aws"]["CloudWatchMetrics"][0];
            group["Metrics"].as_array().unwrap().len()
        });
        assert_eq!(counts.collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(lines[2]["m249"], 249);
        assert_eq!(LOCAL.lines(&[]), "");
    }
}
