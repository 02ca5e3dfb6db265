//! A table as its file declares it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use event_model::{KeyValue, Kind};
use json_reader::{Value, number};

use crate::ENGINE_VERSION;
use crate::fields::FieldId;

/// Degrees of latitude to either side of the equator.
pub const LATITUDE_MAX: f64 = 90.0;
/// Degrees of longitude to either side of Greenwich.
pub const LONGITUDE_MAX: f64 = 180.0;

/// A table: its columns, and how its rows are recognised and merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The table's name, which is that of its file.
    pub kind: Kind,
    /// What a row is, in a few words.
    pub description: String,
    /// What topics, streams, paths and partition keys call it; the table's own name first.
    pub labels: Vec<String>,
    /// Fields that decide where a row has as many fields of another table.
    pub recognised_by: Vec<String>,
    /// The key column's place in `columns`; a table that keeps every record may have none.
    pub key: Option<usize>,
    /// Place of the column that says which row of a key is the latest.
    pub order_by: Option<usize>,
    /// What becomes of rows that come again.
    pub merge: Merge,
    /// The columns, in the order in which they are stored.
    pub columns: Vec<Column>,
    /// Fields that are dropped.
    pub ignore: Vec<String>,
    /// Number that its author raises so that rows of newer rules take the place of older ones of the same record.
    pub version: u16,
    /// The file.
    pub file: PathBuf,
    /// Line and column of the labels.
    pub(crate) labels_place: (usize, usize),
    /// The ignored fields.
    pub(crate) ignored: Vec<FieldId>,
}

/// What becomes of rows that come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// One row of a key, the latest.
    Latest,
    /// Every record, once.
    Append {
        /// Places of the columns that tell rows apart which clients send again; without any, each record is another.
        dedupe: Vec<usize>,
    },
}

/// A column: its type, what it is read from, and the rules of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its type.
    pub data_type: ColumnType,
    /// Names of the fields that it is read from: of a point and of joined text all of them, else the first that is readable.
    pub from: Vec<String>,
    /// Whether the fields are joined, with one blank between them.
    pub is_joined: bool,
    /// Exact spellings of missing data.
    pub null_if: Vec<String>,
    /// How a number is written.
    pub format: Option<Format>,
    /// What is taken off the start of a text.
    pub strip_prefix: Option<String>,
    /// Most characters of a text.
    pub max_length: Option<usize>,
    /// The numbers that it takes.
    pub range: Range,
    /// What a number means in a timestamp.
    pub epoch: Option<Epoch>,
    /// The fields of `from`.
    pub inputs: Vec<FieldId>,
    /// The field with the column's own name, where `from` has it not: a clean row has the value there.
    pub own: Option<FieldId>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the files name it")]
pub enum ColumnType {
    Text,
    Int32,
    Int64,
    Float64,
    Boolean,
    Date,
    Timestamp,
    /// Digits in all, and behind the point.
    Decimal(u8, u8),
    Point,
    Json,
}

impl ColumnType {
    /// Reads a type as the files spell it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "text" => Self::Text,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "point" => Self::Point,
            "json" => Self::Json,
            _ => {
                let digits = text.strip_prefix("decimal(")?.strip_suffix(')')?;
                let (precision, scale) = digits.split_once(',')?;
                let precision: u8 = precision.trim().parse().ok()?;
                let scale: u8 = scale.trim().parse().ok()?;
                let is_valid = (1..=38).contains(&precision) && scale <= precision;
                return is_valid.then_some(Self::Decimal(precision, scale));
            }
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Text => "text",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Decimal(precision, scale) => {
                return formatter.pad(&format!("decimal({precision},{scale})"));
            }
            Self::Point => "point",
            Self::Json => "json",
        };
        formatter.pad(name)
    }
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `10k`, `5.6M`, `1B`, `1,234`.
    ShortCount,
}

/// What a number means in a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Seconds since 1970-01-01 UTC.
    Seconds,
    /// Milliseconds since then.
    Milliseconds,
}

/// The numbers that a column takes: of whole numbers and decimals in units of the last digit, or of floating-point ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Least and greatest whole number.
    pub whole: (Option<i128>, Option<i128>),
    /// Least and greatest floating-point number.
    pub float: (Option<f64>, Option<f64>),
}

impl Range {
    /// Tells whether a whole number is in the range.
    pub fn has(&self, number: i128) -> bool {
        self.whole.0.is_none_or(|min| number >= min) && self.whole.1.is_none_or(|max| number <= max)
    }

    /// Tells whether a floating-point number is in the range.
    pub fn has_float(&self, number: f64) -> bool {
        self.float.0.is_none_or(|min| number >= min) && self.float.1.is_none_or(|max| number <= max)
    }
}

impl Column {
    /// Reads the value of a key that is posted as a number, as most are; `None` for what cannot be one.
    #[inline]
    pub fn key_of_number<'a>(&self, spelling: &'a str) -> Option<KeyValue<'a>> {
        if self.data_type == ColumnType::Int64 {
            let key = number::integer(spelling)?;
            return self.range.has(key.into()).then_some(KeyValue::Integer(key));
        }
        self.key_value(&Value::Number(spelling))
    }

    /// Reads the value of a key; `None` for what cannot be one.
    pub fn key_value<'a>(&self, value: &Value<'a>) -> Option<KeyValue<'a>> {
        if self.data_type == ColumnType::Int64 {
            let key = number::integer_value(value)?;
            return self.range.has(key.into()).then_some(KeyValue::Integer(key));
        }
        let text = match value {
            Value::Text(text) => text.decode(),
            Value::Number(spelling) => Cow::Borrowed(*spelling),
            _ => return None,
        };
        let most = self
            .max_length
            .map_or(KEY_LENGTH, |most| most.min(KEY_LENGTH));
        let is_marker = self.null_if.iter().any(|marker| **marker == *text);
        let is_key = !text.trim().is_empty() && !is_marker && !is_longer(&text, most);
        is_key.then_some(KeyValue::Text(text))
    }

    /// Returns most characters of each text that is joined: all of them and the blanks fit into the whole.
    pub fn part_length(&self) -> Option<usize> {
        let parts = self.from.len();
        self.max_length.map(|most| (most + 1 - parts) / parts)
    }
}

/// Most characters of a text that is a key.
const KEY_LENGTH: usize = 1_000;

/// Tells whether a text has more than so many characters.
pub fn is_longer(text: &str, most: usize) -> bool {
    // No text has more characters than bytes.
    text.len() > most && text.chars().count() > most
}

impl Table {
    /// Returns the key column.
    pub fn key_column(&self) -> Option<&Column> {
        self.columns.get(self.key?)
    }

    /// Returns the column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the names of the columns by which an append tells rows apart; none where each record is another.
    pub fn dedupe(&self) -> &[usize] {
        match &self.merge {
            Merge::Latest => &[],
            Merge::Append { dedupe } => dedupe,
        }
    }

    /// Returns the fields that are dropped.
    pub fn ignored(&self) -> &[FieldId] {
        &self.ignored
    }

    /// Returns the version of the rules, which is written beside every row: another number for another way to make a row of a record.
    ///
    /// The upper half is the file's `version`, so that a higher one is newer; the lower half is a hash of what the file says of values.
    pub fn rules(&self) -> i32 {
        let mut said = Said::default();
        said.add("engine", &ENGINE_VERSION);
        said.add_some("key", self.key.as_ref());
        said.add_each("ignore", &self.ignore);
        for column in &self.columns {
            column.say(&mut said);
        }
        (u32::from(self.version) << 16 | said.hash()).cast_signed()
    }
}

/// What a file says of values, option by option. One that is not set says nothing, so that an option which tables may have later changes
/// the number of none that has it not.
#[derive(Default)]
struct Said(String);

impl Said {
    fn add(&mut self, option: &str, value: &dyn fmt::Display) {
        let value = value.to_string();
        // The length tells where a value ends, whatever is in it. Writing to a string does not fail.
        let _ = write!(self.0, "{option}:{}:{value};", value.len());
    }

    fn add_some(&mut self, option: &str, value: Option<&impl fmt::Display>) {
        if let Some(value) = value {
            self.add(option, value);
        }
    }

    fn add_each(&mut self, option: &str, values: &[String]) {
        for value in values {
            self.add(option, value);
        }
    }

    /// Returns 16 bits: FNV-1a, folded, the same in every build.
    fn hash(&self) -> u32 {
        let hash = self.0.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        (hash >> 16) ^ (hash & 0xffff)
    }
}

impl Column {
    /// Adds each option: a new field of the type is an error here until somebody has decided whether it is one.
    fn say(&self, said: &mut Said) {
        let Self {
            name,
            data_type,
            from,
            is_joined,
            null_if,
            format,
            strip_prefix,
            max_length,
            range,
            epoch,
            inputs: _,
            own: _,
        } = self;
        let Range { whole, float } = range;
        said.add("column", name);
        said.add("type", data_type);
        said.add_each("from", from);
        if *is_joined {
            said.add("join", &true);
        }
        said.add_each("null_if", null_if);
        let format = format.map(|format| match format {
            Format::ShortCount => "short_count",
        });
        said.add_some("format", format.as_ref());
        said.add_some("strip_prefix", strip_prefix.as_ref());
        said.add_some("max_length", max_length.as_ref());
        said.add_some("min", whole.0.as_ref());
        said.add_some("max", whole.1.as_ref());
        said.add_some("min_float", float.0.as_ref());
        said.add_some("max_float", float.1.as_ref());
        let epoch = epoch.map(|epoch| match epoch {
            Epoch::Seconds => "s",
            Epoch::Milliseconds => "ms",
        });
        said.add_some("epoch", epoch.as_ref());
    }
}
