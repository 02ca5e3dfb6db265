//! Entries → the stream: in calls of a size that Kinesis takes, the failed ones again, one row's versions in order.

mod jitter;
mod outcome;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::StalledStreamProtectionConfig;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use event_model::limits::{PUT_RECORDS_MAX_BYTES, PUT_RECORDS_MAX_RECORDS};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

pub(crate) use jitter::Jitter;
pub(crate) use outcome::{Failure, Outcome};

use crate::request::Entry;

/// Longest that one call may take; a connection that hangs is given up for another. A guess: some hundred times the median.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that tries each call once, whatever the one that it was made of does. Cheap to clone.
///
/// One that tries again would send stored records again, and without an end in sight: retries are this module's work. So are
/// calls that hang.
#[derive(Clone, Debug)]
pub(crate) struct Producer(Client);

impl Producer {
    /// Makes one that shares the client's connections.
    pub(crate) fn new(client: &Client) -> Self {
        let config = client.config().to_builder();
        let config = config
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self(Client::from_conf(config.build()))
    }
}

/// Until when a request is worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    /// No try begins after this: a client that waits holds the concurrency that others need, and sends it again anyway.
    pub(crate) tries: Instant,
    /// No call is waited for after this.
    pub(crate) answers: Instant,
}

/// Puts the entries on the stream and returns what became of each, in their order.
///
/// What fails for a reason that may pass is sent again after a pause, and with it each later entry of the same partition
/// key, stored or not: the last version of a row on the stream is the last one of the request. A stored one is then there
/// twice, which the tables take once. An entry whose call got no answer may be on the stream although it is reported as
/// failed: delivery is at least once.
pub(crate) async fn put(
    producer: &Producer,
    stream: &str,
    entries: &[Entry<'_>],
    until: Until,
    jitter: &Jitter,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; entries.len()];
    let mut pending: Vec<usize> = (0..entries.len()).collect();
    // Why each is not stored so far; one that was never sent is so for want of time.
    let mut latest = vec![Failure::TimedOut; entries.len()];
    let mut failed_rounds = 0;
    while !pending.is_empty() && Instant::now() < until.answers {
        let mut failed_keys: HashMap<&str, Failure> = HashMap::new();
        let mut again = Vec::new();
        for call in calls(&pending, entries) {
            // Behind a version that failed in an earlier call of this round, the later ones wait for it.
            let mut sent = Vec::with_capacity(call.len());
            for index in call {
                match failed_keys.get(entries[index].key.as_str()) {
                    Some(failure) => {
                        latest[index] = failure.clone();
                        again.push(index);
                    }
                    None => sent.push(index),
                }
            }
            let answers = put_once(producer, stream, entries, &sent, until.answers).await;
            for (&index, outcome) in sent.iter().zip(answers) {
                let key = entries[index].key.as_str();
                let is_behind = failed_keys.contains_key(key);
                match outcome {
                    Err(failure) if failure.may_pass() => {
                        latest[index] = failure.clone();
                        failed_keys.insert(key, failure);
                        again.push(index);
                    }
                    settled => {
                        outcomes[index] = Some(settled);
                        if is_behind {
                            again.push(index);
                        }
                    }
                }
            }
        }
        again.sort_unstable();
        pending = again;
        if !pending.is_empty() {
            let pause = jitter.pause(failed_rounds);
            failed_rounds += 1;
            if Instant::now() + pause >= until.tries {
                break;
            }
            sleep(pause).await;
        }
    }
    outcomes
        .into_iter()
        .zip(latest)
        .map(|(outcome, latest)| outcome.unwrap_or(Err(latest)))
        .collect()
}

/// Cuts a list of entries into calls within the limits of `PutRecords`.
fn calls(indices: &[usize], entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    let mut calls: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for &index in indices {
        let size = entries[index].size();
        match calls.last_mut() {
            Some(call)
                if call.len() < PUT_RECORDS_MAX_RECORDS
                    && bytes + size <= PUT_RECORDS_MAX_BYTES =>
            {
                call.push(index);
                bytes += size;
            }
            _ => {
                calls.push(vec![index]);
                bytes = size;
            }
        }
    }
    calls
}

async fn put_once(
    Producer(client): &Producer,
    stream: &str,
    entries: &[Entry<'_>],
    call: &[usize],
    deadline: Instant,
) -> Vec<Outcome> {
    let records: Result<Vec<_>, _> = call
        .iter()
        .map(|&index| request_entry(&entries[index]))
        .collect();
    let Ok(records) = records else {
        // Both members that the builder requires are always set.
        return vec![Err(Failure::Refused); call.len()];
    };
    let request = client
        .put_records()
        .stream_name(stream)
        .set_records(Some(records));
    let limit = CALL_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
    match timeout(limit, request.send()).await {
        Ok(Ok(output)) => outcome::of_output(&output, call.len()),
        Ok(Err(error)) => {
            warn!(batch.records = call.len(), error = %DisplayErrorContext(&error), "Could not put records");
            vec![Err(outcome::of_error(&error)); call.len()]
        }
        Err(_) => {
            warn!(
                batch.records = call.len(),
                "No answer of the stream in {} ms",
                limit.as_millis()
            );
            vec![Err(Failure::TimedOut); call.len()]
        }
    }
}

fn request_entry(
    entry: &Entry<'_>,
) -> Result<PutRecordsRequestEntry, aws_sdk_kinesis::error::BuildError> {
    PutRecordsRequestEntry::builder()
        .partition_key(entry.key.as_str())
        .data(Blob::new(&*entry.data))
        .build()
}

#[cfg(test)]
mod tests;
