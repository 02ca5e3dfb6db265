//! What goes wrong with a database, and what to do.

use std::path::PathBuf;

use sqlx::mysql::MySqlDatabaseError;

use super::creds::{Creds, CredsError};

/// A database that cannot be posted from. No message has the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MysqlError {
    /// The file with the login cannot be used.
    #[error(transparent)]
    Creds(#[from] CredsError),
    /// The connection cannot be trusted.
    #[error(
        "the server at `{address}` is another machine, and does not prove that it is the one ({detail}); name the file with \
         its certificate's authority as SSL_CA in `{}`, and give HOST as the certificate does",
        path.display()
    )]
    NotTrusted {
        /// Host and port.
        address: String,
        /// The file with the login.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// There is no server at the address, or it is another kind of server.
    #[error(
        "no MySQL or MariaDB server answers at `{address}` ({detail}); check HOST and PORT in `{}`, and that the \
         server runs",
        path.display()
    )]
    NoAnswer {
        /// Host and port.
        address: String,
        /// The file with the login.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// The server does not take the user and the password.
    #[error(
        "the server at `{address}` refuses the login ({detail}); check USER and PASSWORD in `{}`",
        path.display()
    )]
    LoginRefused {
        /// Host and port.
        address: String,
        /// The file with the login.
        path: PathBuf,
        /// What the server says.
        detail: String,
    },
    /// The server does not have the database, or not for this user.
    #[error(
        "the server at `{address}` does not open the database `{database}` ({detail}); check DATABASE in `{}`, and \
         that USER has the right to read it",
        path.display()
    )]
    NoDatabase {
        /// Host and port.
        address: String,
        /// The database.
        database: String,
        /// The file with the login.
        path: PathBuf,
        /// What the server says.
        detail: String,
    },
    /// There is no table.
    #[error(
        "the database `{database}` has none of the tables {names}; check DATABASE, or load a table, or give one of the \
         model's tables its name as a label"
    )]
    NoTable {
        /// The database.
        database: String,
        /// The names that it might have.
        names: String,
    },
    /// The user may not read a table.
    #[error("USER may not read the table `{table}` ({detail}); GRANT SELECT on it")]
    NoRight {
        /// The table.
        table: String,
        /// What the server says.
        detail: String,
    },
    /// The tables have nothing to post.
    #[error("the database `{database}` has no row to post: {problem}")]
    Empty {
        /// The database.
        database: String,
        /// Why there is none.
        problem: &'static str,
    },
    /// A value cannot be JSON.
    #[error("the table `{table}`, row {offset}: {problem}; mend the value or take it out")]
    BadValue {
        /// The table.
        table: String,
        /// Place of the row, from 0.
        offset: u64,
        /// Which value, and what is wrong with it.
        problem: String,
    },
    /// The server went away while it was read.
    #[error("the server at `{address}` went away ({detail}); see that it runs")]
    WentAway {
        /// Host and port.
        address: String,
        /// What the system says.
        detail: String,
    },
    /// Anything else that the server does not like.
    #[error("the server at `{address}` could not read the table `{table}` ({detail})")]
    Unreadable {
        /// Host and port.
        address: String,
        /// The table.
        table: String,
        /// What the server says.
        detail: String,
    },
}

/// What became of a query, or of a login, that was not done in time, or not well.
#[derive(Debug)]
pub(super) enum Fault {
    Timeout,
    Sqlx(sqlx::Error),
}

impl Fault {
    /// Returns the number of the server's error, if it is one.
    fn number(&self) -> Option<u16> {
        let Self::Sqlx(sqlx::Error::Database(error)) = self else {
            return None;
        };
        let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
        Some(error.number())
    }

    fn detail(&self) -> String {
        match self {
            Self::Timeout => "no answer in time".to_owned(),
            Self::Sqlx(sqlx::Error::Database(error)) => error.message().to_owned(),
            Self::Sqlx(sqlx::Error::Io(error)) => error.to_string(),
            Self::Sqlx(error) => error.to_string(),
        }
    }

    /// Says what a login failed of.
    pub(super) fn at_login(&self, creds: &Creds, path: PathBuf) -> MysqlError {
        let (address, detail) = (creds.address(), self.detail());
        // A wrong password, and a right one of a user whom another plugin knows.
        match self.number() {
            Some(1045 | 1698) => MysqlError::LoginRefused {
                address,
                path,
                detail,
            },
            // No right to the database, and no such database.
            Some(1044 | 1049) => MysqlError::NoDatabase {
                address,
                database: creds.database.clone(),
                path,
                detail,
            },
            // A certificate that is refused comes as an error of the connection.
            _ if matches!(self, Self::Sqlx(sqlx::Error::Tls(_)))
                || detail.contains("certificate") =>
            {
                MysqlError::NotTrusted {
                    address,
                    path,
                    detail,
                }
            }
            _ => MysqlError::NoAnswer {
                address,
                path,
                detail,
            },
        }
    }

    /// Says what a query of a table failed of.
    pub(super) fn in_query(&self, address: &str, database: &str, table: &str) -> MysqlError {
        let (address, detail) = (address.to_owned(), self.detail());
        let table = table.to_owned();
        match self.number() {
            Some(1146) => MysqlError::NoTable {
                database: database.to_owned(),
                names: table,
            },
            Some(1142 | 1143) => MysqlError::NoRight { table, detail },
            // The server is shutting down, the connection was killed, or was idle for too long.
            None | Some(1053 | 1927 | 3169 | 4031) => MysqlError::WentAway { address, detail },
            Some(_) => MysqlError::Unreadable {
                address,
                table,
                detail,
            },
        }
    }
}
