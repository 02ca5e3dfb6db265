//! The schedule of `local`: what EventBridge Scheduler is on AWS.

use std::time::Duration;

use anyhow::Context as _;
use daily_batch::{App, Request};
use daily_report::Trigger;
use event_model::Clock;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tracing::warn;

use super::{run_days, today};

/// When the daily batch runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// At a time of each day (UTC), for the day before.
    At(Time),
    /// Again and again, for the day under way.
    Every(Duration),
}

impl Schedule {
    /// Runs the daily batch by the schedule, without end. A run that fails is reported, and the next one goes on.
    pub(crate) async fn keep(self, app: App, clock: Clock) -> anyhow::Result<()> {
        loop {
            let (wait, request) = self.next(&clock)?;
            tokio::time::sleep(wait).await;
            let request = match request {
                Some(request) => request,
                None => Request {
                    run_dates: vec![today(&clock)],
                    trigger: Trigger::Manual,
                    as_of_now: false,
                },
            };
            if let Err(error) = run_days(&app, &request).await {
                warn!(error = format!("{error:#}"), "The scheduled run failed");
            }
        }
    }

    /// Returns how long to wait, and what to ask for then; `None` is the day that it will be.
    fn next(self, clock: &Clock) -> anyhow::Result<(Duration, Option<Request>)> {
        let at = match self {
            Self::Every(pause) => return Ok((pause, None)),
            Self::At(at) => at,
        };
        let now = Timestamp::from_millisecond(clock.unix_millis())?;
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut date = today;
        if today.to_datetime(at).to_zoned(TimeZone::UTC)?.timestamp() <= now {
            date = today.tomorrow()?;
        }
        let scheduled = date.to_datetime(at).to_zoned(TimeZone::UTC)?.timestamp();
        let wait = scheduled.duration_since(now).max(SignedDuration::ZERO);
        let request = Request {
            run_dates: vec![
                date.checked_sub(1.day())
                    .context("there is no day before")?,
            ],
            trigger: Trigger::Schedule,
            as_of_now: false,
        };
        Ok((wait.unsigned_abs(), Some(request)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    fn at(time: &str, now: &str) -> (Duration, String) {
        let now: Timestamp = now.parse().unwrap();
        let clock = Clock::new(move || -> SystemTime {
            UNIX_EPOCH + Duration::from_millis(now.as_millisecond().unsigned_abs())
        });
        let (wait, request) = Schedule::At(time.parse().unwrap()).next(&clock).unwrap();
        (
            wait,
            request.unwrap().run_dates.first().unwrap().to_string(),
        )
    }

    #[test]
    fn a_time_of_day_is_for_the_day_before() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(
            at("06:00", "2026-03-01T04:00:00Z"),
            (hours(2), "2026-02-28".to_owned())
        );
        assert_eq!(
            at("06:00", "2026-03-01T06:00:00Z"),
            (hours(24), "2026-03-01".to_owned())
        );
        assert_eq!(
            at("06:00", "2026-03-01T07:00:00Z"),
            (hours(23), "2026-03-01".to_owned())
        );
    }
}
