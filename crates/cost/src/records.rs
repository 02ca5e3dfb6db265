//! The rows of a request → the records that Kinesis bills, as ingest-api packs them.

use crate::load::{Load, Wire};
use crate::measured::Measurements;
use crate::stack;

/// How ingest-api packs the rows of a request (the Terraform variable `packing`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packing {
    /// A record for each row.
    Off,
    /// The rows of a partition key are one record, a row a line.
    Lines {
        /// Partition keys that the rows of a table are spread over.
        partition_keys: f64,
    },
    /// The same, compressed.
    Gzip {
        /// Partition keys that the rows of a table are spread over.
        partition_keys: f64,
    },
}

/// What a record of a load is, on the average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Records {
    /// Rows in it.
    pub rows: f64,
    /// Its bytes.
    pub bytes: f64,
}

impl Records {
    /// Computes the records of a load: a request has rows of one table, of which some share each partition key.
    pub fn of(load: &Load, packing: Packing, measured: &Measurements) -> Self {
        let is_packed = matches!(load.wire, Wire::Events | Wire::EventsMinimal);
        let rows = |partition_keys: f64, max_bytes: f64| {
            let rows = load.rows_per_request;
            let used = partition_keys * (1.0 - (1.0 - 1.0 / partition_keys).powf(rows));
            let fitting = (max_bytes / load.row_bytes).floor().max(1.0);
            (rows / used).clamp(1.0, fitting)
        };
        match packing {
            Packing::Lines { partition_keys } if is_packed => {
                let rows = rows(partition_keys, stack::PACKED_LINES_MAX_BYTES);
                // A line end behind each row but the last.
                let bytes = rows * (load.row_bytes + 1.0) - 1.0;
                Self { rows, bytes }
            }
            Packing::Gzip { partition_keys } if is_packed => {
                let rows = rows(partition_keys, stack::PACKED_GZIP_MAX_BYTES);
                let bytes = rows * load.row_bytes * measured.gzip_ratio(rows);
                Self { rows, bytes }
            }
            _ => Self {
                rows: 1.0,
                bytes: load.row_bytes,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MEASUREMENTS;

    const LOAD: Load = Load {
        rows_per_second: 1_000.0,
        row_bytes: 700.0,
        rows_per_request: 500.0,
        body_ratio: 1.0,
        table_rows: None,
        repeated: 0.0,
        clean_ratio: None,
        wire: Wire::EventsMinimal,
    };

    fn rows(load: &Load, packing: Packing) -> f64 {
        Records::of(load, packing, &MEASUREMENTS).rows
    }

    #[test]
    fn rows_share_a_record_where_they_share_a_partition_key() {
        let partition_keys = 16.0;
        let lines = Packing::Lines { partition_keys };
        assert!((rows(&LOAD, lines) - 500.0 / 16.0).abs() < 0.01);
        let few = Load {
            rows_per_request: 1.0,
            ..LOAD
        };
        assert!((rows(&few, lines) - 1.0).abs() < 1e-9);
        // 146 rows of 700 bytes are 100 KiB.
        let partition_keys = 1.0;
        let lines = Packing::Lines { partition_keys };
        assert!((rows(&LOAD, lines) - 146.0).abs() < 0.01);
        assert!((rows(&LOAD, Packing::Gzip { partition_keys }) - 500.0).abs() < 0.01);
        let old = Load {
            wire: Wire::Kafka,
            ..LOAD
        };
        assert!((rows(&old, lines) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn packed_rows_need_fewer_shards() {
        let load = Load {
            rows_per_second: 4_000.0,
            ..LOAD
        };
        let shards = |packing| load.shards(&Records::of(&load, packing, &MEASUREMENTS));
        assert!((shards(Packing::Off) - 4.0).abs() < 1e-9);
        let partition_keys = 16.0;
        // 2.8 MB a second, of 1 MiB each.
        assert!((shards(Packing::Lines { partition_keys }) - 3.0).abs() < 1e-9);
        assert!((shards(Packing::Gzip { partition_keys }) - 1.0).abs() < 1e-9);
    }
}
