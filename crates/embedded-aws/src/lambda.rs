//! Lambda, as far as a function starts a function: `Invoke`, which waits, or queues the event and tries it up to three times.
//!
//! Sources: [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html),
//! [asynchronous invocation](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). Each try of an event has the
//! request id of the first one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use tokio::time::sleep;
use tracing::warn;
use uuid::Uuid;

use crate::destination::write_message;

/// What Lambda's paths begin with.
pub(crate) const PATH: &str = "/2015-03-31/functions/";
/// Retries of an event, and the pauses before them (Lambda's defaults).
const PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// An event that a function is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The same for each try of one event.
    pub request_id: String,
    /// The event, as JSON.
    pub event: String,
}

type Answer = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
type Handler = dyn Fn(Invocation) -> Answer + Send + Sync;

/// The functions by name. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lambda {
    functions: Arc<Mutex<HashMap<String, Arc<Handler>>>>,
    /// Part of a real pause that a retry waits for.
    pause_scale: f64,
    /// Folder of the messages about events that were given up.
    dead_letters: PathBuf,
}

impl Lambda {
    pub(crate) fn new(pause_scale: f64, dead_letters: PathBuf) -> Self {
        Self {
            functions: Arc::default(),
            pause_scale,
            dead_letters,
        }
    }

    pub(crate) fn add<A>(
        &self,
        name: impl Into<String>,
        handler: impl Fn(Invocation) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Result<String, String>> + Send + 'static,
    {
        let handler: Arc<Handler> =
            Arc::new(move |invocation| Box::pin(handler(invocation)) as Answer);
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), handler);
    }

    /// Answers a call.
    pub(crate) async fn call(
        &self,
        path: &str,
        headers: &HeaderMap,
        event: Bytes,
    ) -> Response<Bytes> {
        let name = path
            .strip_prefix(PATH)
            .and_then(|path| path.strip_suffix("/invocations"));
        let handler = name.and_then(|name| {
            let functions = self
                .functions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            functions.get(name).cloned()
        });
        let Some(handler) = handler else {
            let message = format!("Function not found: {}", name.unwrap_or(path));
            let body = json!({"Type": "User", "Message": message});
            return respond(StatusCode::NOT_FOUND, body.to_string());
        };
        let Ok(event) = String::from_utf8(event.to_vec()) else {
            let body = json!({"Type": "User", "Message": "The event is no UTF-8"});
            return respond(StatusCode::BAD_REQUEST, body.to_string());
        };
        let invocation = Invocation {
            request_id: Uuid::new_v4().to_string(),
            event,
        };
        let kind = headers
            .get("x-amz-invocation-type")
            .map(HeaderValue::as_bytes);
        if kind == Some(b"Event") {
            let lambda = self.clone();
            tokio::spawn(async move { lambda.run(&*handler, invocation).await });
            return respond(StatusCode::ACCEPTED, String::new());
        }
        match handler(invocation).await {
            Ok(answer) => respond(StatusCode::OK, answer),
            Err(error) => {
                let body = json!({"errorMessage": error});
                let mut response = respond(StatusCode::OK, body.to_string());
                let failed = HeaderValue::from_static("Unhandled");
                response
                    .headers_mut()
                    .insert("x-amz-function-error", failed);
                response
            }
        }
    }

    /// Runs an event until it succeeds, or is given up.
    async fn run(&self, handler: &Handler, invocation: Invocation) {
        let mut pauses = PAUSES.into_iter();
        loop {
            let Err(error) = handler(invocation.clone()).await else {
                return;
            };
            warn!(
                request_id = invocation.request_id,
                error, "The function failed"
            );
            match pauses.next() {
                Some(pause) => sleep(pause.mul_f64(self.pause_scale)).await,
                None => return self.give_up(&invocation, &error),
            }
        }
    }

    fn give_up(&self, invocation: &Invocation, error: &str) {
        let message = json!({
            "version": "1.0",
            "requestContext": {
                "requestId": invocation.request_id,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": PAUSES.len() + 1,
            },
            "requestPayload": serde_json::from_str(&invocation.event).unwrap_or(json!(invocation.event)),
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": error},
        });
        let name = &invocation.request_id;
        if let Err(error) = write_message(&self.dead_letters, name, &message.to_string()) {
            warn!(%error, "The queue of dead letters cannot be written to");
        }
    }
}

fn respond(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
}
