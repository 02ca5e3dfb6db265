//! Why the stack does not start or stop.

use std::io;
use std::path::PathBuf;

/// The stack cannot start, or cannot close its state.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A setting is outside what AWS allows.
    #[error("{0}")]
    Setting(String),
    /// The folder cannot be made or written to.
    #[error("cannot write to the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nothing more can be stored.
    #[error(
        "the disk under `{}` is full, and nothing is stored any more: free some space and start again; what was acknowledged is there",
        path.display()
    )]
    DiskFull {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has the folder's state open.
    #[error("`{}` is in use: is another pinflow running on this folder?", path.display())]
    FolderInUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The state cannot be opened or read.
    #[error("cannot open the stream in `{}`", path.display())]
    Stream {
        /// The file.
        path: PathBuf,
        /// What the store says.
        #[source]
        source: Box<redb::Error>,
    },
    /// The folder's stream has another number of shards.
    #[error("`{}` holds a stream of {found} shards, not {wanted}: choose {found}, or another folder", path.display())]
    OtherShards {
        /// The file.
        path: PathBuf,
        /// How many shards it has.
        found: u32,
        /// How many were asked for.
        wanted: u32,
    },
    /// Another program listens on the port.
    #[error(
        "port {port} is in use: stop the program that listens there, or choose another port (0 takes any)"
    )]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The state cannot be read or written.
    #[error("cannot use the state in `{}`", path.display())]
    State {
        /// Its folder.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the stack panicked: a bug.
    #[error("a part of the stack panicked; this is a bug, and the log says where")]
    Panicked,
}
