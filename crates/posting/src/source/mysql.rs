//! The database of the old script: three tables, read over one connection.
//!
//! A post consists of the rows that are at the same place in each table, as `SELECT * FROM <table> LIMIT <offset>, 1` finds
//! them; the tables are sorted by their key, so that each run finds the same rows.

mod creds;
mod error;
mod value;

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use event_model::Kind;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _};
use tokio::time::timeout;

use super::order::Order;
use super::{Post, PostedRow};
use creds::Creds;
use error::Fault;

pub use creds::CredsError;
pub use error::MysqlError;

/// The rows of a database, in the order in which they are posted.
#[derive(Debug)]
pub struct Mysql {
    connection: MySqlConnection,
    address: String,
    database: String,
    tables: Vec<Table>,
    /// Rows of the longest table.
    rows: u64,
    order: Order,
    /// The number of the post after those that are ready.
    next: u64,
    /// Posts that were read together with an earlier one.
    ready: VecDeque<Post>,
}

/// A table, and by what its rows are sorted.
#[derive(Debug)]
struct Table {
    kind: Kind,
    name: &'static str,
    sorted_by: String,
}

/// How long a server may take to let one in.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to answer a query.
const QUERY_TIMEOUT: Duration = Duration::from_mins(1);
/// Most posts that are read in one query per table, when their rows follow each other.
const MAX_POSTS: u64 = 100;

/// Name of the table of a kind, and of its key.
fn table_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Pin => ("pinterest_data", "`index`"),
        Kind::Geo => ("geolocation_data", "`ind`"),
        Kind::User => ("user_data", "`ind`"),
    }
}

impl Mysql {
    /// Logs in with a file of the keys HOST, USER, PASSWORD, DATABASE and PORT, and looks at the three tables.
    ///
    /// The connection is encrypted if the server offers it, whatever its certificate.
    pub async fn open(path: &Path, order: Order) -> Result<Self, MysqlError> {
        let creds = Creds::read(path)?;
        let connection = connect(&creds)
            .await
            .map_err(|fault| fault.at_login(&creds, path.to_owned()))?;
        let mut mysql = Self {
            connection,
            address: creds.address(),
            database: creds.database,
            tables: Vec::new(),
            rows: 0,
            order,
            next: 0,
            ready: VecDeque::new(),
        };
        for kind in Kind::ALL {
            mysql.add_table(kind).await?;
        }
        let problem = match mysql.rows {
            0 => "its tables are empty",
            _ => "no offset of the sequence has a row",
        };
        if !mysql.order.fit(mysql.rows) {
            return Err(MysqlError::Empty {
                database: mysql.database,
                problem,
            });
        }
        Ok(mysql)
    }

    /// Returns which database it is, without the login.
    pub fn place(&self) -> String {
        format!("{}/{}", self.address, self.database)
    }

    /// Returns how many rows the longest of the tables had when they were looked at.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the next post; a table that ends before the row is left out.
    pub(super) async fn next_post(&mut self) -> Result<Post, MysqlError> {
        loop {
            if let Some(post) = self.ready.pop_front() {
                return Ok(post);
            }
            self.read_posts().await?;
        }
    }

    /// Goes past posts, as if they had been returned.
    pub(super) fn skip(&mut self, posts: u64) {
        self.next += self.ready.len() as u64 + posts;
        self.ready.clear();
    }

    /// Reads the next post, and those after it whose rows follow on its own.
    async fn read_posts(&mut self) -> Result<(), MysqlError> {
        let first = self.order.offset(self.next, self.rows);
        let follows =
            |posts: &u64| self.order.offset(self.next + posts, self.rows) == first + posts;
        let posts = (0..MAX_POSTS).take_while(follows).count() as u64;
        let mut read = (0..posts)
            .map(|post| Post {
                offset: (first + post).cast_signed(),
                rows: Vec::new(),
            })
            .collect::<VecDeque<_>>();
        for place in 0..self.tables.len() {
            let Some(Table {
                kind,
                name,
                sorted_by,
            }) = self.tables.get(place)
            else {
                break;
            };
            let (kind, name) = (*kind, *name);
            let sql = format!("SELECT * FROM `{name}` ORDER BY {sorted_by} LIMIT {first}, {posts}");
            let rows = self.query(name, sql).await?;
            for (post, row) in read.iter_mut().zip(&rows) {
                let json = json_of(row, name, post.offset)?;
                post.rows.push(PostedRow { kind, json });
            }
        }
        self.next += posts;
        self.ready = read;
        Ok(())
    }

    /// Looks at the table of a kind.
    async fn add_table(&mut self, kind: Kind) -> Result<(), MysqlError> {
        let (name, key) = table_of(kind);
        let sql = format!("SELECT COUNT(*), COUNT(DISTINCT {key}) FROM `{name}`");
        let counts = self.query(name, sql).await?;
        let count = |column: usize| -> u64 {
            let text = counts
                .first()
                .and_then(|row| row.try_get_unchecked::<&str, _>(column).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let mut sorted_by = key.to_owned();
        if count(0) != count(1) {
            // Rows with the same key would come in another order in each query, and one of them twice.
            let sql = format!("SELECT * FROM `{name}` LIMIT 1");
            let row = self.query(name, sql).await?;
            for column in 1..=row.first().map_or(0, MySqlRow::len) {
                sorted_by = format!("{sorted_by}, {column}");
            }
        }
        self.rows = self.rows.max(count(0));
        self.tables.push(Table {
            kind,
            name,
            sorted_by,
        });
        Ok(())
    }

    async fn query(
        &mut self,
        table: &'static str,
        sql: String,
    ) -> Result<Vec<MySqlRow>, MysqlError> {
        // Not a prepared statement, because its answer is not in text.
        let query = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection);
        let answer = match timeout(QUERY_TIMEOUT, query).await {
            Ok(answer) => answer.map_err(Fault::Sqlx),
            Err(_) => Err(Fault::Timeout),
        };
        answer.map_err(|fault| fault.in_query(&self.address, &self.database, table))
    }
}

fn json_of(row: &MySqlRow, table: &'static str, offset: i64) -> Result<Bytes, MysqlError> {
    value::render(row).map_err(|problem| MysqlError::BadValue {
        table,
        offset: offset.unsigned_abs(),
        problem,
    })
}

async fn connect(creds: &Creds) -> Result<MySqlConnection, Fault> {
    let options = MySqlConnectOptions::new()
        .host(&creds.host)
        .port(creds.port)
        .username(&creds.user)
        .password(&creds.password)
        .database(&creds.database)
        .ssl_mode(MySqlSslMode::Preferred)
        // Statements have no secret, but a slow one would be logged with each post.
        .disable_statement_logging();
    match timeout(LOGIN_TIMEOUT, options.connect()).await {
        Ok(connection) => connection.map_err(Fault::Sqlx),
        Err(_) => Err(Fault::Timeout),
    }
}
