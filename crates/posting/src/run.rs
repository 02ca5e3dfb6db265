//! A run: post after post at a pace, a few requests at a time, until its end or Ctrl-C.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use event_model::Kind;
use event_model::Position;
use futures::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::api::PostError;
use crate::batch::{Batch, Row};
use crate::poster::{Delivery, Poster};
use crate::source::{RowKey, Source};

/// How many posts are sent, and how fast.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Posts that an earlier run sent, which the source is past.
    pub done: u64,
    /// Posts in all, with those of an earlier run; `None` is for ever.
    pub limit: Option<u64>,
    /// `None` is as fast as the API takes them.
    pub interval: Option<Duration>,
    /// Posts whose rows of a kind go into one request.
    pub posts_per_batch: usize,
}

/// What became of the posts of a batch.
#[derive(Debug)]
pub struct Posted {
    /// Number of its first post, from 0; a run that goes on from an earlier one counts that one's posts too.
    pub(crate) first_post: u64,
    /// Posts of the batch.
    pub posts: u64,
    deliveries: Vec<Delivery>,
}

impl Posted {
    /// What became of its requests.
    pub(crate) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Returns whether no row is left to be sent again: each was accepted, or refused for what is in it.
    pub(crate) fn is_done(&self) -> bool {
        let mut failed = self.deliveries.iter().flat_map(|delivery| &delivery.failed);
        failed.all(|failure| failure.is_about_the_row)
    }

    /// Where the stream has each row that was accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Position> {
        let deliveries = self.deliveries.iter();
        deliveries.flat_map(|delivery| &delivery.accepted)
    }
}

/// Batches under way at once, each with up to a connection per kind.
const MAX_BATCHES: usize = 4;

/// Sends posts, and calls `on_batch` with each batch once it has ended.
///
/// Versions of one row go one after the other, also from batch to batch. When Ctrl-C comes, or the source ends in an
/// error, what is under way is finished and passed to `on_batch`.
pub async fn post_all(
    poster: Poster,
    source: &mut Source,
    pace: &Pace,
    stop: &CancellationToken,
    on_batch: impl FnMut(&Posted) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let poster = Arc::new(poster);
    let mut under_way = UnderWay {
        batches: JoinSet::new(),
        keys: HashSet::new(),
        on_batch,
    };
    let mut schedule = pace.interval.map(Schedule::start);
    let end = pace.limit.unwrap_or(u64::MAX);
    let mut next = pace.done;
    while next < end {
        let first_post = next;
        let mut posts = Vec::new();
        while next < end && posts.len() < pace.posts_per_batch {
            if let Some(schedule) = &mut schedule {
                let due = schedule.next(Instant::now());
                under_way.wait_until(due, stop).await?;
            }
            if stop.is_cancelled() {
                // The posts of the batch that were waiting for its last ones are not sent.
                return under_way.finish().await;
            }
            let post = tokio::select! {
                post = source.next_post() => post,
                () = stop.cancelled() => return under_way.finish().await,
            };
            match post {
                Ok(post) => posts.push(post),
                Err(error) => {
                    under_way.finish().await?;
                    return Err(error.into());
                }
            }
            next += 1;
        }
        let batch = Batch::of(&posts);
        under_way.make_room_for(&batch).await?;
        under_way.keys.extend(batch.keys.iter().cloned());
        under_way
            .batches
            .spawn(post_batch(Arc::clone(&poster), first_post, batch));
    }
    under_way.finish().await
}

/// The batches that are being posted.
struct UnderWay<F> {
    batches: JoinSet<Result<Ended, PostError>>,
    /// The rows that they have versions of.
    keys: HashSet<(Kind, RowKey)>,
    on_batch: F,
}

/// The rows of a batch, and what became of them.
type Ended = (HashSet<(Kind, RowKey)>, Posted);

impl<F: FnMut(&Posted) -> anyhow::Result<()>> UnderWay<F> {
    /// Waits until the batch may start: few are under way, and none has an earlier version of one of its rows.
    async fn make_room_for(&mut self, batch: &Batch) -> anyhow::Result<()> {
        while self.batches.len() >= MAX_BATCHES || !self.keys.is_disjoint(&batch.keys) {
            self.end_one().await?;
        }
        Ok(())
    }

    /// Waits until a time, or until Ctrl-C, and passes on what ends meanwhile.
    async fn wait_until(&mut self, due: Instant, stop: &CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = sleep_until(due) => return Ok(()),
                () = stop.cancelled() => return Ok(()),
                outcome = self.end_one(), if !self.batches.is_empty() => outcome?,
            }
        }
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        while !self.batches.is_empty() {
            self.end_one().await?;
        }
        Ok(())
    }

    /// Waits until one of the batches has ended, and passes it on.
    async fn end_one(&mut self) -> anyhow::Result<()> {
        let Some(joined) = self.batches.join_next().await else {
            return Ok(());
        };
        // No batch is ever cancelled while this waits, so it can only have panicked.
        let ended = joined.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        let (keys, posted) = ended?;
        self.keys.retain(|key| !keys.contains(key));
        (self.on_batch)(&posted)
    }
}

/// Posts a batch: the kinds beside each other, the requests of a kind one after the other.
async fn post_batch(
    poster: Arc<Poster>,
    first_post: u64,
    batch: Batch,
) -> Result<Ended, PostError> {
    let requests = batch.requests.into_iter();
    let deliveries = requests.map(|(kind, requests)| post_kind(&poster, kind, requests));
    let deliveries = try_join_all(deliveries).await?;
    let outcome = Posted {
        first_post,
        posts: batch.posts,
        deliveries: deliveries.into_iter().flatten().collect(),
    };
    Ok((batch.keys, outcome))
}

async fn post_kind(
    poster: &Poster,
    kind: Kind,
    requests: Vec<Vec<Row>>,
) -> Result<Vec<Delivery>, PostError> {
    let mut deliveries = Vec::with_capacity(requests.len());
    for rows in requests {
        deliveries.push(poster.deliver(kind, rows).await?);
    }
    Ok(deliveries)
}

/// When each post is due.
struct Schedule {
    interval: Duration,
    next: Instant,
}

/// A run that an API holds up for longer than this does not catch up: it goes on at its rate.
const LONGEST_LAG: Duration = Duration::from_secs(1);

impl Schedule {
    fn start(interval: Duration) -> Self {
        Self {
            interval,
            next: Instant::now(),
        }
    }

    /// Returns when the next post is due.
    fn next(&mut self, now: Instant) -> Instant {
        let due = self.next.max(now.checked_sub(LONGEST_LAG).unwrap_or(now));
        self.next = due + self.interval;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_held_up_goes_on_at_its_rate() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut schedule = Schedule {
            interval: Duration::from_millis(100),
            next: start,
        };
        assert_eq!(schedule.next(start), start);
        assert_eq!(schedule.next(after(50)), after(100));
        assert_eq!(schedule.next(after(900)), after(200));
        assert_eq!(schedule.next(after(5_000)), after(4_000));
        assert_eq!(schedule.next(after(5_000)), after(4_100));
    }
}
