//! Outages at will: which calls fail, wait or break off, while the stack runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

/// A call of one of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whom it asks.
    pub service: Service,
    /// Method of the request.
    pub method: Method,
    /// What it asks: the operation for Kinesis and CloudWatch, such as `PutRecords`, and the path for S3 and Lambda.
    pub target: String,
}

/// A service that can be out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Kinesis or CloudWatch.
    Stream,
    /// S3.
    S3,
    /// Lambda.
    Lambda,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with a status, and nothing is done.
    Status(u16),
    /// It is done, and answered with a status all the same.
    DoneButStatus(u16),
    /// The connection is closed without an answer, and nothing is done.
    Reset,
    /// It is done, and the connection closed without an answer.
    DoneButReset,
    /// It is done after a time.
    Delay(Duration),
}

type Rule = dyn Fn(&Call) -> Option<Fault> + Send + Sync;

/// The outages of a stack: none until some are set. Clones share them.
#[derive(Clone, Default)]
pub struct Faults {
    rule: Arc<Mutex<Option<Arc<Rule>>>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faults")
    }
}

impl Faults {
    /// From now on asks `rule` what goes wrong with each call.
    pub fn set(&self, rule: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rule));
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns what goes wrong with a call.
    pub(crate) fn of(&self, call: &Call) -> Option<Fault> {
        let rule = self
            .rule
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        rule.and_then(|rule| rule(call))
    }
}

/// Returns the body of an error in a service's form.
pub(crate) fn error_body(service: Service, status: StatusCode) -> String {
    let is_busy = status == StatusCode::SERVICE_UNAVAILABLE;
    match service {
        Service::S3 => {
            let code = if is_busy { "SlowDown" } else { "InternalError" };
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>An outage</Message></Error>"
            )
        }
        Service::Stream | Service::Lambda => {
            let code = if is_busy {
                "ServiceUnavailable"
            } else {
                "InternalFailure"
            };
            format!("{{\"__type\":\"{code}\",\"message\":\"An outage\"}}")
        }
    }
}
