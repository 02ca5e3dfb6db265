//! Rows of a user's own → how many bytes they have, and how many as clean objects.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use cleaning::{Cleaner, KindSource, Piece, clean_record};
use event_model::{SequenceNumber, ShardId};
use lake::{LakeError, Lineage, PartitionedWriter, Sequence};
use model::Model;

/// Rows of an object: what stream-cleaner's events hold under load.
const OBJECT_ROWS: usize = 6_000;

/// What rows come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// How many became rows.
    pub(crate) rows: usize,
    /// Mean bytes of a row as it is posted.
    pub(crate) row_bytes: f64,
    /// Bytes of a clean object for each byte of its rows.
    pub(crate) clean_ratio: f64,
}

impl Sample {
    /// Reads rows from a file, a row a line, cleans them, and writes them in memory as stream-cleaner does.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or no line of it becomes a row.
    pub(crate) fn read(path: &Path, model: &Arc<Model>) -> anyhow::Result<Self> {
        let text = std::fs::read(path)
            .with_context(|| format!("could not read the rows of `{}`", path.display()))?;
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let mut cleaner = Cleaner::new(Arc::clone(model));
        let (mut rows, mut posted, mut written) = (0, 0, 0);
        for batch in lines.chunks(OBJECT_ROWS) {
            let mut objects = PartitionedWriter::new(Arc::clone(model));
            for (number, line) in (1..).zip(batch) {
                let lineage = Lineage {
                    shard: &ShardId::from_number(0),
                    sequence: Sequence {
                        number: SequenceNumber::from_limbs([0, 0, number]),
                        sub_number: None,
                    }
                    .into(),
                    arrival_micros: 0,
                };
                let mut each = |piece: Piece<'_, '_>| -> Result<(), LakeError> {
                    if let Ok(row) = &piece.outcome {
                        objects.append(row, &lineage, || ())?;
                        rows += 1;
                        posted += piece.data.len();
                    }
                    Ok(())
                };
                let source = KindSource::PartitionKey;
                clean_record(&mut cleaner, line, "", None, source, &mut each)?;
            }
            for partition in objects.into_partitions() {
                written += partition.writer.finish_parquet()?.len();
            }
        }
        ensure!(
            rows > 0,
            "no line of `{}` is a row that the rules accept; `pinflow clean` says why",
            path.display()
        );
        Ok(Self {
            rows,
            row_bytes: ratio(posted, rows),
            clean_ratio: ratio(written, posted),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a file of rows is far below 2^53 bytes"
)]
fn ratio(of: usize, to: usize) -> f64 {
    of as f64 / to as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_measured_as_they_are_posted_and_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.ndjson");
        let row = r#"{"index": 7528, "title": "Untitled", "category": "art"}"#;
        let rows = format!("{row}\n\n{row}\nno row\n");
        std::fs::write(&path, rows).unwrap();
        let sample = Sample::read(&path, &Model::load_from(None).unwrap()).unwrap();
        assert_eq!(sample.rows, 2);
        assert!((sample.row_bytes - ratio(row.len(), 1)).abs() < 1e-9);
        // Two rows are mostly the footer of their object.
        assert!(sample.clean_ratio > 1.0, "{sample:?}");

        std::fs::write(&path, "no row\n").unwrap();
        let error = Sample::read(&path, &Model::load_from(None).unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("`pinflow clean` says why"), "{error}");
    }
}
