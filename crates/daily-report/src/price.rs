//! What a day cost: its usage, at list prices.

use cost::{Day, DayCost, MEASUREMENTS, Stream};

use crate::summary::{Architecture, StreamMode, Usage};

/// Hours that a stream keeps a record, unless it is set.
const DEFAULT_RETENTION_HOURS: u32 = 24;

/// Computes what a day cost, at most; `None` when no row arrived.
pub fn price(usage: &Usage) -> Option<DayCost> {
    let day = Day {
        rows: usage.records,
        objects: usage.objects,
        clean_bytes: usage.clean_bytes,
        quarantine_bytes: usage.quarantine_bytes,
        table_bytes: usage.table_bytes,
        run_ms: usage.run_ms,
        stream: usage.stream.map(|stream| {
            let shards = f64::from(stream.shards);
            match stream.mode {
                StreamMode::Provisioned => Stream::Provisioned { shards },
                StreamMode::OnDemand => Stream::OnDemand { shards },
            }
        }),
        retention_hours: usage
            .stream
            .map_or(DEFAULT_RETENTION_HOURS, |stream| stream.retention_hours),
        architecture: match usage.architecture {
            Architecture::Arm64 => cost::Architecture::Arm64,
            Architecture::X86_64 => cost::Architecture::X86_64,
        },
    };
    day.cost(&MEASUREMENTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::StreamUsage;

    #[test]
    fn a_day_is_paid_for_the_stream_that_it_had() {
        assert_eq!(price(&Usage::default()), None);
        let usage = Usage {
            records: 2,
            objects: 1,
            ..Usage::default()
        };
        let cost = price(&usage).unwrap();
        // The shard is paid for by the month, and not by the two rows.
        assert!((15.0..20.0).contains(&cost.usd_fixed_per_month), "{cost:?}");
        assert!(cost.usd_per_million_rows < 100.0, "{cost:?}");
        let services: f64 = cost.by_service.iter().map(|(_, usd)| usd).sum();
        assert!((services - cost.usd).abs() < 1e-4);
        // A day of a shard, of the key, and of alarms and a dashboard.
        assert!((0.9..1.0).contains(&cost.usd), "{cost:?}");
        assert!(
            cost.assumptions
                .contains("one provisioned shard, as no stream was looked at"),
            "{cost:?}"
        );
        let stream = StreamUsage {
            mode: StreamMode::Provisioned,
            shards: 2,
            retention_hours: 24,
        };
        let cost = price(&Usage {
            stream: Some(stream),
            ..usage
        });
        let assumptions = cost.unwrap().assumptions;
        assert!(
            assumptions.contains(", 2 provisioned shards, "),
            "{assumptions}"
        );
    }
}
