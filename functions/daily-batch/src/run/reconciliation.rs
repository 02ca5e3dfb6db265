//! Reconciliation: is every record that the stream took in `clean/` or in `quarantine/`?
//!
//! It goes by running totals from the hour in which the stream was made: what CloudWatch says that the stream took, against the distinct
//! positions of the lake. At an hour's edge the two may differ by the records that one counts before it and the other after it; a loss is
//! a difference that stays. Only around one, the stream is read record by record.

pub(crate) mod accounts;
mod cloudwatch;
mod records;
mod stream;
mod totals;

use std::time::Duration;

use daily_report::summary::{Reconciliation, StreamUsage};
use event_model::Clock;
use event_model::metadata::{PositionCounts, minute_of};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tracing::{error, info, warn};

use self::accounts::Account;
use self::records::{Looked, look};
use self::stream::{Described, describe};
pub use self::stream::{Stream, list_shards};
pub(crate) use self::totals::explain;
use self::totals::{DayCounts, Explained, Totals};
use super::quarantine;
use crate::table::delta::CuratedTable;
use crate::{DailyError, Lake};

/// A record that is younger than this may be waiting for its batch, for a retry, or for CloudWatch.
const GRACE: SignedDuration = SignedDuration::from_mins(10);
/// How long a check reads the stream, at most; what it did not come to is read by the next one.
const LOOK_TIME: Duration = Duration::from_mins(5);
/// Hours through which a difference must stay to be a loss.
const HOURS_THAT_TELL: usize = 6;

/// Checks the days up to a run's, and returns as well what the stream was found to be. `rejected` is what the day's quarantine accounts
/// for.
///
/// A check that cannot be made is not complete; the run goes on, as the tables are right without it.
pub(crate) async fn reconcile(
    lake: &Lake,
    stream: Option<&Stream>,
    tables: &[CuratedTable],
    run_date: Date,
    rejected: Vec<Account>,
    clock: &Clock,
) -> Result<(Reconciliation, Option<StreamUsage>), DailyError> {
    let Some(stream) = stream else {
        return Ok((Reconciliation::default(), None));
    };
    let described = match describe(stream).await {
        Ok(described) => described,
        Err(error) => {
            warn!(
                stream = stream.name,
                error = format!("{error:#}"),
                "Could not look at the stream for the reconciliation"
            );
            return Ok((Reconciliation::default(), None));
        }
    };
    let usage = described.usage;
    let check = Check {
        lake,
        stream,
        described,
        tables,
        run_date,
        now: Timestamp::from_millisecond(clock.unix_millis()).unwrap_or(Timestamp::MAX),
    };
    Ok((check.run(rejected).await?, Some(usage)))
}

/// One check.
struct Check<'a> {
    lake: &'a Lake,
    stream: &'a Stream,
    described: Described,
    tables: &'a [CuratedTable],
    run_date: Date,
    now: Timestamp,
}

/// The running difference at the end of an hour.
#[derive(Clone, Copy, Debug)]
struct Edge {
    at: Timestamp,
    /// Records that the stream took and the lake does not have, so far.
    missing: i64,
}

impl Check<'_> {
    async fn run(&self, rejected: Vec<Account>) -> Result<Reconciliation, DailyError> {
        let origin = hour_of(self.described.created_at);
        let end = start_of_next(self.run_date).min(self.now);
        if end <= origin {
            return Ok(Reconciliation {
                is_complete: true,
                ..Reconciliation::default()
            });
        }
        let (before, first) = self.totals_before(origin).await?;
        let (aws, name) = (&self.stream.aws, &self.stream.name);
        let start = start_of(first).max(origin);
        let incoming =
            match cloudwatch::incoming_records(aws, name, (start, end), cloudwatch::HOUR).await {
                Ok(incoming) => incoming,
                Err(error) => {
                    warn!(
                        stream = name,
                        error = format!("{error:#}"),
                        "Could not ask CloudWatch for the reconciliation"
                    );
                    return Ok(Reconciliation::default());
                }
            };
        let days = self
            .count_days(first, before, &incoming, origin, rejected)
            .await?;
        let explained = Explained::read(self.lake).await?;
        let edges = edges(&days, origin, end, explained.records);
        let day = days
            .last()
            .map(|day| (day.accepted.total(), day.found.total()));
        let (accepted, found) = day.unwrap_or_default();
        let all = days.last().map(DayCounts::totals).unwrap_or_default();
        let mut reconciliation = Reconciliation {
            accepted,
            found,
            accepted_in_all: all.accepted,
            found_in_all: all.found,
            explained: explained.records,
            // Of a stream that nobody has counted, nothing can be said.
            is_complete: all.accepted > 0 || all.found == 0,
            ..Reconciliation::default()
        };
        self.judge(&days, &edges, origin, &mut reconciliation)
            .await?;
        Ok(reconciliation)
    }

    /// Decides what a difference is.
    async fn judge(
        &self,
        days: &[DayCounts],
        edges: &[Edge],
        origin: Timestamp,
        reconciliation: &mut Reconciliation,
    ) -> Result<(), DailyError> {
        let Some(last) = edges.last().filter(|last| last.missing > 0) else {
            return Ok(());
        };
        let settled = edges
            .iter()
            .rev()
            .filter(|edge| edge.at + GRACE <= self.now);
        let stays = settled.take(HOURS_THAT_TELL).map(|edge| edge.missing).min();
        let stays = u64::try_from(stays.unwrap_or_default()).unwrap_or_default();
        let since = edges.iter().rfind(|edge| edge.missing <= 0);
        let since = since.map_or(origin, |edge| edge.at);
        info!(
            reconciliation.missing = last.missing,
            reconciliation.since = %since,
            "The stream took {} records more than the lake has since {since}: those around each step are looked for",
            last.missing
        );
        let steps = self.steps(days, edges, origin).await;
        let looked = self.look_around(steps, last.missing).await?;
        reconciliation.unaccounted = if looked.is_complete {
            if looked.missing == 0 && stays > 0 {
                Explained::write(self.lake, self.run_date, stays).await?;
            }
            looked.missing
        } else {
            stays.max(looked.missing)
        };
        if reconciliation.unaccounted > 0 {
            reconciliation.missing_since = Some(since);
            error!(
                unaccounted = reconciliation.unaccounted,
                reconciliation.since = %since,
                "{} accepted records are neither clean nor in quarantine, since {since}",
                reconciliation.unaccounted
            );
        }
        Ok(())
    }

    /// Finds the minutes in which the difference grew for good; `None` when they cannot be determined.
    async fn steps(
        &self,
        days: &[DayCounts],
        edges: &[Edge],
        origin: Timestamp,
    ) -> Option<Vec<Timestamp>> {
        let missing: Vec<i64> = edges.iter().map(|edge| edge.missing).collect();
        let mut minutes = Vec::new();
        for place in rises(&missing) {
            let end = edges.get(place)?.at;
            let start = hour_of(end - SignedDuration::from_nanos(1));
            let before = place.checked_sub(1).and_then(|place| edges.get(place));
            let before = before.map_or(0, |edge| edge.missing);
            // From the hour's end on, the difference is no less than this.
            let after = missing.get(place..)?.iter().min().copied()?;
            let day = days.iter().find(|day| day.date == day_of(start))?;
            let (aws, name) = (&self.stream.aws, &self.stream.name);
            let hour = (start.max(origin), end);
            let incoming = cloudwatch::incoming_records(aws, name, hour, cloudwatch::MINUTE).await;
            let incoming = incoming
                .inspect_err(|error| {
                    let error = format!("{error:#}");
                    warn!(error, "Could not ask CloudWatch for the minutes of an hour");
                })
                .ok()?;
            let mut within = vec![before];
            let mut difference = before;
            for minute in 0..60_u16 {
                let at = start + SignedDuration::from_mins(i64::from(minute));
                let taken = incoming
                    .iter()
                    .filter(|(second, _)| *second == at.as_second());
                let taken: u64 = taken.map(|(_, records)| records).sum();
                let of_day = minute_of(at.as_microsecond());
                difference += signed(taken) - signed(day.found.minute(of_day));
                within.push(difference);
            }
            within.push(after);
            for place in rises(&within) {
                let minute = i64::try_from(place).unwrap_or(i64::MAX) - 1;
                minutes.push(start + SignedDuration::from_mins(minute.min(59)));
            }
        }
        Some(minutes)
    }

    /// Looks for each record of these minutes and of those beside them, while the stream has them.
    async fn look_around(
        &self,
        minutes: Option<Vec<Timestamp>>,
        difference: i64,
    ) -> Result<Looked, DailyError> {
        let mut looked = Looked {
            missing: 0,
            is_complete: minutes.is_some(),
        };
        let mut windows: Vec<(Timestamp, Timestamp)> = Vec::new();
        for minute in minutes.unwrap_or_default() {
            let from = minute - SignedDuration::from_mins(1);
            let until = minute + SignedDuration::from_mins(2);
            match windows.last_mut() {
                Some((_, last)) if *last >= from => *last = until,
                _ => windows.push((from, until)),
            }
        }
        let oldest = self.now.saturating_sub(self.described.retention);
        // Those of the last minutes may be on their way.
        let newest = self.now.saturating_sub(GRACE);
        let (oldest, newest) = (
            oldest.unwrap_or(Timestamp::MIN),
            newest.unwrap_or(Timestamp::MIN),
        );
        let end = tokio::time::Instant::now() + LOOK_TIME;
        for (from, until) in windows {
            looked.is_complete &= oldest < from;
            let (mut from, until) = (from.max(oldest), until.min(newest));
            // A minute at a time, so that a check that is broken off goes on where it was.
            while from < until {
                let next = (from + SignedDuration::from_mins(1)).min(until);
                let minute = (from, next);
                from = next;
                if totals::is_found(self.lake, difference, minute).await? {
                    continue;
                }
                if tokio::time::Instant::now() >= end {
                    looked.is_complete = false;
                    continue;
                }
                let Self {
                    lake,
                    stream,
                    described,
                    ..
                } = self;
                let found = look(
                    &stream.client,
                    &stream.name,
                    &described.shards,
                    lake,
                    minute,
                )
                .await?;
                if found.is_complete && found.missing == 0 {
                    totals::note_found(self.lake, difference, minute).await?;
                }
                looked.missing += found.missing;
                looked.is_complete &= found.is_complete;
            }
        }
        Ok(looked)
    }

    /// Returns the totals of all days before the first that has to be counted, and that day: what nothing arrives for any more was
    /// counted before.
    async fn totals_before(&self, origin: Timestamp) -> Result<(Totals, Date), DailyError> {
        let mut sealed = Some(self.run_date.yesterday().unwrap_or(self.run_date));
        for table in self.tables {
            let (manifest, _) = table.manifest().await?;
            sealed = sealed.min(manifest.sealed_through);
        }
        let first = day_of(origin);
        let Some(sealed) = sealed.filter(|sealed| *sealed >= first) else {
            return Ok((Totals::default(), first));
        };
        match DayCounts::read(self.lake, sealed).await? {
            Some(day) if day.origin == origin => {
                let next = sealed.tomorrow().unwrap_or(sealed);
                Ok((day.totals(), next))
            }
            _ => Ok((Totals::default(), first)),
        }
    }

    /// Counts each day from the first one that has to be counted to the run's, and keeps the counts.
    async fn count_days(
        &self,
        first: Date,
        mut before: Totals,
        incoming: &[(i64, u64)],
        origin: Timestamp,
        rejected: Vec<Account>,
    ) -> Result<Vec<DayCounts>, DailyError> {
        let mut rejected = Some(rejected);
        let mut days = Vec::new();
        let dates = first
            .series(1.day())
            .take_while(|date| *date <= self.run_date);
        for date in dates {
            let mut accounts = accounts::of_clean(self.lake, self.tables, date).await?;
            let kept = DayCounts::read(self.lake, date).await?;
            let of_quarantine = if let Some(rejected) = rejected.take_if(|_| date == self.run_date)
            {
                rejected
            } else {
                let known = kept.map(|day| day.quarantine).unwrap_or_default();
                quarantine::accounts_of(self.lake, date, known).await?
            };
            accounts.extend(of_quarantine.iter().cloned());
            let found = accounts::count(self.lake, accounts).await?;
            let mut accepted = PositionCounts::default();
            let start = start_of(date).as_second();
            for (second, records) in incoming {
                let minute = (second - start).div_euclid(60);
                accepted.add(u16::try_from(minute).unwrap_or(u16::MAX), *records);
            }
            let day = DayCounts::new(date, origin, before, accepted, found, of_quarantine);
            day.write(self.lake).await?;
            before = day.totals();
            days.push(day);
        }
        Ok(days)
    }
}

/// Returns the running difference at the end of each hour of some days, and at `end`.
fn edges(days: &[DayCounts], origin: Timestamp, end: Timestamp, explained: u64) -> Vec<Edge> {
    let mut edges = Vec::new();
    for day in days {
        let mut missing =
            signed(day.before.accepted) - signed(day.before.found) - signed(explained);
        let hours = day.accepted.hours().into_iter().zip(day.found.hours());
        for ((accepted, found), hour) in hours.zip(1_i64..) {
            missing += signed(accepted) - signed(found);
            let at = start_of(day.date) + SignedDuration::from_hours(hour);
            let begins_at = at - SignedDuration::from_hours(1);
            if at > origin && begins_at < end {
                let at = at.min(end);
                edges.push(Edge { at, missing });
            }
        }
    }
    edges
}

/// Returns the places at which a difference rises for good: what comes later is nowhere less again.
fn rises(missing: &[i64]) -> Vec<usize> {
    let mut least = i64::MAX;
    let mut least_from: Vec<i64> = missing
        .iter()
        .rev()
        .map(|missing| {
            least = least.min(*missing);
            least.max(0)
        })
        .collect();
    least_from.reverse();
    let mut before = 0;
    let places = least_from.into_iter().enumerate();
    let rises = places.filter(|(_, least)| std::mem::replace(&mut before, *least) < *least);
    rises.map(|(place, _)| place).collect()
}

fn signed(records: u64) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}

/// Returns the time at which an hour began.
fn hour_of(time: Timestamp) -> Timestamp {
    let seconds = time.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(3600)).unwrap_or(time)
}

fn day_of(time: Timestamp) -> Date {
    crate::payload::day_of(time)
}

fn start_of(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC)
        .map_or(Timestamp::MIN, |time| time.timestamp())
}

fn start_of_next(date: Date) -> Timestamp {
    date.tomorrow().map_or(Timestamp::MAX, start_of)
}

#[cfg(test)]
mod tests;
