//! A function's answer → how much of the batch is done.

use serde::Deserialize;

use crate::kinesis::store::StoredRecord;

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "batchItemFailures")]
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    item: Option<String>,
}

/// Returns how many records at the front of the batch are done with.
///
/// An answer that is empty, null, or lists no failure is a success. Otherwise the record with the lowest sequence number
/// that is listed is the first to be delivered again; an identifier that is missing, empty or not of this batch fails the
/// whole batch, and so does an answer of another shape.
pub(super) fn records_done(answer: &str, batch: &[StoredRecord]) -> usize {
    if answer.trim().is_empty() {
        return batch.len();
    }
    let Ok(response) = serde_json::from_str::<Option<Response>>(answer) else {
        return 0;
    };
    let failures = response
        .and_then(|response| response.failures)
        .unwrap_or_default();
    let place = |failure: &Failure| {
        let item = failure.item.as_deref()?.parse().ok()?;
        batch
            .iter()
            .position(|record| record.sequence_number == item)
    };
    failures
        .iter()
        .map(|failure| place(failure).unwrap_or(0))
        .min()
        .unwrap_or(batch.len())
}

#[cfg(test)]
mod tests {
    use event_model::SequenceNumber;

    use super::*;

    fn batch() -> Vec<StoredRecord> {
        (10..15)
            .map(|number| StoredRecord {
                counter: number,
                sequence_number: SequenceNumber::from_limbs([0, 0, number]),
                arrival_ms: 0,
                partition_key: String::new(),
                data: Vec::new(),
            })
            .collect()
    }

    /// [Success and failure conditions](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html#streams-batchfailurereporting-conditions).
    #[test]
    fn each_answer_is_a_success_or_a_failure_as_documented() {
        for (answer, done) in [
            (r#"{"batchItemFailures":[]}"#, 5),
            (r#"{"batchItemFailures":null}"#, 5),
            ("{}", 5),
            ("null", 5),
            ("", 5),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, 0),
            (r#"{"batchItemFailures":[{"wrongName":"12"}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":"99"}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":"12"}]}"#, 2),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"13"},{"itemIdentifier":"11"}]}"#,
                1,
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"13"},{"itemIdentifier":"99"}]}"#,
                0,
            ),
            (r#"{"batchItemFailures":"none"}"#, 0),
            ("\"ok\"", 0),
            ("[", 0),
        ] {
            assert_eq!(records_done(answer, &batch()), done, "{answer}");
        }
    }
}
