//! An API Gateway request → entries on the stream → the answer in the request's own form.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamStatus};
use event_model::{Clock, Kind};
use lambda_http::http::{Method, Response, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, instrument, warn};

use crate::packing::Records;
use crate::producer::{self, Failure, Jitter, Outcome, Producer, Until};
use crate::request;
use crate::request::row::Rows;
use crate::response::{self, KAFKA_JSON, Problem, ProblemKind};
use crate::route::{self, Route, Wire};
use crate::wire;
use crate::{ApiKeys, Config};

/// Longest that a request may take, below the 30 s after which API Gateway gives up.
const LONGEST_REQUEST: Duration = Duration::from_secs(25);

/// Longest that an invocation may take (a Lambda limit).
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// Time left before Lambda's own deadline to render the answer.
const RENDERING_RESERVE: Duration = Duration::from_millis(500);

/// How long a description of the stream serves for the health.
const DESCRIBE_EVERY: Duration = Duration::from_secs(5);

/// Longest that a description of the stream is waited for.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The API in the words of OpenAPI 3.1.
const DESCRIPTION: &str = include_str!("../openapi.yaml");
/// What it says of the kinds; the tables of the model stand there when it is served.
const DESCRIBED_KINDS: &str = "enum: [geo, pin, user]";

/// The function: its client, its configuration, its clock and its source of jitter. Cheap to clone.
#[derive(Clone)]
pub struct App {
    kinesis: Client,
    producer: Producer,
    config: Config,
    clock: Clock,
    jitter: Jitter,
    /// None where the API is open.
    api_keys: Option<ApiKeys>,
    described: Arc<Mutex<Option<(Instant, Described)>>>,
}

type Described = Result<StreamDescriptionSummary, Problem>;

/// Outcome of one request, for the log line.
#[derive(Default)]
struct Counts {
    records: usize,
    accepted: usize,
}

impl App {
    /// Makes the function; `seed` is that of the pauses between tries.
    pub fn new(kinesis: Client, config: Config, clock: Clock, seed: u64) -> Self {
        Self {
            producer: Producer::new(&kinesis),
            kinesis,
            config,
            clock,
            jitter: Jitter::new(seed),
            api_keys: None,
            described: Arc::default(),
        }
    }

    /// Answers only requests that have one of the keys, but for the health and the description of the API.
    #[must_use]
    pub fn with_api_keys(mut self, api_keys: ApiKeys) -> Self {
        self.api_keys = Some(api_keys);
        self
    }

    /// Answers a request. A success is returned only for records that Kinesis has.
    #[instrument(skip_all)]
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let started = self.clock.unix_millis();
        let context = request.request_context_ref();
        let path = route::below_stage(raw_path(&request), context.and_then(stage));
        let request_id = request_id(&request);
        let route = route::find(request.method(), path, &self.config);
        let caller = self.caller(&request, &route).await;
        let key = caller.as_ref().ok().cloned().flatten();
        let found = caller.and(route);
        let (mut response, counts) = self.answer(&request, path, found, &request_id).await;
        info!(
            api_key.name = key.as_deref(),
            http.method = %request.method(),
            http.status = response.status().as_u16(),
            request.id = request_id,
            batch.records = counts.records,
            batch.accepted = counts.accepted,
            duration_ms = self.clock.unix_millis().saturating_sub(started),
            "Answered {} to {}: {} of {} records accepted",
            response.status().as_u16(),
            request.method(),
            counts.accepted,
            counts.records,
        );
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::Empty;
        }
        Ok(response)
    }

    /// Returns the name of the request's key where the route asks for one.
    async fn caller(
        &self,
        request: &Request,
        route: &Result<Route, Problem>,
    ) -> Result<Option<Arc<str>>, Problem> {
        let is_open = match route {
            // Whoever may ask the stream may post to it.
            Ok(Route::Health) => !is_deep(request),
            Ok(Route::Description) => true,
            _ => false,
        };
        let Some(api_keys) = self.api_keys.as_ref().filter(|_| !is_open) else {
            return Ok(None);
        };
        let name = api_keys.name_of(request.headers()).await;
        let detail = "Send one of the API's keys in the header `x-api-key`.";
        name.map(Some)
            .ok_or_else(|| Problem::new(ProblemKind::Unauthorized, detail))
    }

    async fn answer(
        &self,
        request: &Request,
        path: &str,
        route: Result<Route, Problem>,
        request_id: &str,
    ) -> (Response<Body>, Counts) {
        let refused =
            |problem: Problem, wire| (problem.response(wire, request_id), Counts::default());
        match route {
            Err(problem) => refused(problem, Wire::of_path(path)),
            Ok(Route::Description) => (response::yaml(self.description()), Counts::default()),
            Ok(Route::Health) => (self.health(request, request_id).await, Counts::default()),
            Ok(Route::Streams) => {
                let names =
                    json!({"HasMoreStreams": false, "StreamNames": [self.config.stream_name]});
                (response::json(StatusCode::OK, &names), Counts::default())
            }
            Ok(Route::Topics) => {
                let names = self.config.topics.examples(&self.config.model);
                let answer = response::with_type(StatusCode::OK, KAFKA_JSON, &names);
                (answer, Counts::default())
            }
            Ok(Route::Stream(name)) => match self.describe().await {
                Ok(summary) => (stream(&name, &summary), Counts::default()),
                Err(problem) => refused(problem, Wire::Native),
            },
            Ok(Route::Topic(name)) => match self.describe().await {
                Ok(summary) => (topic(&name, &summary), Counts::default()),
                Err(problem) => refused(problem, Wire::Kafka),
            },
            Ok(Route::Put(wire, kind)) => match self.put(request, wire, kind, request_id).await {
                Ok(answer) => answer,
                Err(problem) => refused(problem, wire),
            },
        }
    }

    /// Returns the API's description, with the tables that there are.
    fn description(&self) -> String {
        let kinds: Vec<_> = self
            .config
            .model
            .kinds()
            .map(|kind| kind.to_string())
            .collect();
        DESCRIPTION.replace(DESCRIBED_KINDS, &format!("enum: [{}]", kinds.join(", ")))
    }

    async fn put(
        &self,
        request: &Request,
        wire: Wire,
        kind: Option<Kind>,
        request_id: &str,
    ) -> Result<(Response<Body>, Counts), Problem> {
        let (now, left) = (Instant::now(), self.time_left(request));
        let until = Until {
            tries: now + left.min(self.config.patience),
            answers: now + left,
        };
        let media_type = request::media_type(wire, request.headers())?;
        let body = request::inflated(request.headers(), request.body())?;
        let model = &self.config.model;
        let rows = Rows {
            model,
            kind,
            partition_keys: self.config.packing.map(|packing| packing.partition_keys),
        };
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        let mut first_problem = None;
        for parsed in wire::entries(wire, rows, media_type, &body)? {
            places.push(match parsed {
                Ok(entry) => {
                    entries.push(entry);
                    None
                }
                Err(problem) => {
                    first_problem.get_or_insert_with(|| problem.clone());
                    Some(Failure::Invalid(problem.detail))
                }
            });
        }
        // Of a request without a row nothing can be stored: the first one's problem is the request's.
        if let (true, Some(problem)) = (entries.is_empty(), first_problem) {
            return Err(problem);
        }
        let records = match self.config.packing {
            // The old wire formats name a position of the stream for each record, and no two may have the same.
            Some(packing) if wire == Wire::Native => Records::packed(entries, packing),
            _ => Records::one_each(entries),
        };
        let put = producer::put(
            &self.producer,
            &self.config.stream_name,
            &records.entries,
            until,
            &self.jitter,
        );
        let mut tried = records.outcomes(&put.await).into_iter();
        let outcomes: Vec<Outcome> = places
            .into_iter()
            .map(|failure| match failure {
                Some(failure) => Err(failure),
                // There is an outcome for each entry.
                None => tried.next().unwrap_or(Err(Failure::Internal)),
            })
            .collect();
        let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let is_short = wire == Wire::Native
            && accepted == outcomes.len()
            && request::prefers_minimal(request.headers());
        let response = if is_short {
            wire::stored(accepted)
        } else {
            wire::answer(wire, &outcomes, request_id)
        };
        Ok((
            response,
            Counts {
                records: outcomes.len(),
                accepted,
            },
        ))
    }

    /// Returns how long the stream may be tried.
    fn time_left(&self, request: &Request) -> Duration {
        let of_lambda = request.lambda_context_ref().and_then(|context| {
            let now = Duration::from_millis(self.clock.unix_millis().unsigned_abs());
            let deadline = Duration::from_millis(context.deadline);
            // `cargo lambda watch` 1.9 gives every invocation a deadline ten minutes after 1970.
            let is_of_lambda = deadline + LONGEST_INVOCATION > now;
            is_of_lambda.then(|| {
                deadline
                    .saturating_sub(now)
                    .saturating_sub(RENDERING_RESERVE)
            })
        });
        of_lambda.map_or(LONGEST_REQUEST, |left| left.min(LONGEST_REQUEST))
    }

    async fn health(&self, request: &Request, request_id: &str) -> Response<Body> {
        let version = env!("CARGO_PKG_VERSION");
        if !is_deep(request) {
            return response::json(StatusCode::OK, &json!({"status": "ok", "version": version}));
        }
        if !self.config.deep_health {
            let detail = "The health's route is open to all, and says nothing of the stream; ask for /streams/<name> with your token.";
            return Problem::new(ProblemKind::Unauthorized, detail)
                .response(Wire::Native, request_id);
        }
        match self.described().await {
            Ok(summary) if is_usable(summary.stream_status()) => {
                let stream = json!({
                    "name": self.config.stream_name,
                    "status": summary.stream_status().as_str(),
                });
                let body = json!({"status": "ok", "version": version, "stream": stream});
                response::json(StatusCode::OK, &body)
            }
            Ok(summary) => {
                let status = summary.stream_status().as_str();
                let detail = format!("The stream is {status}: it takes no records.");
                let problem = Problem::new(ProblemKind::StreamUnavailable, detail);
                problem.response(Wire::Native, request_id)
            }
            Err(problem) => problem.response(Wire::Native, request_id),
        }
    }

    /// Returns what the stream was found to be within the last seconds: Kinesis describes it 20 times a second for an account, and the
    /// daily run asks as well.
    async fn described(&self) -> Result<StreamDescriptionSummary, Problem> {
        let mut last = self.described.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < DESCRIBE_EVERY
        {
            return found.clone();
        }
        let found = self.describe().await;
        *last = Some((Instant::now(), found.clone()));
        found
    }

    async fn describe(&self) -> Result<StreamDescriptionSummary, Problem> {
        let describe = self
            .kinesis
            .describe_stream_summary()
            .stream_name(&self.config.stream_name)
            .send();
        let reason = match timeout(DESCRIBE_TIMEOUT, describe).await {
            Ok(Ok(output)) => match output.stream_description_summary {
                Some(summary) => return Ok(summary),
                None => "the answer has no description".to_owned(),
            },
            Ok(Err(error)) => DisplayErrorContext(error).to_string(),
            Err(_) => format!("no answer in {} ms", DESCRIBE_TIMEOUT.as_millis()),
        };
        warn!(error = reason, "Could not describe the stream");
        Err(Problem::new(
            ProblemKind::StreamUnavailable,
            "The stream cannot be reached.",
        ))
    }
}

/// Tells whether a request for the health asks about the stream as well.
fn is_deep(request: &Request) -> bool {
    let query = request.query_string_parameters_ref();
    let deep = query.and_then(|query| query.first("deep"));
    deep.is_some_and(|deep| deep == "1")
}

/// Tells whether a stream takes records.
fn is_usable(status: &StreamStatus) -> bool {
    matches!(status, StreamStatus::Active | StreamStatus::Updating)
}

/// Returns Kinesis' own answer to `DescribeStreamSummary`, as far as the names and numbers go.
fn stream(name: &str, summary: &StreamDescriptionSummary) -> Response<Body> {
    let created = summary.stream_creation_timestamp().as_secs_f64();
    let body = json!({"StreamDescriptionSummary": {
        "StreamName": name,
        "StreamARN": summary.stream_arn(),
        "StreamStatus": summary.stream_status().as_str(),
        "StreamCreationTimestamp": created,
        "RetentionPeriodHours": summary.retention_period_hours(),
        "OpenShardCount": summary.open_shard_count(),
        "EnhancedMonitoring": [],
    }});
    response::json(StatusCode::OK, &body)
}

/// Returns a topic as Kafka REST v2 does: a shard of the stream is a partition.
fn topic(name: &str, summary: &StreamDescriptionSummary) -> Response<Body> {
    let partitions: Vec<_> = (0..summary.open_shard_count())
        .map(|partition| json!({"partition": partition, "leader": 0, "replicas": []}))
        .collect();
    let body = json!({"name": name, "configs": {}, "partitions": partitions});
    response::with_type(StatusCode::OK, KAFKA_JSON, &body)
}

fn raw_path(request: &Request) -> &str {
    match request.raw_http_path() {
        "" => request.uri().path(),
        path => path,
    }
}

fn stage(context: &RequestContext) -> Option<&str> {
    match context {
        RequestContext::ApiGatewayV1(context) => context.stage.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.stage.as_deref(),
        _ => None,
    }
}

/// Returns the id by which API Gateway's access log knows the request, else Lambda's.
fn request_id(request: &Request) -> String {
    let of_gateway = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.clone(),
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    let of_lambda = || {
        request
            .lambda_context_ref()
            .map(|context| context.request_id.clone())
    };
    of_gateway.or_else(of_lambda).unwrap_or_default()
}

#[cfg(test)]
mod tests;
