//! One port: decides whether a request is for Kinesis or CloudWatch, for S3, for the page or for the API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_model::limits::HTTP_API_MAX_BYTES;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::Body;
use s3s::service::S3Service;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::api_gateway::{ApiGateway, gateway_error, is_announced_too_large};
use crate::cloudwatch::{self, CloudWatch};
use crate::faults::{Call, Fault, Faults, Service, error_body};
use crate::kinesis::api::Kinesis;
use crate::lambda::{self, Lambda};
use crate::page::Page;
use crate::visitor;

/// Most bytes of a request's line and headers; API Gateway takes 10,240 bytes of headers (an HTTP API limit).
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What the SDKs of Java send to Kinesis unasked.
const CBOR: &str = "application/x-amz-cbor-1.1";
const NO_CBOR: &str = "The body is CBOR, and this stack reads JSON: set the SDK's switch AWS_CBOR_DISABLE=true, or \
                       -Dcom.amazonaws.sdk.disableCbor=true (version 2: -Daws.cborEnabled=false).";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Kinesis or CloudWatch.
    Service,
    S3,
    Lambda,
    Page,
    Api,
}

/// An outage closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("an outage")]
struct OutageError;

/// Returns what a request asks of a service that can be out of order.
fn call(target: Target, request: &Request<Incoming>) -> Option<Call> {
    let service = match target {
        Target::Service => Service::Stream,
        Target::S3 => Service::S3,
        Target::Lambda => Service::Lambda,
        Target::Page | Target::Api => return None,
    };
    let operation = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'));
    let target = match operation {
        Some((_, operation)) if service == Service::Stream => operation,
        _ => request.uri().path(),
    };
    Some(Call {
        service,
        method: request.method().clone(),
        target: target.to_owned(),
    })
}

fn outage(service: Service, status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(error_body(service, status)));
    *response.status_mut() = status;
    response
}

/// The services behind the port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) api_gateway: ApiGateway,
    pub(crate) kinesis: Kinesis,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) s3: S3Service,
    pub(crate) lambda: Lambda,
    pub(crate) faults: Faults,
    pub(crate) page: Page,
    /// Name of the bucket, by which unsigned requests for objects are recognised.
    pub(crate) bucket: String,
    /// Port of the stack.
    pub(crate) port: u16,
    /// Longest that a client may take to send its headers, and again for its body.
    pub(crate) client_timeout: Duration,
}

/// Serves until `stop` is cancelled, then until every request that was begun is answered.
pub(crate) async fn serve(listener: TcpListener, services: Services, stop: CancellationToken) {
    let services = Arc::new(services);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    // Small answers to small requests: waiting for more to send only costs time.
                    let _ = socket.set_nodelay(true);
                    connections.spawn(connection(TokioIo::new(socket), Arc::clone(&services), stop.clone()));
                }
                Err(error) => {
                    warn!(%error, "Could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    socket: TokioIo<tokio::net::TcpStream>,
    services: Arc<Services>,
    stop: CancellationToken,
) {
    let client_timeout = services.client_timeout;
    let service = service_fn(move |request| {
        let services = Arc::clone(&services);
        async move { services.answer(request).await }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(client_timeout);
    let mut connection = std::pin::pin!(builder.serve_connection(socket, service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "A connection ended early");
    }
}

impl Services {
    /// Answers a request; an error closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, OutageError> {
        if let Err(reason) = visitor::check(request.uri(), request.headers(), self.port) {
            return Ok(gateway_error(StatusCode::FORBIDDEN, reason).map(Body::from));
        }
        let target = self.target(request.method(), request.uri(), request.headers());
        let call = call(target, &request);
        let fault = call.as_ref().and_then(|call| self.faults.of(call));
        let (Some(call), Some(fault)) = (call, fault) else {
            return Ok(self.answer_of(target, request).await);
        };
        match fault {
            Fault::Status(status) => Ok(outage(call.service, status)),
            Fault::Reset => Err(OutageError),
            Fault::DoneButStatus(status) => {
                self.answer_of(target, request).await;
                Ok(outage(call.service, status))
            }
            Fault::DoneButReset => {
                self.answer_of(target, request).await;
                Err(OutageError)
            }
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(self.answer_of(target, request).await)
            }
        }
    }

    async fn answer_of(&self, target: Target, request: Request<Incoming>) -> Response<Body> {
        match target {
            Target::S3 => match self.s3.call(request.map(Body::from)).await {
                Ok(response) => response,
                Err(error) => {
                    warn!(?error, "S3 could not answer");
                    gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
                        .map(Body::from)
                }
            },
            Target::Page => {
                let path = request.uri().path();
                self.page
                    .answer(request.method(), path)
                    .await
                    .map(Body::from)
            }
            target => self.answer_small(target, request).await.map(Body::from),
        }
    }

    /// Answers a request whose body is read whole, up to the limit of an HTTP API.
    async fn answer_small(&self, target: Target, request: Request<Incoming>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let too_large = || gateway_error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        // Kinesis takes 10 MiB of data, which is more in base64.
        let limit = if target == Target::Service {
            2 * HTTP_API_MAX_BYTES
        } else {
            HTTP_API_MAX_BYTES
        };
        if target == Target::Api && is_announced_too_large(&parts.headers) {
            return too_large();
        }
        let body = Limited::new(body, limit).collect();
        let Ok(body) = timeout(self.client_timeout, body).await else {
            return gateway_error(StatusCode::REQUEST_TIMEOUT, "Request Timeout");
        };
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return too_large(),
            Err(_) => return gateway_error(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        if target == Target::Api {
            return self.api_gateway.answer(&parts, &body).await;
        }
        if target == Target::Lambda {
            let path = parts.uri.path();
            return self.lambda.call(path, &parts.headers, body).await;
        }
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let is_cbor = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == CBOR);
        let (status, body) = if is_cbor {
            let body = json!({"__type": "SerializationException", "message": NO_CBOR});
            (StatusCode::BAD_REQUEST, body.to_string())
        } else if target.starts_with(cloudwatch::TARGET) {
            self.cloudwatch.call(target, &body)
        } else {
            self.kinesis.call(target, &body).await
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        response
    }

    fn target(&self, method: &Method, uri: &http::Uri, headers: &HeaderMap) -> Target {
        let service = headers.get("x-amz-target").map(HeaderValue::as_bytes);
        let is_service = service.is_some_and(|target| {
            target.starts_with(b"Kinesis_") || target.starts_with(cloudwatch::TARGET.as_bytes())
        });
        if is_service && method == Method::POST {
            return Target::Service;
        }
        let scope = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let query = uri.query().unwrap_or_default();
        let is_signed_for_s3 = scope.contains("/s3/aws4_request")
            || (query.contains("X-Amz-Credential=") && query.contains("s3%2Faws4_request"));
        let is_in_bucket =
            uri.path().trim_start_matches('/').split('/').next() == Some(self.bucket.as_str());
        let is_invocation = method == Method::POST && uri.path().starts_with(lambda::PATH);
        if is_invocation && scope.contains("/lambda/aws4_request") {
            Target::Lambda
        } else if is_signed_for_s3 || is_in_bucket {
            Target::S3
        } else if Page::has(uri.path()) {
            Target::Page
        } else {
            Target::Api
        }
    }
}
