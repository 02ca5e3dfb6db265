//! An invocation's payload as bytes. The runtime reads a payload by serde and checks all of it, which for an event of 6 MB takes as long as
//! cleaning its rows; here it is taken aside before, and read once.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};

/// What the runtime is given to read instead.
const NOTHING: &[u8] = b"null";

/// Takes the payload of each invocation aside. It is for a runtime that handles one invocation at a time. Clones share the payload.
#[derive(Clone, Debug, Default)]
pub struct Payload(Arc<Mutex<Bytes>>);

impl Payload {
    /// Returns the payload of the invocation that is handled, which is then gone.
    pub fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Layer<S> for Payload {
    type Service = TakesPayload<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TakesPayload {
            inner,
            payload: self.clone(),
        }
    }
}

/// A service whose invocations come without their payload.
#[derive(Clone, Debug)]
pub struct TakesPayload<S> {
    inner: S,
    payload: Payload,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for TakesPayload<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> S::Future {
        let body = std::mem::replace(&mut invocation.body, Bytes::from_static(NOTHING));
        *self
            .payload
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = body;
        self.inner.call(invocation)
    }
}
