//! The stack's own page: what has become of the rows, the last objects, how to post. It is beside the API, at paths that
//! the API does not use, and is no part of the function.

mod objects;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use event_model::Kind;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use tokio::sync::watch;
use tracing::error;

use self::objects::newest;
use self::status::Status;
use crate::api_gateway::gateway_error;
use crate::kinesis::store::StreamState;
use crate::totals::LiveTotals;

const INDEX: &str = include_str!("page/index.html");

/// Nothing but the page itself and the status of this server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Most objects that the page lists.
const LISTED_OBJECTS: usize = 20;

/// What the page shows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Page {
    stage: String,
    stream_name: String,
    bucket: String,
    /// Whether the API asks for a key.
    needs_key: bool,
    /// Folder of the bucket's objects.
    folder: Arc<PathBuf>,
    totals: LiveTotals,
    stream: watch::Receiver<StreamState>,
    /// Records that were on the stream when the stack started.
    records_at_start: u64,
    /// The kinds of rows, in the order in which they are shown.
    kinds: Arc<[Kind]>,
    /// Path of the file with the secret key, which its owner alone can read.
    secret_file: Arc<str>,
}

/// Path of the API at which the stack names the file with its secret key.
pub const SECRET_FILE_PATH: &str = "/_local/secret-file";

impl Page {
    pub(crate) fn new(
        config: &crate::StackConfig,
        totals: LiveTotals,
        stream: watch::Receiver<StreamState>,
        secret_file: &Path,
    ) -> Self {
        let secret_file =
            std::path::absolute(secret_file).unwrap_or_else(|_| secret_file.to_owned());
        let records_at_start = stream.borrow().records();
        Self {
            stage: config.stage.clone(),
            stream_name: config.stream.clone(),
            bucket: config.bucket.clone(),
            needs_key: config.api_keys.is_some(),
            folder: Arc::new(config.out.join(&config.bucket)),
            totals,
            stream,
            records_at_start,
            kinds: config.model.kinds().collect(),
            secret_file: secret_file.to_string_lossy().into(),
        }
    }

    /// Returns whether a path is the page's.
    pub(crate) fn has(path: &str) -> bool {
        path == "/" || path.starts_with("/_local/")
    }

    /// Answers a request for one of the page's paths.
    pub(crate) async fn answer(&self, method: &Method, path: &str) -> Response<Bytes> {
        let is_index = path == "/";
        if !is_index && !["/_local/status.json", SECRET_FILE_PATH].contains(&path) {
            return gateway_error(StatusCode::NOT_FOUND, "Not Found");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut refused = gateway_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        if is_index {
            let mut page = answer("text/html; charset=utf-8", INDEX.into());
            page.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
            return page;
        }
        if path == SECRET_FILE_PATH {
            return answer(
                "text/plain; charset=utf-8",
                self.secret_file.to_string().into(),
            );
        }
        // Listing a folder and asking for its files blocks.
        let page = self.clone();
        let status = tokio::task::spawn_blocking(move || serde_json::to_vec(&page.status()));
        match status.await {
            Ok(Ok(body)) => answer("application/json", body.into()),
            failure => {
                error!(?failure, "The page's status could not be made");
                gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }

    fn status(&self) -> Status {
        let records = self.stream.borrow().records();
        Status::new(
            self,
            records,
            &self.totals.now(),
            newest(&self.folder, LISTED_OBJECTS),
        )
    }
}

fn answer(content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
