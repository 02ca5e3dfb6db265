//! Which clean objects a merge has to read, and under which date each of them counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use object_store::ObjectStore;
use object_store::path::Path;
use tracing::info;

use crate::DailyError;
use crate::payload::day_of;
use crate::storage::clean::{self, CleanObject};
use crate::table::manifest::{DATED, Manifest, PartOf};

/// Open dates from which on one listing of everything costs less than one of each date.
const MAX_LISTED_DATES: usize = 60;

/// Announced objects that are looked for at once.
const HEADS: usize = 16;

/// The day whose run merges, and what the ledger says of others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MergeDay {
    /// What arrived by the end of this day is merged.
    pub(crate) through: Date,
    pub(crate) attempt: u32,
    /// The latest day that was run: its reports are made, so nothing is merged under it any more.
    pub(crate) last_run: Option<Date>,
    /// The first day that was run: rows of earlier ones are not late, nobody has waited for them.
    pub(crate) first_run: Option<Date>,
    /// Whether rows are merged although later days were, and the table is reported as it is.
    pub(crate) as_of_now: bool,
}

impl MergeDay {
    /// Returns the first date under which rows may still be merged.
    fn first_open(&self, manifest: &Manifest) -> Option<Date> {
        let after_last = self.last_run.and_then(|day| day.tomorrow().ok());
        manifest.through.max(after_last).max(manifest.known_from())
    }

    /// Returns the date under which the rows of an object count: that of their arrival, or the first that is not closed.
    fn under(&self, arrival: Date, manifest: &Manifest) -> Date {
        match self.first_open(manifest) {
            Some(open) => arrival.max(open),
            None => arrival,
        }
    }

    /// Tells whether rows of a date that count under another one are late.
    pub(super) fn is_late(&self, arrival: Date, under: Date) -> bool {
        arrival < under && self.first_run.is_some_and(|first| first <= arrival)
    }
}

/// An object to merge.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) object: CleanObject,
    pub(crate) part: PartOf,
    pub(crate) arrival: Date,
    pub(crate) under: Date,
}

/// What is to be merged into one version of a table.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By the dates under which they count, oldest first.
    pub(super) pending: VecDeque<Pending>,
    /// The date up to which nothing arrives any more, once all of it is merged.
    pub(super) sealed_through: Option<Date>,
}

impl Plan {
    /// Returns the first objects that count under one date and have so many bytes, or one.
    pub(super) fn slice(&self, max_bytes: u64) -> Vec<Pending> {
        let Some(under) = self.pending.front().map(|first| first.under) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let pending = self.pending.iter().take_while(|pending| {
            let is_first = bytes == 0;
            bytes += pending.object.size;
            pending.under == under && (is_first || bytes <= max_bytes)
        });
        pending.cloned().collect()
    }

    /// Takes the objects of a slice off that were merged or noted as unreadable.
    pub(super) fn take(&mut self, merged: &[(Pending, u64)], unreadable: &[Pending]) {
        let merged = merged.iter().map(|(pending, _)| pending);
        let done: BTreeSet<&Path> = merged
            .chain(unreadable)
            .map(|pending| &pending.object.path)
            .collect();
        self.pending
            .retain(|pending| !done.contains(&pending.object.path));
    }
}

/// Finds what a table lacks. Dates that are sealed are not listed: what comes for them is announced.
pub(super) async fn plan(
    store: &dyn ObjectStore,
    kind: Kind,
    day: &MergeDay,
    manifest: &mut Manifest,
    now: Timestamp,
    seal_after: SignedDuration,
) -> Result<Plan, DailyError> {
    let mut plan = Plan::default();
    let announced = clean::list_announced(store, kind).await?;
    let mut unmerged = Vec::new();
    for announcement in &announced {
        if !manifest.holds_announced(store, kind, announcement).await? {
            unmerged.push(Path::from(announcement.key.as_str()));
        }
    }
    unmerged.dedup();
    // What is not there yet is announced by somebody who is about to write it.
    let found: Vec<_> = stream::iter(&unmerged)
        .map(|path| clean::find(store, path))
        .buffered(HEADS)
        .try_collect()
        .await?;
    let mut unmerged = Vec::new();
    for object in found.into_iter().flatten() {
        if is_unmerged(store, PartOf::Replays, &object, manifest).await? {
            unmerged.push((PartOf::Replays, object));
        }
    }
    let announced: BTreeSet<&str> = announced.iter().map(|found| found.key.as_str()).collect();
    for (date, listed) in open_dates(store, kind, day.through, manifest).await? {
        let part = PartOf::Date(date);
        let listed = match listed {
            Some(listed) => listed,
            None => clean::list_date(store, kind, date).await?,
        };
        manifest.objects(store, kind, part).await?;
        manifest.retain_listed(part, &listed);
        let before = unmerged.len();
        for object in listed {
            if !announced.contains(object.path.as_ref())
                && is_unmerged(store, part, &object, manifest).await?
            {
                unmerged.push((part, object));
            }
        }
        // Full shards put a hundred thousand objects a date: those of one open date are in memory, not those of all.
        if unmerged.len() == before {
            manifest.release(part);
        }
    }
    // A first merge of years is not one commit a day: of what is long ago, nobody asks for each day's tables.
    let dated = day
        .through
        .saturating_sub(i64::try_from(DATED).unwrap_or(i64::MAX).days());
    if unmerged
        .iter()
        .any(|(_, object)| day.under(object.date(), manifest) < dated)
    {
        manifest.know_from(dated);
    }
    for (part, object) in unmerged {
        let arrival = object.date();
        // A replayed row may be of a day that is yet to be merged.
        if arrival > day.through {
            continue;
        }
        let under = day.under(arrival, manifest);
        if under > day.through && !day.as_of_now {
            continue;
        }
        plan.pending.push_back(Pending {
            object,
            part,
            arrival,
            under,
        });
    }
    let pending = plan.pending.make_contiguous();
    pending.sort_by(|a, b| (a.under, &a.object.path).cmp(&(b.under, &b.object.path)));
    let is_past = day
        .first_open(manifest)
        .is_some_and(|open| open > day.through);
    if !is_past || day.as_of_now {
        let sealed = now
            .saturating_sub(seal_after)
            .ok()
            .and_then(|then| day_of(then).yesterday().ok());
        plan.sealed_through = sealed
            .map(|sealed| sealed.min(day.through))
            .max(manifest.sealed_through);
    }
    Ok(plan)
}

/// Returns the dates that are not sealed, with their objects where those of all dates were listed at once.
async fn open_dates(
    store: &dyn ObjectStore,
    kind: Kind,
    through: Date,
    manifest: &Manifest,
) -> Result<Vec<(Date, Option<Vec<CleanObject>>)>, DailyError> {
    let open: Option<Vec<Date>> = manifest.sealed_through.map(|sealed| {
        let dates = sealed.series(1.day()).skip(1);
        dates
            .take_while(|date| *date <= through)
            .take(MAX_LISTED_DATES + 1)
            .collect()
    });
    if let Some(dates) = open.filter(|dates| dates.len() <= MAX_LISTED_DATES) {
        return Ok(dates.into_iter().map(|date| (date, None)).collect());
    }
    let is_open =
        |date: Date| date <= through && manifest.sealed_through.is_none_or(|sealed| date > sealed);
    let mut listings: BTreeMap<Date, Vec<CleanObject>> = BTreeMap::new();
    // A date whose objects somebody took away has none.
    for date in manifest.known_dates().filter(|date| is_open(*date)) {
        listings.insert(date, Vec::new());
    }
    for object in clean::list_all(store, kind).await? {
        let date = object.date();
        if is_open(date) {
            listings.entry(date).or_default().push(object);
        }
    }
    let listings = listings.into_iter();
    Ok(listings
        .map(|(date, listed)| (date, Some(listed)))
        .collect())
}

/// Tells whether the rows of an object are to be merged.
async fn is_unmerged(
    store: &dyn ObjectStore,
    part: PartOf,
    object: &CleanObject,
    manifest: &mut Manifest,
) -> Result<bool, DailyError> {
    Ok(!manifest.holds(part, object) && !is_same(store, part, object, manifest).await?)
}

/// Tells whether an object whose version is another has the bytes that were merged, and notes the version if so: keys of KMS and a
/// bucket that is encrypted anew change a version, and no byte.
async fn is_same(
    store: &dyn ObjectStore,
    part: PartOf,
    object: &CleanObject,
    manifest: &mut Manifest,
) -> Result<bool, DailyError> {
    let Some(digest) = manifest
        .find(part, object)
        .and_then(|merged| merged.digest.clone())
    else {
        return Ok(false);
    };
    let found = clean::find(store, &object.path).await?;
    let is_same = found.is_some_and(|found| {
        found.version == object.version && found.noted.digest.as_ref() == Some(&digest)
    });
    if is_same {
        info!(lake.key = %object.path, "`{}` has another version and the same bytes", object.path);
        manifest.insert_same(part, object);
    }
    Ok(is_same)
}
