//! What a load meets before its bill: the limits of AWS and of the stack, what helps, and from which load on.

use crate::bill::{Bill, count};
use crate::load::{Load, Settings, Stream};
use crate::measured::{Measurements, billed_ms};
use crate::records::Records;
use crate::stack;
use crate::usage::Usage;

/// Seconds that a request waits when the stream throttles, where `patience_s` says nothing else.
const PATIENCE_SECONDS: f64 = 3.0;

/// Notes the limits that a month of a load meets.
pub(crate) fn note(
    bill: &mut Bill,
    load: &Load,
    settings: &Settings,
    usage: &Usage,
    measured: &Measurements,
) {
    let requests = load.rows_per_second / load.rows_per_request;
    if requests > stack::API_RATE {
        bill.notes.push(format!(
            "The API takes {:.0} requests a second where nothing else is set, and this load makes {}: set the rate of api_throttle.",
            stack::API_RATE,
            count(requests)
        ));
    }
    let shards = settings.stream.shards();
    let most = (stack::ACCOUNT_CONCURRENCY - shards - 1.0) / PATIENCE_SECONDS;
    if requests > most {
        bill.notes.push(format!(
            "When the stream throttles, each request waits for {PATIENCE_SECONDS:.0} s: from {} requests a second on that is more than the \
             {} executions of an account ({} environments are at work in quiet times). Ask AWS for a higher quota and set \
             account_concurrency, or lower patience_s.",
            count(most.floor()),
            count(stack::ACCOUNT_CONCURRENCY),
            count(usage.environments())
        ));
    }
    if let Stream::Provisioned { shards } = settings.stream {
        let records = Records::of(load, settings.packing, measured);
        let share = load.shard_share(&records);
        let full = share / shards;
        if full > stack::SHARD_HEADROOM {
            bill.notes.push(format!(
                "The stream is {:.0} % full, so that a burst is throttled: {} shards leave the headroom that an uneven load needs \
                 (from {:.0} % on).",
                full * 100.0,
                count((share / stack::SHARD_HEADROOM).ceil()),
                stack::SHARD_HEADROOM * 100.0
            ));
        }
    }
    note_about_the_day(bill, load, settings, usage, measured);
}

/// Notes whether a day's run can be done: merges go on in further invocations, the reports of a day must end in one.
pub(crate) fn note_about_the_day(
    bill: &mut Bill,
    load: &Load,
    settings: &Settings,
    usage: &Usage,
    measured: &Measurements,
) {
    let limit_ms = stack::DAILY_BATCH_TIMEOUT_SECONDS * 1_000.0;
    if usage.reports_ms < limit_ms {
        return;
    }
    let a_row_ms = measured.daily_batch.table_row_cpu_ms;
    let rows = limit_ms / billed_ms(0.0, a_row_ms * 1e6, stack::DAILY_BATCH_MEMORY_MB) * 1e6;
    let a_second = rows / (86_400.0 * (1.0 - load.repeated) * settings.age_days);
    let from = if load.table_rows.is_none() && a_second.is_finite() {
        format!(
            "after {:.0} days that is from {} rows a second on",
            settings.age_days,
            count(a_second)
        )
    } else {
        "the tables are what counts, not the load".to_owned()
    };
    bill.notes.push(format!(
        "daily-batch cannot do the reports of such tables within the 15 minutes of an invocation: it reads some {} rows in that time, and \
         {from}. The bill has the time that it would need. Another engine is what helps, or fewer rows (--table-rows).",
        count(rows)
    ));
}

impl Load {
    /// Returns how many shards the load fills.
    pub(crate) fn shard_share(&self, records: &Records) -> f64 {
        let a_second = self.rows_per_second / records.rows;
        let bytes = a_second * records.bytes / stack::SHARD_IN_BYTES;
        bytes.max(a_second / stack::SHARD_IN_RECORDS)
    }
}

/// Returns a month's bill of a load, with the limits that it meets.
pub fn pinflow(load: &Load, settings: &Settings, measured: &Measurements) -> Bill {
    let usage = Usage::month(load, settings, measured);
    let mut bill = usage.bill(settings);
    note(&mut bill, load, settings, &usage, measured);
    bill
}
