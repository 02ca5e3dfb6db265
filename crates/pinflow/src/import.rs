//! `import`: the objects of the old Kafka-to-S3 sink → the lake, each row at its place in Kafka and of its own time.
//!
//! The rows do not go over the stream: they would arrive today, and be newer than what clients have posted since. They are
//! cleaned here and written below `clean/` and `quarantine/`, with a position that Kafka gave them, so that an import that
//! runs twice imports nothing twice.

mod chunk;
mod done;
mod sink;
#[cfg(test)]
mod tests;

use model::Model;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use aws_access::Bucket;
use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use self::chunk::{Chunk, Counts, Times};
use self::done::{Done, Settings};
use self::sink::{Listing, Place};
use crate::cli::{ImportOptions, SinkLocation};
use crate::{Exit, Terminal, progress};

/// Name of the file that keeps which objects are done, where none is given.
const STATE_PATH: &str = ".pinflow-import";
/// Objects that are read at once.
const READ_AHEAD: usize = 32;
/// Bad objects that are named; more would hide the number.
const MAX_NAMED: u64 = 100;

/// Imports the objects, or only counts what they hold.
pub(crate) async fn command(
    options: &ImportOptions,
    model: &Arc<Model>,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let opened = tokio::select! {
        opened = open(options, model) => opened?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    let (place, mut listing) = opened;
    tell_left_out(&listing, terminal.notes)?;
    let is_complete = listing.unknown_topics.is_empty();
    let target = if options.dry_run {
        None
    } else {
        Some(target(options, &place, &mut listing, terminal.notes).await?)
    };
    let started = Instant::now();
    let mut run = Run {
        place,
        times: Times {
            field: options.time_field.clone(),
            latest: options.no_later_than,
        },
        target,
        counts: Counts::default(),
        bad: 0,
        model: Arc::clone(model),
    };
    let outcome = run.import(&listing, stop, terminal.notes).await;
    // Also when an error ended the run: what was written until then is in the lake.
    run.tell(listing.objects.len(), started, terminal)?;
    outcome?;
    Ok(if stop.is_cancelled() {
        Exit::Interrupted
    } else if run.bad > 0 || !is_complete {
        Exit::Failure
    } else {
        Exit::Success
    })
}

async fn open(options: &ImportOptions, model: &Model) -> anyhow::Result<(Place, Listing)> {
    let place = match &options.from {
        SinkLocation::Folder(folder) => Place::Folder(folder.clone()),
        SinkLocation::Bucket { bucket, prefix } => Place::Bucket {
            bucket: Bucket::new(&options.source().find().await?, bucket.clone()),
            prefix: prefix.clone(),
        },
    };
    let listing = place.list(model).await?;
    Ok((place, listing))
}

/// Opens the lake and the state file, and takes out of the listing what is done.
async fn target(
    options: &ImportOptions,
    place: &Place,
    listing: &mut Listing,
    notes: &mut dyn Write,
) -> anyhow::Result<(Bucket, Done)> {
    let lake = options.lake.find().await?;
    let bucket = lake.open();
    bucket.check("clean/").await?;
    let settings = Settings {
        from: place.to_string(),
        lake: match &lake.aws.endpoint {
            Some(endpoint) => format!("{} at {endpoint}", lake.bucket),
            None => lake.bucket.clone(),
        },
    };
    let path = options.state.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(STATE_PATH));
    if !options.resume {
        return Ok((bucket, Done::start(&path, &settings)?));
    }
    let done = Done::resume(&path, &settings)?;
    let all = listing.objects.len();
    listing.objects.retain(|object| !done.has(&object.name));
    let left = listing.objects.len();
    writeln!(notes, "Going on after {} of {all} objects", all - left)?;
    Ok((bucket, done))
}

fn tell_left_out(listing: &Listing, notes: &mut dyn Write) -> io::Result<()> {
    for (topic, objects) in &listing.unknown_topics {
        writeln!(
            notes,
            "error: the topic `{topic}` is passed over, objects: {objects}; its name ends in no kind, as in abc.pin"
        )?;
    }
    match listing.others {
        0 => Ok(()),
        others => writeln!(notes, "Objects that are not the old sink's: {others}"),
    }
}

struct Run {
    place: Place,
    times: Times,
    /// The lake, and what is in it; nothing is written without them.
    target: Option<(Bucket, Done)>,
    counts: Counts,
    /// Objects that could not be used.
    bad: u64,
    model: Arc<Model>,
}

impl Run {
    /// Imports the objects in chunks; on Ctrl-C, what has been read is still written.
    async fn import(
        &mut self,
        listing: &Listing,
        stop: &CancellationToken,
        notes: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let bar = progress::objects(listing.objects.len() as u64);
        let place = self.place.clone();
        let reads = listing.objects.iter().map(|object| {
            let place = &place;
            async move { (object, place.read(object).await) }
        });
        let mut reads = stream::iter(reads).buffered(READ_AHEAD);
        let mut chunk: Option<Chunk> = None;
        loop {
            let next = tokio::select! {
                next = reads.next() => next,
                () = stop.cancelled() => None,
            };
            let Some((object, read)) = next else { break };
            let bytes = match read? {
                Ok(bytes) => bytes,
                Err(problem) => {
                    self.bad += 1;
                    if self.bad <= MAX_NAMED {
                        let name = self.place.full_name(&object.name);
                        writeln!(notes, "error: `{name}` is passed over: {problem}")?;
                    }
                    continue;
                }
            };
            if let Some(full) = chunk.take_if(|chunk| !chunk.takes(object)) {
                self.write(full).await?;
            }
            let chunk = chunk.get_or_insert_with(|| Chunk::new(object, &self.model));
            chunk.append(object, &bytes, &self.times)?;
            bar.inc(1);
        }
        if let Some(last) = chunk {
            self.write(last).await?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    async fn write(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        let counts = match &mut self.target {
            None => chunk.counts,
            Some((lake, done)) => {
                let (names, counts) = chunk.write(lake).await?;
                done.add(&names)?;
                counts
            }
        };
        self.counts.add(&counts);
        Ok(())
    }

    fn tell(
        &self,
        objects: usize,
        started: Instant,
        terminal: &mut Terminal<'_>,
    ) -> io::Result<()> {
        let counts = &self.counts;
        if self.bad > 0 {
            writeln!(terminal.notes, "Objects that cannot be used: {}", self.bad)?;
        }
        let rows = listed(&counts.tally.rows);
        let out = &mut terminal.out;
        if self.target.is_none() {
            write!(
                out,
                "Would import {} of {objects} objects: ",
                counts.objects
            )?;
        } else {
            let seconds = started.elapsed().as_secs_f64();
            write!(
                out,
                "Imported {} of {objects} objects in {seconds:.1} s: ",
                counts.objects
            )?;
        }
        writeln!(out, "{} rows{rows}", counts.tally.total_rows())?;
        if !counts.tally.rejected.is_empty() {
            let codes = listed(&counts.tally.rejected);
            writeln!(
                out,
                "  to quarantine: {}{codes}",
                counts.tally.total_rejected()
            )?;
        }
        if counts.tombstones > 0 {
            writeln!(
                out,
                "  tombstones, which hold no row: {}",
                counts.tombstones
            )?;
        }
        if self.target.is_some() && counts.objects < objects as u64 {
            writeln!(
                out,
                "The same command with --resume goes on with the others"
            )?;
        }
        Ok(())
    }
}

/// Returns counts by name, as ` (30 pin, 7 user)`; nothing where there are none.
fn listed<'a, K: Display + 'a>(counts: impl IntoIterator<Item = (&'a K, &'a u64)>) -> String {
    let counts = counts.into_iter();
    let shown: Vec<_> = counts
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!(" ({})", shown.join(", "))
    }
}
