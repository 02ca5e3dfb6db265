//! CloudWatch, as far as the reconciliation asks it: how many records the stream took.
//!
//! The API is that of <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html> in JSON 1.0; the counts
//! follow from the stream itself.

use event_model::chain;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kinesis::store::{Store, StoreError};

/// What the service's operations begin with in `X-Amz-Target`.
pub(crate) const TARGET: &str = "GraniteServiceVersion20100801.";
/// Most points of one answer (a limit of the service).
const MAX_POINTS: i64 = 1440;

/// The service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CloudWatch {
    store: Store,
    stream: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMetricStatisticsInput {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    /// Seconds since 1970.
    start_time: f64,
    end_time: f64,
    /// Seconds.
    period: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

impl CloudWatch {
    pub(crate) fn new(store: Store, stream: String) -> Self {
        Self { store, stream }
    }

    /// Answers a call: status and JSON.
    pub(crate) fn call(&self, target: &str, body: &[u8]) -> (StatusCode, String) {
        let operation = target.strip_prefix(TARGET).unwrap_or_default();
        if operation != "GetMetricStatistics" {
            let message = format!("The embedded stack does not have the operation {operation}.");
            return refused("UnknownOperationException", &message);
        }
        let input: GetMetricStatisticsInput = match serde_json::from_slice(body) {
            Ok(input) => input,
            Err(error) => return refused("SerializationException", &error.to_string()),
        };
        match self.statistics(&input) {
            Ok(answer) => answer,
            Err(error) => {
                let body = json!({"__type": "InternalServiceFault", "message": chain(&error)});
                (StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
            }
        }
    }

    fn statistics(
        &self,
        input: &GetMetricStatisticsInput,
    ) -> Result<(StatusCode, String), StoreError> {
        let seconds = |time: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a time is far below 2^53")]
            let seconds = time.floor() as i64;
            seconds
        };
        let (start, end) = (seconds(input.start_time), seconds(input.end_time));
        if input.period < 60 || input.period % 60 != 0 || start >= end {
            let message = "The period must be a multiple of 60, and the start before the end.";
            return Ok(refused("InvalidParameterValueException", message));
        }
        // A point has the time at which its period began.
        let first = start.div_euclid(input.period);
        let periods = first..(end + input.period - 1).div_euclid(input.period);
        if periods.end - periods.start > MAX_POINTS {
            let message = format!("More than {MAX_POINTS} points are asked for.");
            return Ok(refused("InvalidParameterCombinationException", &message));
        }
        let is_of_stream = input
            .dimensions
            .iter()
            .any(|dimension| dimension.name == "StreamName" && dimension.value == self.stream);
        let is_known = input.namespace == "AWS/Kinesis" && input.metric_name == "IncomingRecords";
        let mut points: Vec<Value> = Vec::new();
        if is_known && is_of_stream {
            let mut before = self.records_before(periods.start * input.period)?;
            for period in periods {
                let until = self.records_before((period + 1) * input.period)?;
                if until > before {
                    let time = period * input.period;
                    points.push(json!({"Timestamp": time, "Sum": until - before, "Unit": "Count"}));
                }
                before = until;
            }
        }
        let body = json!({"Label": input.metric_name, "Datapoints": points});
        Ok((StatusCode::OK, body.to_string()))
    }

    /// Counts the records of all shards that arrived before a time, in seconds since 1970.
    fn records_before(&self, seconds: i64) -> Result<u64, StoreError> {
        let state = self.store.state();
        let topology = state.borrow().topology.clone();
        let millis = seconds.saturating_mul(1000);
        let shards = topology.shards();
        shards
            .map(|(shard, _)| self.store.before(shard, millis))
            .sum()
    }
}

fn refused(code: &str, message: &str) -> (StatusCode, String) {
    let body = json!({"__type": code, "message": message});
    (StatusCode::BAD_REQUEST, body.to_string())
}
