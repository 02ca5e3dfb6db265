//! `quarantine show`: a record with all that is known of it, and what the present rules say.

use model::Model;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use aws_access::Bucket;
use cleaning::{Cleaner, KindSource, Rejection, RejectionCode};
use event_model::Kind;
use lake::{LakeError, ObjectKey, Sequence};

use super::walk::{Line, Walk, keys};
use super::{Damaged, listed, rules};
use crate::Terminal;
use crate::cli::Selection;

/// Shows the records of an object, or those with a sequence number.
pub(super) async fn command(
    what: &str,
    model: &Arc<Model>,
    bucket: &Bucket,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    let (objects, sequence) = find(what, bucket).await?;
    let everything = Selection::default();
    let mut walk = Walk::of_keys(bucket, &everything, model, objects);
    let mut shown = 0_u64;
    while let Some((key, lines)) = walk.next(terminal.notes).await? {
        for line in lines.iter().filter(|line| is_meant(line, sequence)) {
            if shown > 0 {
                writeln!(terminal.out)?;
            }
            show(&key, line, &mut walk.cleaner, terminal.out)?;
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

fn show(key: &str, line: &Line, cleaner: &mut Cleaner, out: &mut dyn Write) -> anyhow::Result<()> {
    let record = &line.record;
    let payload = record.payload();
    let today = match &payload {
        Some(payload) => verdict(line, payload, cleaner)?,
        None => String::new(),
    };
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
        return Ok(field("payload", "damaged: it is no base64")?);
    };
    field("today", &today)?;
    field("payload", &format!("{} bytes", payload.len()))?;
    match str::from_utf8(&payload) {
        Ok(text) => writeln!(out, "{text}")?,
        Err(_) => writeln!(out, "{} (base64)", record.payload_base64)?,
    }
    Ok(())
}

/// Returns what the present rules make of a record.
fn verdict(line: &Line, payload: &[u8], cleaner: &mut Cleaner) -> anyhow::Result<String> {
    let rejection = match kinds(line, payload, cleaner, KindSource::PartitionKey)? {
        Ok(kinds) => return Ok(format!("clean: {kinds}")),
        Err(rejection) => rejection,
    };
    let of_kind = [RejectionCode::WrongKind, RejectionCode::UnknownKind];
    let advice = match kinds(line, payload, cleaner, KindSource::Fields)? {
        Ok(kinds) if of_kind.contains(&rejection.code) => {
            format!("; by its fields it is {kinds}: `pinflow quarantine replay --by-fields`")
        }
        _ if rejection.code == RejectionCode::UnknownKind => {
            "; `pinflow quarantine replay --as KIND` says what it is".to_owned()
        }
        _ => String::new(),
    };
    Ok(format!("rejected, {rejection}{advice}"))
}

/// Returns how many rows of which kind a record becomes.
fn kinds(
    line: &Line,
    payload: &[u8],
    cleaner: &mut Cleaner,
    source: KindSource,
) -> Result<Result<String, Rejection>, LakeError> {
    let mut kinds = BTreeMap::<Kind, u64>::new();
    let key = &line.record.partition_key;
    let outcome = rules::clean(cleaner, &line.origin, key, payload, source, |_, row| {
        *kinds.entry(row.kind()).or_default() += 1;
        Ok(())
    })?;
    Ok(outcome.map(|()| listed(kinds)))
}
