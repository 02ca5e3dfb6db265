//! A Parquet file in the bucket that is read a few columns at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::RowsError;

/// Bytes at the end of a file that are fetched first: most footers fit.
const FOOTER_BYTES: usize = 64 * 1024;

/// Fetches ranges of a file's bytes.
#[derive(Debug)]
pub(crate) struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl RemoteFile {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self { store, path, size }
    }
}

/// Reads the number of rows of a file from its footer.
pub(crate) async fn row_count(
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
) -> std::result::Result<u64, RowsError> {
    let metadata = RemoteFile::new(store, path, size)
        .get_metadata(None)
        .await?;
    Ok(u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default())
}

impl AsyncFileReader for RemoteFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { Ok(self.store.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        // Ranges that lie close together become one request.
        async move { Ok(self.store.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
