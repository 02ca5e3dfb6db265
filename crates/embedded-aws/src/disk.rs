//! A full disk: it is reported once, and to whoever waits for it.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::StackError;

/// The disk under the stack's folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    folder: Arc<PathBuf>,
    full: CancellationToken,
}

impl Disk {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder: Arc::new(folder),
            full: CancellationToken::new(),
        }
    }

    /// Looks at why something could not be written.
    pub(crate) fn note(&self, failure: &io::Error) {
        let is_full = matches!(
            failure.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        );
        if is_full && !self.full.is_cancelled() {
            self.full.cancel();
            error!("{}", self.error());
        }
    }

    /// Returns when the disk is full, with the error that says so.
    pub(crate) async fn filled(&self) -> StackError {
        self.full.cancelled().await;
        self.error()
    }

    fn error(&self) -> StackError {
        StackError::DiskFull {
            path: self.folder.to_path_buf(),
        }
    }
}
