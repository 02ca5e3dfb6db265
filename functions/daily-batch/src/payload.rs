//! The event that starts the function: which days to run, and who asks.

use daily_report::Trigger;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

use crate::DailyError;

/// The days that an invocation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The run dates, in order; at least one.
    pub run_dates: Vec<Date>,
    /// Who asks.
    pub trigger: Trigger,
    /// Whether days that were run before are merged and reported anew, as the tables are now.
    pub as_of_now: bool,
}

/// Most days of one backfill: a year and a day.
const MAX_DAYS: usize = 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    run_date: Option<String>,
    from: Option<String>,
    to: Option<String>,
    trigger: Option<String>,
    /// What EventBridge Scheduler puts in the place of `<aws.scheduler.scheduled-time>`.
    scheduled_time: Option<String>,
    #[serde(default)]
    as_of_now: bool,
}

impl Request {
    /// Reads an event: `{"run_date": "...", "from": "...", "to": "...", "trigger": "...", "scheduled_time": "...", "as_of_now": true}`,
    /// all optional.
    ///
    /// Without a date, it is the day before `scheduled_time`, or before `now`: the last one that is over (UTC).
    /// The error is a sentence that names the field.
    pub fn from_event(event: serde_json::Value, now: Timestamp) -> Result<Self, DailyError> {
        let event = if event.is_null() {
            serde_json::json!({})
        } else {
            event
        };
        let payload: Payload = serde_json::from_value(event).map_err(|error| {
            DailyError::Payload(format!(
                "the event is not a payload: {error}; send an object with `run_date`, or `from` and `to`, and `trigger`, or {{}}"
            ))
        })?;
        let scheduled =
            match &payload.scheduled_time {
                None => None,
                Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                    wrong("scheduled_time", text, "a time like 2026-03-01T06:00:00Z")
                })?),
            };
        let run_date = date("run_date", payload.run_date.as_deref())?;
        let from = date("from", payload.from.as_deref())?;
        let to = date("to", payload.to.as_deref())?;
        let (run_dates, default_trigger) = match (run_date, from, to) {
            (Some(run_date), None, None) => (vec![run_date], Trigger::Manual),
            (None, Some(from), Some(to)) => (days(from, to)?, Trigger::Backfill),
            (None, None, None) => {
                let trigger = if scheduled.is_some() {
                    Trigger::Schedule
                } else {
                    Trigger::Manual
                };
                (vec![day_before(scheduled.unwrap_or(now))?], trigger)
            }
            _ => {
                return Err(DailyError::Payload(
                    "give `run_date`, or both `from` and `to`, or none of them".to_owned(),
                ));
            }
        };
        let trigger = match payload.trigger.as_deref() {
            None => default_trigger,
            Some(text) => text
                .parse()
                .map_err(|_| wrong("trigger", text, "schedule, manual, backfill or catch-up"))?,
        };
        Ok(Self {
            run_dates,
            trigger,
            as_of_now: payload.as_of_now,
        })
    }
}

/// Returns the days from `from` to `to`, both included.
pub fn days(from: Date, to: Date) -> Result<Vec<Date>, DailyError> {
    if from > to {
        return Err(DailyError::Payload(format!(
            "`from` ({from}) is after `to` ({to}); swap them"
        )));
    }
    let days: Vec<_> = from
        .series(1.day())
        .take_while(|day| *day <= to)
        .take(MAX_DAYS + 1)
        .collect();
    if days.len() > MAX_DAYS {
        return Err(DailyError::Payload(format!(
            "`from` ({from}) to `to` ({to}) are more than {MAX_DAYS} days; ask for fewer at once"
        )));
    }
    Ok(days)
}

impl Request {
    /// Returns the event that asks for the days from `first` on.
    pub(crate) fn event_from(&self, first: Date) -> serde_json::Value {
        let last = self.run_dates.last().copied().unwrap_or(first);
        serde_json::json!({"from": first, "to": last.max(first), "trigger": self.trigger.as_str(), "as_of_now": self.as_of_now})
    }
}

fn date(field: &str, text: Option<&str>) -> Result<Option<Date>, DailyError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| wrong(field, text, "a date like 2026-03-01"))
    })
    .transpose()
}

fn wrong(field: &str, text: &str, wanted: &str) -> DailyError {
    let text: String = text.chars().take(64).collect();
    DailyError::Payload(format!("`{field}` is {text:?}; write {wanted}"))
}

/// Returns the day of a time, in UTC.
pub(crate) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn day_before(time: Timestamp) -> Result<Date, DailyError> {
    day_of(time)
        .yesterday()
        .map_err(|error| DailyError::Payload(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(event: serde_json::Value) -> Result<Request, String> {
        let now = "2026-03-02T08:00:00Z".parse().unwrap();
        Request::from_event(event, now).map_err(|error| error.to_string())
    }

    fn dates(request: &Request) -> Vec<String> {
        request.run_dates.iter().map(Date::to_string).collect()
    }

    #[test]
    fn without_a_date_it_is_the_last_day_that_is_over() {
        for event in [json!({}), json!(null)] {
            let request = request(event).unwrap();
            assert_eq!(
                (dates(&request), request.trigger),
                (vec!["2026-03-01".to_owned()], Trigger::Manual)
            );
        }
        let request = request(json!({"scheduled_time": "2026-01-01T06:00:00Z"})).unwrap();
        assert_eq!(
            (dates(&request), request.trigger),
            (vec!["2025-12-31".to_owned()], Trigger::Schedule)
        );
    }

    #[test]
    fn a_range_is_a_backfill_of_each_day() {
        let request = request(json!({"from": "2026-02-27", "to": "2026-03-01"})).unwrap();
        assert_eq!(dates(&request), ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!(request.trigger, Trigger::Backfill);
    }

    #[test]
    fn a_wrong_payload_is_told_by_its_field() {
        for (event, wanted) in [
            (
                json!({"run_date": "2026-02-30"}),
                "`run_date` is \"2026-02-30\"; write a date like 2026-03-01",
            ),
            (
                json!({"from": "2026-02-02", "to": "2026-02-01"}),
                "`from` (2026-02-02) is after `to` (2026-02-01); swap them",
            ),
            (
                json!({"from": "2026-02-02"}),
                "give `run_date`, or both `from` and `to`, or none of them",
            ),
            (
                json!({"trigger": "me"}),
                "`trigger` is \"me\"; write schedule, manual, backfill or catch-up",
            ),
            (json!({"date": "2026-02-02"}), "unknown field `date`"),
            (json!({"run_date": 5}), "invalid type"),
            (json!([]), "the event is not a payload"),
            (
                json!({"from": "1999-02-02", "to": "2026-02-01"}),
                "more than 366 days",
            ),
        ] {
            let error = request(event.clone()).unwrap_err();
            assert!(error.contains(wanted), "{event}: {error}");
        }
    }
}
