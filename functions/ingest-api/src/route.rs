//! A request's path and method → what is asked.

use std::borrow::Cow;

use event_model::Kind;
use lambda_http::http::Method;
use model::Model;
use percent_encoding::percent_decode_str;

use crate::Config;
use crate::response::{Problem, ProblemKind, quoted};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Whether the function, and if asked the stream, is well.
    Health,
    /// The names of the streams.
    Streams,
    /// What the stream of this name is.
    Stream(String),
    /// The names of the topics.
    Topics,
    /// What the topic of this name is.
    Topic(String),
    /// What the API is, in the words of OpenAPI.
    Description,
    /// To put records on the stream; the path may declare their kind.
    Put(Wire, Option<Kind>),
}

/// How the records are written in the body, and what the answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// One record of the Kinesis proxy.
    KinesisRecord,
    /// Several records of the Kinesis proxy.
    KinesisRecords,
    /// Kafka REST v2.
    Kafka,
    /// The project's own.
    Native,
}

impl Wire {
    /// Returns the form that errors have under a path, whether or not the path is known.
    pub(crate) fn of_path(path: &str) -> Self {
        if path == "/topics" || path.starts_with("/topics/") {
            Self::Kafka
        } else {
            Self::Native
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Record,
    Records,
    Streams,
    Stream,
    Topics,
    Topic,
    PostTopic,
    Events,
    Health,
    Description,
}

/// Every path and method; HEAD is answered wherever GET is. `openapi.yaml` describes the same.
const ROUTES: [(Method, &str, Endpoint); 10] = [
    (Method::PUT, "/streams/{stream}/record", Endpoint::Record),
    (Method::PUT, "/streams/{stream}/records", Endpoint::Records),
    (Method::GET, "/streams", Endpoint::Streams),
    (Method::GET, "/streams/{stream}", Endpoint::Stream),
    (Method::GET, "/topics", Endpoint::Topics),
    (Method::GET, "/topics/{topic}", Endpoint::Topic),
    (Method::POST, "/topics/{topic}", Endpoint::PostTopic),
    (Method::POST, "/events/{kind}", Endpoint::Events),
    (Method::GET, "/health", Endpoint::Health),
    (Method::GET, "/openapi.yaml", Endpoint::Description),
];

/// Returns the path below the stage. API Gateway puts the stage's name in front, unless it is `$default`.
pub(crate) fn below_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .map_or(path, |rest| if rest.is_empty() { "/" } else { rest })
}

/// Returns what the path and the method ask for.
pub(crate) fn find(method: &Method, path: &str, config: &Config) -> Result<Route, Problem> {
    // A trailing slash changes nothing.
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let decoded: Vec<Cow<'_, str>> = trimmed
        .trim_start_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect();
    let segments: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    let found: Vec<_> = ROUTES
        .iter()
        .filter_map(|(method, template, endpoint)| {
            Some((method, endpoint, matched(template, &segments)?))
        })
        .collect();
    if found.is_empty() {
        return Err(unknown_path(path, &segments, &config.model));
    }
    let asked = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let Some((_, endpoint, name)) = found.iter().find(|(allowed, ..)| *allowed == asked) else {
        let mut allowed: Vec<_> = found.iter().map(|(method, ..)| (*method).clone()).collect();
        if allowed.contains(&Method::GET) {
            allowed.push(Method::HEAD);
        }
        return Err(Problem::method_not_allowed(method, allowed));
    };
    match endpoint {
        Endpoint::Record => put_stream(Wire::KinesisRecord, name, config),
        Endpoint::Records => put_stream(Wire::KinesisRecords, name, config),
        Endpoint::PostTopic => {
            check_topic(name, config)?;
            Ok(Route::Put(Wire::Kafka, config.model.labelled(name)))
        }
        Endpoint::Events => put_events(name, &config.model),
        Endpoint::Streams => Ok(Route::Streams),
        Endpoint::Stream => {
            check_stream(name, config)?;
            Ok(Route::Stream((*name).to_owned()))
        }
        Endpoint::Topics => Ok(Route::Topics),
        Endpoint::Topic => {
            check_topic(name, config)?;
            Ok(Route::Topic((*name).to_owned()))
        }
        Endpoint::Health => Ok(Route::Health),
        Endpoint::Description => Ok(Route::Description),
    }
}

/// Returns the name at the place in braces, or nothing at all for a template without one.
fn matched<'a>(template: &str, segments: &[&'a str]) -> Option<&'a str> {
    let levels = || template.trim_start_matches('/').split('/');
    let is_name = |level: &str| level.starts_with('{');
    let is_match = levels().count() == segments.len()
        && levels()
            .zip(segments)
            .all(|(level, segment)| is_name(level) && !segment.is_empty() || level == *segment);
    let name = levels()
        .position(is_name)
        .and_then(|place| segments.get(place));
    is_match.then(|| name.copied().unwrap_or_default())
}

fn put_stream(wire: Wire, stream: &str, config: &Config) -> Result<Route, Problem> {
    check_stream(stream, config)?;
    Ok(Route::Put(wire, config.model.labelled(stream)))
}

fn check_stream(stream: &str, config: &Config) -> Result<(), Problem> {
    let detail = if !is_name(stream, STREAM_NAME_MAX_CHARS) {
        format!(
            "Kinesis allows no stream {}: a name is 1 to {STREAM_NAME_MAX_CHARS} of `A-Z a-z 0-9 . _ -`.",
            quoted(stream)
        )
    } else if config.streams.allow(stream) {
        return Ok(());
    } else {
        format!(
            "There is no stream {}; GET /streams lists those there are.",
            quoted(stream)
        )
    };
    Err(Problem::new(ProblemKind::UnknownStream, detail))
}

fn check_topic(topic: &str, config: &Config) -> Result<(), Problem> {
    let detail = if !is_name(topic, TOPIC_NAME_MAX_CHARS) || [".", ".."].contains(&topic) {
        format!(
            "Kafka allows no topic {}: a name is 1 to {TOPIC_NAME_MAX_CHARS} of `A-Z a-z 0-9 . _ -`.",
            quoted(topic)
        )
    } else if config.topics.allow(topic) {
        return Ok(());
    } else {
        format!("There is no topic {}.", quoted(topic))
    };
    Err(Problem::new(ProblemKind::UnknownTopic, detail))
}

/// Longest name of a topic (Kafka, `org.apache.kafka.common.internals.Topic`).
const TOPIC_NAME_MAX_CHARS: usize = 249;
/// Longest name of a stream (Kinesis, `CreateStream`).
const STREAM_NAME_MAX_CHARS: usize = 128;

/// Returns whether Kafka and Kinesis allow the letters of a name.
fn is_name(name: &str, most: usize) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=most).contains(&name.len()) && name.bytes().all(is_letter)
}

fn put_events(kind: &str, model: &Model) -> Result<Route, Problem> {
    let found = model.named(kind).ok_or_else(|| {
        let detail = format!(
            "There is no kind {}; a kind is {}.",
            quoted(kind),
            model.names()
        );
        Problem::new(ProblemKind::UnknownPath, detail)
    })?;
    Ok(Route::Put(Wire::Native, Some(found.kind)))
}

fn unknown_path(path: &str, segments: &[&str], model: &Model) -> Problem {
    let nearest = nearest(segments, model).map_or_else(
        || format!("The routes are {}.", routes().join(", ")),
        |route| format!("Did you mean {route}?"),
    );
    let detail = format!("There is nothing at {}. {nearest}", quoted(path));
    Problem::new(ProblemKind::UnknownPath, detail)
}

fn routes() -> Vec<String> {
    let route = |(method, path, _): &(Method, &str, Endpoint)| format!("{method} {path}");
    ROUTES.iter().map(route).collect()
}

/// Returns the right form of the path that was probably meant: other letters, a slash too many, Kinesis's own verbs.
fn nearest(segments: &[&str], model: &Model) -> Option<&'static str> {
    let lower: Vec<String> = segments
        .iter()
        .filter(|segment| !segment.is_empty())
        .map(|segment| segment.to_ascii_lowercase())
        .collect();
    let first = lower.first()?.trim_end_matches('s');
    let last = lower.last()?;
    let is_many = ["records", "putrecords"].contains(&last.as_str());
    match (first, lower.len()) {
        ("stream", 1) => Some("GET /streams"),
        ("stream", _) | ("putrecord", 1 | 2) if is_many => Some("PUT /streams/{stream}/records"),
        ("stream", _) | ("putrecord", 1 | 2) => Some("PUT /streams/{stream}/record"),
        ("topic", _) => Some("POST /topics/{topic}"),
        ("event", _) => Some("POST /events/{kind}"),
        ("health" | "healthz" | "ping", _) => Some("GET /health"),
        ("openapi" | "openapi.json" | "openapi.yml" | "openapi.yaml" | "swagger.json", _) => {
            Some("GET /openapi.yaml")
        }
        _ => model.labelled(first).map(|_| "POST /events/{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(method: &Method, path: &str) -> String {
        let mut config = Config::new("events", Model::load_from(None).unwrap());
        config.topics = crate::config::Patterns::parse("*.pin").unwrap();
        find(method, path, &config).unwrap_err().detail
    }

    #[test]
    fn a_path_tells_the_wire_format_and_the_kind() {
        let config = Config::new("events", Model::load_from(None).unwrap());
        for (method, path, route) in [
            (
                Method::PUT,
                "/streams/streaming-abc-pin/record",
                Route::Put(Wire::KinesisRecord, Some(Kind::named("pin"))),
            ),
            (
                Method::PUT,
                "/streams/Kinesis-Prod-Stream/records",
                Route::Put(Wire::KinesisRecords, None),
            ),
            (
                Method::POST,
                "/topics/abc.geo",
                Route::Put(Wire::Kafka, Some(Kind::named("geo"))),
            ),
            (
                Method::POST,
                "/topics/abc%2Egeo",
                Route::Put(Wire::Kafka, Some(Kind::named("geo"))),
            ),
            (
                Method::POST,
                "/events/user",
                Route::Put(Wire::Native, Some(Kind::named("user"))),
            ),
            (
                Method::POST,
                "/topics/abc.geo/",
                Route::Put(Wire::Kafka, Some(Kind::named("geo"))),
            ),
            (
                Method::GET,
                "/topics/abc.geo",
                Route::Topic("abc.geo".to_owned()),
            ),
            (Method::GET, "/topics/", Route::Topics),
            (Method::GET, "/streams", Route::Streams),
            (Method::GET, "/streams/abc", Route::Stream("abc".to_owned())),
            (Method::HEAD, "/health", Route::Health),
            (Method::GET, "/health", Route::Health),
            (Method::GET, "/openapi.yaml", Route::Description),
        ] {
            assert_eq!(find(&method, path, &config).unwrap(), route, "{path}");
        }
    }

    #[test]
    fn the_nearest_right_form_is_told() {
        for (path, form) in [
            ("/streams/abc/PutRecord", "PUT /streams/{stream}/record?"),
            ("/streams/abc/PutRecords", "PUT /streams/{stream}/records?"),
            ("/stream/abc/record", "PUT /streams/{stream}/record?"),
            ("/PutRecord", "PUT /streams/{stream}/record?"),
            ("/Streams", "GET /streams?"),
            ("/Topic/abc.pin", "POST /topics/{topic}?"),
            ("/pin", "POST /events/{kind}?"),
            ("/events//", "POST /events/{kind}?"),
            ("/streams//record", "PUT /streams/{stream}/record?"),
            ("/openapi.json", "GET /openapi.yaml?"),
            ("/", &routes().join(", ")),
        ] {
            let detail = detail(&Method::PUT, path);
            assert!(detail.contains(form), "{path}: {detail}");
        }
    }

    /// A light reading of the YAML: paths are two spaces deep under `paths:`, methods four.
    #[test]
    fn the_description_has_the_routes_and_no_others() {
        let description = include_str!("../openapi.yaml");
        let paths = description.split_once("\npaths:\n").unwrap().1;
        let paths = paths.split_once("\ncomponents:\n").unwrap().0;
        let (mut path, mut described) = ("", Vec::new());
        for line in paths.lines() {
            let depth = line.len() - line.trim_start().len();
            let name = line.trim().split(':').next().unwrap();
            match depth {
                2 => path = name,
                4 if name != "parameters" => {
                    described.push(format!("{} {path}", name.to_ascii_uppercase()));
                }
                _ => {}
            }
        }
        assert_eq!(described, routes());
    }

    #[test]
    fn a_name_that_kafka_or_kinesis_forbids_is_unknown_with_the_rule() {
        let config = Config::new("events", Model::load_from(None).unwrap());
        let long = |length: usize| "a".repeat(length);
        for (path, is_known) in [
            ("/topics/..%2F..%2Fpin".to_owned(), false),
            ("/topics/a%00.pin".to_owned(), false),
            ("/topics/%ff.pin".to_owned(), false),
            ("/topics/a%20b.pin".to_owned(), false),
            ("/topics/%C3%A9.pin".to_owned(), false),
            ("/topics/..".to_owned(), false),
            (format!("/topics/{}", long(249)), true),
            (format!("/topics/{}", long(250)), false),
            ("/topics/A_b-c.9".to_owned(), true),
            (format!("/streams/{}", long(128)), true),
            (format!("/streams/{}", long(129)), false),
            ("/streams/a%2Fb".to_owned(), false),
        ] {
            let found = find(&Method::GET, &path, &config);
            assert_eq!(found.is_ok(), is_known, "{path}");
            if let Err(problem) = found {
                assert!(
                    problem.detail.contains("`A-Z a-z 0-9 . _ -`"),
                    "{}",
                    problem.detail
                );
            }
        }
    }

    #[test]
    fn a_name_outside_the_patterns_is_unknown() {
        assert_eq!(
            detail(&Method::POST, "/topics/abc.geo"),
            "There is no topic `abc.geo`."
        );
        assert_eq!(
            detail(&Method::POST, "/events/pins"),
            "There is no kind `pins`; a kind is geo, pin or user."
        );
    }

    #[test]
    fn the_stage_is_taken_off_once() {
        for (path, stage, rest) in [
            ("/Dev/topics/abc.pin", Some("Dev"), "/topics/abc.pin"),
            ("/topics/abc.pin", Some("$default"), "/topics/abc.pin"),
            ("/Developer/topics", Some("Dev"), "/Developer/topics"),
            ("/Dev", Some("Dev"), "/"),
            ("/health", None, "/health"),
        ] {
            assert_eq!(below_stage(path, stage), rest, "{path}");
        }
    }
}
