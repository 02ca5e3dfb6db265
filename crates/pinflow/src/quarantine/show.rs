//! `quarantine show`: a record with all that is known of it, and what the present rules say.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context as _, bail};
use aws_access::Bucket;
use event_model::Kind;
use lake::{ObjectKey, Sequence};

use super::walk::{Line, Walk, keys};
use super::{Damaged, listed, rules};
use crate::Terminal;
use crate::cli::Selection;

/// Shows the records of an object, or those with a sequence number.
pub(super) async fn command(
    what: &str,
    bucket: &Bucket,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    let (objects, sequence) = find(what, bucket).await?;
    let everything = Selection::default();
    let mut walk = Walk::of_keys(bucket, &everything, objects);
    let mut shown = 0_u64;
    while let Some((key, lines)) = walk.next(terminal.notes).await? {
        for line in lines.iter().filter(|line| is_meant(line, sequence)) {
            if shown > 0 {
                writeln!(terminal.out)?;
            }
            show(&key, line, terminal.out)?;
            shown += 1;
        }
    }
    if shown == 0 && walk.damaged.0 == 0 {
        bail!("no record {what} is in quarantine; `pinflow quarantine list` lists those that are");
    }
    Ok(walk.damaged)
}

/// Returns the keys of the objects to look at, and the sequence to look for; all records are meant without one.
async fn find(what: &str, bucket: &Bucket) -> anyhow::Result<(Vec<String>, Option<Sequence>)> {
    if what.contains('/') {
        let key: ObjectKey = what.parse()?;
        if !matches!(key, ObjectKey::Quarantine { .. }) {
            bail!(
                "`{what}` is the key of a clean object; the keys of quarantine begin with `quarantine/`"
            );
        }
        return Ok((vec![key.to_string()], None));
    }
    let sequence: Sequence = what.parse().context(
        "give the key of a quarantine object, or a record's sequence number as `pinflow quarantine list` lists it",
    )?;
    let is_in = |key: &ObjectKey| {
        let range = key.range();
        (range.first..=range.last).contains(&sequence.number)
    };
    let keys = keys(bucket, None).await?.into_iter().filter(is_in);
    Ok((keys.map(|key| key.to_string()).collect(), Some(sequence)))
}

fn is_meant(line: &Line, sequence: Option<Sequence>) -> bool {
    let own = line.origin.sequence;
    sequence.is_none_or(|sequence| match sequence.sub_number {
        Some(_) => own == sequence,
        None => own.number == sequence.number,
    })
}

fn show(key: &str, line: &Line, out: &mut dyn Write) -> io::Result<()> {
    let record = &line.record;
    let payload = record.payload();
    let mut field = |name: &str, value: &str| writeln!(out, "{name:16}{value}");
    field("key", key)?;
    field(
        "rejected as",
        &format!(
            "{} by version {} of the rules",
            record.code, record.rule_version
        ),
    )?;
    field("message", &record.message)?;
    field("kind", record.kind.as_deref().unwrap_or("not known"))?;
    field("partition key", &record.partition_key)?;
    field("shard", &record.shard)?;
    field("sequence number", &record.sequence_number)?;
    field("arrival", &record.arrival)?;
    field("replayed", if line.is_replayed { "yes" } else { "no" })?;
    let Some(payload) = payload else {
        return field("payload", "damaged: it is no base64");
    };
    field("today", &verdict(line, &payload))?;
    field("payload", &format!("{} bytes", payload.len()))?;
    match str::from_utf8(&payload) {
        Ok(text) => writeln!(out, "{text}"),
        Err(_) => writeln!(out, "{} (base64)", record.payload_base64),
    }
}

/// Returns what the present rules make of a record.
fn verdict(line: &Line, payload: &[u8]) -> String {
    let decoded = rules::decode(&line.origin, &line.record.partition_key, payload);
    let kinds = decoded.and_then(|decoded| {
        let mut kinds = BTreeMap::<Kind, u64>::new();
        for row in rules::clean(&decoded)? {
            *kinds.entry(row.row.kind()).or_default() += 1;
        }
        Ok(kinds)
    });
    match kinds {
        Ok(kinds) => format!("clean: {}", listed(kinds)),
        Err(rejection) => format!("rejected, {rejection}"),
    }
}
