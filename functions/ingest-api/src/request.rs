//! What the bodies of all wire formats have in common: media type, size, JSON and its members.

pub(crate) mod row;

use std::borrow::Cow;
use std::io::Read as _;

use event_model::PartitionKey;
use flate2::read::MultiGzDecoder;
use json_reader::{Elements, Members, SyntaxError, Value, without_byte_order_mark};
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use crate::response::{Problem, ProblemKind, quoted};
use crate::route::Wire;

/// Most bytes of a body: 5 MiB, on every route. Within the invocation's JSON, escaped or in base64, it must stay below
/// Lambda's 6 MB.
const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Longest spelling of a number: the exact decimal value of any double fits.
const MAX_NUMBER_BYTES: usize = 1100;

/// A row, or a record of several, on its way to the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: PartitionKey,
    /// The row's JSON, or that of several rows.
    pub(crate) data: Cow<'a, [u8]>,
}

impl Entry<'_> {
    /// Returns the bytes that count against the limits of Kinesis.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.key.as_str().len()
    }
}

/// A record of a request: a row for the stream, or why it is none. One odd record costs no other.
pub(crate) type Parsed<'a> = Result<Entry<'a>, Problem>;

/// Returns whether a client wants to hear of failures alone (`Prefer: return=minimal`, RFC 7240).
pub(crate) fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").into_iter();
    let mut preferences = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    preferences.any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let Some((name, value)) = preference.split_once('=') else {
            return false;
        };
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("return") && value.eq_ignore_ascii_case("minimal")
    })
}

/// Returns the bytes of a body, inflated where it is compressed.
pub(crate) fn inflated<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Problem> {
    let encoding = header(headers, CONTENT_ENCODING).unwrap_or_default();
    let encoding = encoding.trim().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "" | "identity" => Cow::Borrowed(body),
        "gzip" | "x-gzip" => Cow::Owned(gunzip(body)?),
        _ => {
            let detail = format!(
                "The body is encoded as {}; send it as it is, or as gzip.",
                quoted(&encoding)
            );
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
        }
    };
    if bytes.len() > MAX_BODY_BYTES {
        let detail = format!(
            "The body has {} bytes; send at most {MAX_BODY_BYTES}.",
            bytes.len()
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(bytes)
}

/// How gzip starts once its second byte, which is no UTF-8, was replaced by U+FFFD.
const GZIP_AS_TEXT: &[u8] = b"\x1f\xef\xbf\xbd";

/// Inflates all members of a gzip body, up to the limit of a body.
fn gunzip(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let limit = MAX_BODY_BYTES as u64 + 1;
    MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            let detail = if body.starts_with(GZIP_AS_TEXT) {
                "The body was gzip, and something in front of this function took it for text: send it with a content type \
                 that is not text, such as application/vnd.kafka.json.v2+json, application/x-amz-json-1.1 or \
                 application/vnd.pinflow.rows+json."
                    .to_owned()
            } else {
                format!("The body is not gzip, is cut off, or has other bytes behind it: {error}.")
            };
            Problem::new(ProblemKind::NotGzip, detail)
        })?;
    if bytes.len() > MAX_BODY_BYTES {
        let detail =
            format!("The body inflates to more than {MAX_BODY_BYTES} bytes; send less at once.");
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(bytes)
}

/// Returns a body as text, without the byte order mark that some clients put in front.
pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = str::from_utf8(body).map_err(|error| {
        let detail = format!(
            "The body is not UTF-8 from byte {} on.",
            error.valid_up_to()
        );
        Problem::new(ProblemKind::NotJson, detail)
    })?;
    Ok(without_byte_order_mark(text))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// Media type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    Json,
    NdJson,
}

/// Returns the body's media type; JSON if there is none, as the old clients leave it out.
pub(crate) fn media_type(wire: Wire, headers: &HeaderMap) -> Result<MediaType, Problem> {
    let Some(content_type) = header(headers, CONTENT_TYPE) else {
        return Ok(MediaType::Json);
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let right = match (wire, essence.as_str()) {
        (_, "application/json")
        | (Wire::KinesisRecord | Wire::KinesisRecords, "application/x-amz-json-1.1")
        | (Wire::Kafka, "application/vnd.kafka.json.v2+json") => return Ok(MediaType::Json),
        // Any other structured syntax of JSON (RFC 6839).
        (Wire::Native, essence) if essence.ends_with("+json") => return Ok(MediaType::Json),
        (Wire::Native, "application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            return Ok(MediaType::NdJson);
        }
        (Wire::KinesisRecord | Wire::KinesisRecords, _) => "application/json",
        (Wire::Kafka, _) => "application/vnd.kafka.json.v2+json or application/json",
        (Wire::Native, _) => "application/json or application/x-ndjson",
    };
    let detail = format!(
        "The content type is {}; send {right}.",
        quoted(&content_type)
    );
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}

/// Refuses numbers that no reader could hold, before anything looks at them.
pub(crate) fn check_numbers(what: &str, text: &str) -> Result<(), Problem> {
    let mut in_string = false;
    let mut is_escape = false;
    let mut length = 0;
    for (offset, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = is_escape || byte != b'"';
            is_escape = !is_escape && byte == b'\\';
        } else if byte.is_ascii_digit() {
            length += 1;
            if length > MAX_NUMBER_BYTES {
                let detail = format!(
                    "{what} has a number of more than {MAX_NUMBER_BYTES} digits, at byte {}; send it as text.",
                    offset - MAX_NUMBER_BYTES
                );
                return Err(Problem::new(ProblemKind::InvalidRequest, detail));
            }
        } else {
            in_string = byte == b'"';
            length = 0;
        }
    }
    Ok(())
}

/// Opens an object that holds rows, or returns why the text is none. How deep a row is nested is the row's own error.
pub(crate) fn members<'a>(what: &str, text: &'a str) -> Result<Members<'a>, Problem> {
    Members::open_any_depth(text).ok_or_else(|| match json_reader::parse(text) {
        Ok(_) => invalid(format!("{what} is not a JSON object.")),
        Err(error) => not_json(what, text, error),
    })
}

/// Keeps a member's value. A repeated one is refused: taking either would drop the other.
pub(crate) fn set<T>(
    found: &mut Option<T>,
    value: T,
    what: &str,
    name: &str,
) -> Result<(), Problem> {
    match found.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{what} has `{name}` twice; send one."))),
    }
}

/// Refuses more records than the answer to a request has room for.
pub(crate) fn check_count(records: usize, most: usize) -> Result<(), Problem> {
    if records > most {
        let detail = format!("The body has {records} rows; send at most {most} at once.");
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(())
}

/// Returns the records, at most `most`, that a body lists under one of `names`.
pub(crate) fn records_member<'a>(
    text: &'a str,
    names: &[&str],
    most: usize,
) -> Result<Vec<Value<'a>>, Problem> {
    let mut body = members("The body", text)?;
    let mut found = None;
    while let Some(member) = body
        .next_member()
        .map_err(|error| not_json("The body", text, error))?
    {
        if names.contains(&&*member.name().decode()) {
            set(&mut found, member.value(), "The body", "records")?;
        }
    }
    match found.unwrap_or(Value::Null) {
        Value::Array(array) => elements(array, |error| not_json("`records`", array, error)),
        Value::Null => Ok(Vec::new()),
        _ => Err(invalid("`records` is not an array.")),
    }
    .and_then(|records| {
        if records.is_empty() {
            Err(invalid(
                "`records` is missing or empty; put the rows there.",
            ))
        } else {
            check_count(records.len(), most).map(|()| records)
        }
    })
}

/// Returns the elements of an array.
pub(crate) fn elements(
    array: &str,
    problem: impl Fn(SyntaxError) -> Problem,
) -> Result<Vec<Value<'_>>, Problem> {
    let mut values = Vec::new();
    let Some(mut elements) = Elements::open_any_depth(array) else {
        return Ok(values);
    };
    while let Some((value, _)) = elements.next_element().map_err(&problem)? {
        values.push(value);
    }
    Ok(values)
}

/// Returns the problem of a text that is not JSON; `what` is the text's name at the start of a sentence.
pub(crate) fn not_json(what: &str, text: &str, error: SyntaxError) -> Problem {
    let SyntaxError { offset, expected } = error;
    let before = text.get(..offset).unwrap_or(text);
    let place = match before.rsplit_once('\n') {
        Some((lines, last)) => {
            format!(
                "byte {offset} (line {}, column {})",
                lines.matches('\n').count() + 2,
                last.chars().count() + 1
            )
        }
        None => format!("byte {offset}"),
    };
    let detail = format!("{what} is not JSON: expected {expected} at {place}.");
    Problem::new(ProblemKind::NotJson, detail)
}

/// Returns the problem of a body whose shape is not the route's.
pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, detail)
}
