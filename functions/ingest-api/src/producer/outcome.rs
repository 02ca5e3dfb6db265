//! What became of one record.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use event_model::Position;

/// Where a record is on the stream, or why it is not.
pub(crate) type Outcome = Result<Position, Failure>;

/// Why a record is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its shard takes no more at the moment.
    Throttled,
    /// Kinesis failed inside.
    Internal,
    /// The stream cannot be reached.
    Unreachable,
    /// The stream is gone, or the function may not write to it.
    Forbidden,
    /// There was no answer before the deadline.
    TimedOut,
    /// Kinesis finds the record or the request invalid.
    Refused,
    /// The record is no row, or one that the stream cannot take; what is wrong, as a sentence.
    Invalid(String),
}

impl Failure {
    /// Returns whether the same record may be taken a moment later, within the request.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Forbidden | Self::Refused | Self::Invalid(_))
    }

    /// Returns whether a client does well to send the record again.
    pub(crate) fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused | Self::Invalid(_))
    }

    /// Returns the code by Kinesis's names.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Throttled => "ProvisionedThroughputExceededException",
            Self::Internal => "InternalFailure",
            Self::Unreachable | Self::Forbidden => "ServiceUnavailable",
            Self::TimedOut => "RequestTimeout",
            Self::Refused | Self::Invalid(_) => "InvalidArgumentException",
        }
    }

    /// Returns what happened, for a client; nothing of the inside.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Throttled => "The stream takes no more at the moment; send it again in a second.",
            Self::Internal => "The stream failed to store the record; send it again.",
            Self::Unreachable => "The stream cannot be reached; send it again later.",
            Self::Forbidden => "The stream is not available; contact its operators.",
            Self::TimedOut => "The stream did not answer in time; send it again.",
            Self::Refused => "The stream refuses the record.",
            Self::Invalid(problem) => problem,
        }
    }
}

/// Returns what became of each record of a call that was answered: a 200 is not success.
pub(super) fn of_output(output: &PutRecordsOutput, records: usize) -> Vec<Outcome> {
    let mut outcomes: Vec<_> = output.records().iter().map(of_entry).collect();
    // A record that the answer leaves out is not known to be stored.
    outcomes.resize(records, Err(Failure::Internal));
    outcomes
}

fn of_entry(entry: &PutRecordsResultEntry) -> Outcome {
    match (
        entry.error_code(),
        entry.shard_id(),
        entry.sequence_number(),
    ) {
        (None, Some(shard), Some(sequence_number)) => Ok(Position::new(shard, sequence_number)),
        (Some("ProvisionedThroughputExceededException"), ..) => Err(Failure::Throttled),
        _ => Err(Failure::Internal),
    }
}

/// Returns what a call that failed as a whole means for each of its records.
pub(super) fn of_error(error: &SdkError<PutRecordsError>) -> Failure {
    match error {
        SdkError::ServiceError(service) => of_code(service.err().code().unwrap_or_default()),
        SdkError::TimeoutError(_) => Failure::TimedOut,
        _ => Failure::Unreachable,
    }
}

fn of_code(code: &str) -> Failure {
    match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException" => Failure::Throttled,
        "ResourceNotFoundException"
        | "AccessDeniedException"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature" => Failure::Forbidden,
        "InvalidArgumentException" | "ValidationException" | "SerializationException" => {
            Failure::Refused
        }
        _ => Failure::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(entries: &[(Option<&str>, Option<&str>)]) -> PutRecordsOutput {
        let entries = entries.iter().map(|(code, sequence_number)| {
            PutRecordsResultEntry::builder()
                .set_error_code(code.map(str::to_owned))
                .set_shard_id(sequence_number.map(|_| "shardId-000000000000".to_owned()))
                .set_sequence_number(sequence_number.map(str::to_owned))
                .build()
        });
        PutRecordsOutput::builder()
            .set_records(Some(entries.collect()))
            .build()
            .unwrap()
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "one of the outcomes that it is listed with"
    )]
    fn stored(sequence_number: &str) -> Outcome {
        Ok(Position::new("shardId-000000000000", sequence_number))
    }

    #[test]
    fn none_some_or_all_records_of_a_call_fail() {
        let throttled = Some("ProvisionedThroughputExceededException");
        for (entries, outcomes) in [
            (
                vec![(None, Some("1")), (None, Some("2"))],
                vec![stored("1"), stored("2")],
            ),
            (
                vec![(throttled, None), (None, Some("2"))],
                vec![Err(Failure::Throttled), stored("2")],
            ),
            (
                vec![(throttled, None), (Some("InternalFailure"), None)],
                vec![Err(Failure::Throttled), Err(Failure::Internal)],
            ),
            (
                vec![(None, Some("1"))],
                vec![stored("1"), Err(Failure::Internal)],
            ),
            (vec![], vec![Err(Failure::Internal); 2]),
        ] {
            assert_eq!(of_output(&output(&entries), 2), outcomes);
        }
    }
}
