//! A bill: what is counted of each service, and what it costs.

use strum::{IntoStaticStr, VariantArray};

/// A service on a bill, in the order in which bills list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, VariantArray, IntoStaticStr)]
pub enum Service {
    /// The API.
    #[strum(serialize = "API Gateway")]
    ApiGateway,
    /// Answers that leave AWS.
    #[strum(serialize = "Data transfer")]
    Transfer,
    /// The functions.
    #[strum(serialize = "Lambda")]
    Lambda,
    /// The stream.
    #[strum(serialize = "Kinesis")]
    Kinesis,
    /// The stream's replacement that writes Parquet itself.
    #[strum(serialize = "Firehose")]
    Firehose,
    /// The old stack's stream.
    #[strum(serialize = "MSK (Kafka)")]
    Msk,
    /// The lake.
    #[strum(serialize = "S3")]
    S3,
    /// The key.
    #[strum(serialize = "KMS")]
    Kms,
    /// Logs, metrics, alarms, the dashboard, and X-Ray's traces.
    #[strum(serialize = "CloudWatch and X-Ray")]
    CloudWatch,
    /// The schedule.
    #[strum(serialize = "EventBridge Scheduler")]
    Scheduler,
    /// Dead letters and alarm messages.
    #[strum(serialize = "SQS and SNS")]
    Queues,
    /// Queries by hand.
    #[strum(serialize = "Athena")]
    Athena,
    /// The old stack's schedule.
    #[strum(serialize = "MWAA (Airflow)")]
    Mwaa,
    /// The old stack's notebooks.
    #[strum(serialize = "Databricks")]
    Databricks,
    /// The old stack's client.
    #[strum(serialize = "EC2")]
    Ec2,
}

impl Service {
    /// Every service.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name on the bill.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a service is paid for.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Who is paid.
    pub service: Service,
    /// What was counted, in words.
    pub counted: String,
    /// List price, without free tiers.
    pub usd: f64,
    /// What of it an account with nothing else in it does not pay: the always-free tiers.
    pub free_usd: f64,
}

/// What a stack costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// What is paid, by service.
    pub lines: Vec<Line>,
    /// What to know before believing it.
    pub notes: Vec<String>,
}

impl Bill {
    /// Returns the sum of a service; `None` when it is not on the bill.
    pub fn service(&self, service: Service) -> Option<f64> {
        let lines = self.lines.iter().filter(|line| line.service == service);
        lines
            .map(|line| line.usd)
            .fold(None, |sum, usd| Some(sum.unwrap_or_default() + usd))
    }

    /// Returns the sum, without free tiers.
    pub fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.usd).sum()
    }

    /// Returns what the always-free tiers take off.
    pub fn free(&self) -> f64 {
        self.lines.iter().map(|line| line.free_usd).sum()
    }

    pub(crate) fn add(&mut self, service: Service, counted: String, usd: f64) {
        self.add_with_free(service, counted, usd, 0.0);
    }

    pub(crate) fn add_with_free(
        &mut self,
        service: Service,
        counted: String,
        usd: f64,
        free_usd: f64,
    ) {
        self.lines.push(Line {
            service,
            counted,
            usd,
            free_usd,
        });
    }
}

/// Returns a number as people read it: `26.3 million`, `4,380`, `0.02`.
pub(crate) fn count(number: f64) -> String {
    if number >= 1e9 {
        format!("{:.1} billion", number / 1e9)
    } else if number >= 1e6 {
        format!("{:.1} million", number / 1e6)
    } else if number >= 100.0 {
        thousands(number)
    } else if number.fract() == 0.0 {
        format!("{number:.0}")
    } else if number >= 1.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_read_them() {
        let shown = [0.0, 0.024, 1.0, 12.34, 4_380.0, 999_999.0, 2.63e7, 3e9].map(count);
        let expected = [
            "0",
            "0.02",
            "1",
            "12.3",
            "4,380",
            "999,999",
            "26.3 million",
            "3.0 billion",
        ];
        assert_eq!(shown, expected);
    }
}
