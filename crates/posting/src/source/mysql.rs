//! The database of the old script: its tables, read over one connection.
//!
//! A post consists of the rows that are at the same place in each table, as `SELECT * FROM <table> LIMIT <offset>, 1` finds
//! them; the tables are sorted by their key, so that each run finds the same rows. A walk through a table goes on after the
//! last key, so that what is deleted meanwhile moves no other row.

mod creds;
mod error;
mod value;

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use event_model::Kind;
use model::Model;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, MySqlConnection, Row as _, TypeInfo as _,
};
use tokio::time::timeout;

use super::order::Order;
use super::{Post, PostedRow, RowKey, ndjson};
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
    /// Labels of each table of the model of which the database has none.
    missing: Vec<(Kind, String)>,
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
    /// The table of the model.
    of_model: model::Table,
    name: String,
    /// The key's column, in quotes; none for a table that has no key.
    key: Option<String>,
    sorted_by: String,
    /// Where the walk through the table is, if the rows before it were read.
    cursor: Option<Cursor>,
}

/// A place in a table: after so many rows of a key.
///
/// A row that is deleted before it moves no later one, as it would were rows counted from the start; and the server finds it
/// by the key, not by counting.
#[derive(Debug)]
struct Cursor {
    /// The row's place, had none been deleted or added.
    place: u64,
    key: i64,
    /// Rows of this key that were read.
    rows_of_key: u64,
}

impl Table {
    /// Returns the statement that reads rows from a place on.
    fn statement(&self, first: u64, count: u64) -> String {
        let Self {
            name,
            key,
            sorted_by,
            ..
        } = self;
        let cursor = self.cursor.as_ref().filter(|cursor| cursor.place == first);
        let (from, skipped) = match cursor.zip(key.as_deref()) {
            Some((cursor, key)) => (
                format!("WHERE {key} >= {} ", cursor.key),
                cursor.rows_of_key,
            ),
            None => (String::new(), first),
        };
        format!("SELECT * FROM `{name}` {from}ORDER BY {sorted_by} LIMIT {skipped}, {count}")
    }

    /// Notes which rows were read up to a place.
    fn go_past(&mut self, place: u64, answer: &[MySqlRow], rows: &[PostedRow]) {
        let Some((last, read)) = rows.last().zip(answer.last()) else {
            // The table has ended; others may be longer.
            if let Some(cursor) = &mut self.cursor {
                cursor.place = place;
            }
            return;
        };
        let before = self.cursor.take();
        // A key of another type is sorted in another way than it is compared with a number.
        let Some(name) = &self.key else {
            return;
        };
        let column = read.try_column(name.trim_matches('`'));
        let is_integer = column.is_ok_and(|column| column.type_info().name().contains("INT"));
        let Some(RowKey::Integer(key)) = last.key.clone().filter(|_| is_integer) else {
            return;
        };
        let same = Some(RowKey::Integer(key));
        let of_key = rows.iter().rev().take_while(|row| row.key == same);
        let of_key = of_key.count() as u64;
        let goes_on = |cursor: &Cursor| {
            cursor.key == key && of_key == rows.len() as u64 && cursor.place + of_key <= place
        };
        let earlier = before.filter(goes_on);
        self.cursor = Some(Cursor {
            place,
            key,
            rows_of_key: earlier.map_or(0, |cursor| cursor.rows_of_key) + of_key,
        });
    }
}

/// How long a server may take to let one in.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to answer a query.
const QUERY_TIMEOUT: Duration = Duration::from_mins(1);
/// Most posts that are read in one query per table, when their rows follow each other.
const MAX_POSTS: u64 = 100;

impl Mysql {
    /// Logs in with a file of the keys HOST, USER, PASSWORD, DATABASE and PORT, and looks at the tables that have a label of
    /// the model's.
    ///
    /// A connection to another machine is encrypted, with a certificate for its name of an authority that this machine or the
    /// file `SSL_CA` trusts; one to this machine if the server offers it.
    pub async fn open(model: &Model, path: &Path, order: Order) -> Result<Self, MysqlError> {
        let creds = Creds::read(path)?;
        let connection = connect(&creds)
            .await
            .map_err(|fault| fault.at_login(&creds, path.to_owned()))?;
        let mut mysql = Self {
            connection,
            address: creds.address(),
            database: creds.database,
            tables: Vec::new(),
            missing: Vec::new(),
            rows: 0,
            order,
            next: 0,
            ready: VecDeque::new(),
        };
        let names = mysql.names("SHOW TABLES".to_owned(), "").await?;
        for table in model.tables() {
            match table.labels.iter().find(|label| names.contains(label)) {
                Some(name) => mysql.add_table(table.clone(), name.clone()).await?,
                None => mysql.missing.push((table.kind, table.labels.join(", "))),
            }
        }
        if mysql.tables.is_empty() {
            let labels = mysql.missing.iter().map(|(_, labels)| labels.as_str());
            return Err(MysqlError::NoTable {
                names: labels.collect::<Vec<_>>().join(", "),
                database: mysql.database,
            });
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

    /// Returns each table of the model of which the database has none, with the names that it might have; no row of it is
    /// posted.
    pub fn missing(&self) -> &[(Kind, String)] {
        &self.missing
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
            let rows = self.read_rows(place, first, posts).await?;
            for (post, row) in read.iter_mut().zip(rows) {
                post.rows.push(row);
            }
        }
        self.next += posts;
        self.ready = read;
        Ok(())
    }

    /// Reads rows of one of the tables from a place in it on; fewer where it ends.
    async fn read_rows(
        &mut self,
        table: usize,
        first: u64,
        count: u64,
    ) -> Result<Vec<PostedRow>, MysqlError> {
        let table = &mut self.tables[table];
        let name = table.name.clone();
        let sql = table.statement(first, count);
        let answer = query(&mut self.connection, sql).await;
        let answer =
            answer.map_err(|fault| fault.in_query(&self.address, &self.database, &name))?;
        let mut rows = Vec::new();
        for (place, row) in (first..).zip(&answer) {
            let json = value::render(row).map_err(|problem| MysqlError::BadValue {
                table: name.clone(),
                offset: place,
                problem,
            })?;
            // What is rendered is JSON.
            let key = ndjson::key(&json, &table.of_model).ok().flatten();
            let kind = table.of_model.kind;
            rows.push(PostedRow { kind, key, json });
        }
        table.go_past(first + count, &answer, &rows);
        Ok(rows)
    }

    /// Looks at a table of the database.
    async fn add_table(&mut self, of_model: model::Table, name: String) -> Result<(), MysqlError> {
        let columns = self
            .names(format!("SHOW COLUMNS FROM `{name}`"), &name)
            .await?;
        let fields = of_model.key_column().map(|column| column.from.iter());
        let mut fields = fields.into_iter().flatten();
        let key = fields.find(|field| columns.contains(field));
        let key = key.map(|key| format!("`{key}`"));
        let distinct = key.as_deref().unwrap_or("NULL");
        let sql = format!("SELECT COUNT(*), COUNT(DISTINCT {distinct}) FROM `{name}`");
        let counts = self.query(&name, sql).await?;
        let count = |column: usize| -> u64 {
            let text = counts
                .first()
                .and_then(|row| row.try_get_unchecked::<&str, _>(column).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let mut sorted_by: Vec<String> = key.iter().cloned().collect();
        if count(0) != count(1) {
            // Rows with the same key would come in another order in each query, and one of them twice.
            sorted_by.extend((1..=columns.len()).map(|place| place.to_string()));
        }
        self.rows = self.rows.max(count(0));
        self.tables.push(Table {
            of_model,
            name,
            key,
            sorted_by: sorted_by.join(", "),
            cursor: None,
        });
        Ok(())
    }

    /// Returns the first column of an answer, which is one of names.
    async fn names(&mut self, sql: String, table: &str) -> Result<Vec<String>, MysqlError> {
        let answer = self.query(table, sql).await?;
        let names = answer.iter().filter_map(|row| {
            let name = row.try_get_unchecked::<&[u8], _>(0).ok()?;
            String::from_utf8(name.to_vec()).ok()
        });
        Ok(names.collect())
    }

    async fn query(&mut self, table: &str, sql: String) -> Result<Vec<MySqlRow>, MysqlError> {
        let answer = query(&mut self.connection, sql).await;
        answer.map_err(|fault| fault.in_query(&self.address, &self.database, table))
    }
}

async fn query(connection: &mut MySqlConnection, sql: String) -> Result<Vec<MySqlRow>, Fault> {
    // Not a prepared statement, because its answer is not in text.
    let query = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection);
    match timeout(QUERY_TIMEOUT, query).await {
        Ok(answer) => answer.map_err(Fault::Sqlx),
        Err(_) => Err(Fault::Timeout),
    }
}

async fn connect(creds: &Creds) -> Result<MySqlConnection, Fault> {
    let ssl_mode = if creds.is_loopback() {
        MySqlSslMode::Preferred
    } else {
        MySqlSslMode::VerifyIdentity
    };
    let mut options = MySqlConnectOptions::new()
        .host(&creds.host)
        .port(creds.port)
        .username(&creds.user)
        .password(&creds.password)
        .database(&creds.database)
        .ssl_mode(ssl_mode)
        // Statements have no secret, but a slow one would be logged with each post.
        .disable_statement_logging();
    if let Some(ssl_ca) = &creds.ssl_ca {
        options = options.ssl_ca(ssl_ca);
    }
    match timeout(LOGIN_TIMEOUT, options.connect()).await {
        Ok(connection) => connection.map_err(Fault::Sqlx),
        Err(_) => Err(Fault::Timeout),
    }
}
