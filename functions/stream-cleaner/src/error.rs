//! Why an invocation failed as a whole; Lambda delivers its batch again.

use lake::LakeError;
use lambda_runtime::Diagnostic;

use crate::event::EventError;

/// A failed invocation. Nothing of its batch is acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum CleanerError {
    /// The payload is not what Lambda makes from Kinesis.
    #[error("the payload is not an event of Kinesis: {0}")]
    NotAnEvent(#[from] EventError),
    /// A record lacks its position in the stream: the event is not one that Lambda made from Kinesis.
    #[error("record {index} of the event is not a Kinesis record: {reason}")]
    MalformedEvent {
        /// The record's place in the event, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows could not be turned into an object.
    #[error("could not make an object of the batch's rows")]
    Bug(#[from] LakeError),
}

impl From<CleanerError> for Diagnostic {
    fn from(error: CleanerError) -> Self {
        let error_type = match &error {
            CleanerError::NotAnEvent(_) | CleanerError::MalformedEvent { .. } => "MalformedEvent",
            CleanerError::Bug(_) => "Bug",
        };
        let error_message = format!("{:#}", anyhow::Error::from(error));
        Self {
            error_type: error_type.to_owned(),
            error_message,
        }
    }
}
