//! `model new`: rows of a table that is yet to be → its file.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use event_model::Kind;
use json_reader::{Members, Value, number};
use model::{FOLDER, Model, ModelError};

use crate::Terminal;

/// Rows that are looked at.
const MAX_ROWS: usize = 100_000;
/// Names that a key often has, the likeliest first; `<table>_id` comes before them.
const KEY_NAMES: &[&str] = &["id", "key", "uuid", "slug", "index"];
/// Milliseconds since 1970 from 2001 to 2100, and the same in seconds.
const MILLISECONDS: std::ops::Range<i64> = 1_000_000_000_000..4_102_444_800_000;
const SECONDS: std::ops::Range<i64> = 1_000_000_000..4_102_444_800;
/// Fields that are proposed to recognise rows by.
const RECOGNISED_BY: usize = 2;

/// Infers a table from rows, and writes its file, which must not be there.
pub(super) fn write(
    folder: Option<&Path>,
    kind: Kind,
    from: &Path,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let model = match Model::load_from(folder) {
        Ok(model) => Some(model),
        // The first table of a folder.
        Err(ModelError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let folder = match (folder, &model) {
        (Some(folder), _) => folder.to_owned(),
        (None, Some(_)) => model::find()?,
        (None, None) => FOLDER.into(),
    };
    let path = folder.join("tables").join(format!("{kind}.yaml"));
    ensure!(
        !path.exists(),
        "`{}` is there already; change it, or take another name",
        path.display()
    );
    let text = std::fs::read_to_string(from)
        .with_context(|| format!("could not read the rows of `{}`", from.display()))?;
    let fields = read(&text)?;
    let file = render(kind, &fields, model.as_deref());
    if let Some(tables) = path.parent() {
        std::fs::create_dir_all(tables)?;
    }
    std::fs::write(&path, &file)
        .with_context(|| format!("could not write `{}`", path.display()))?;
    write!(terminal.out, "{file}")?;
    writeln!(
        terminal.notes,
        "Written to {}; look at its types and its key, and see `pinflow model show {kind}`",
        path.display()
    )?;
    Ok(())
}

/// What the values of a field have been so far.
#[derive(Debug)]
struct Field {
    name: String,
    /// Types that fit all values, the narrowest first.
    fits: Vec<Fit>,
    values: usize,
    distinct: HashSet<String>,
    longest: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Boolean,
    Milliseconds,
    Seconds,
    Int64,
    Float64,
    Date,
    Timestamp,
    Json,
    Text,
}

impl Fit {
    const ALL: [Self; 9] = [
        Self::Boolean,
        Self::Milliseconds,
        Self::Seconds,
        Self::Int64,
        Self::Float64,
        Self::Date,
        Self::Timestamp,
        Self::Json,
        Self::Text,
    ];

    fn has(self, name: &str, value: &Value<'_>) -> bool {
        let whole = || match value {
            Value::Number(spelling) => number::integer(spelling),
            _ => None,
        };
        let time = || match value {
            Value::Text(text) => cleaning::micros_of(text.decode().trim()),
            _ => None,
        };
        let is_time = ["time", "date", "_at", "seen", "when"]
            .iter()
            .any(|part| name.contains(part));
        match self {
            Self::Boolean => matches!(value, Value::Bool(_)),
            Self::Milliseconds => {
                is_time && whole().is_some_and(|number| MILLISECONDS.contains(&number))
            }
            Self::Seconds => is_time && whole().is_some_and(|number| SECONDS.contains(&number)),
            Self::Int64 => whole().is_some(),
            Self::Float64 => matches!(value, Value::Number(_)),
            Self::Date => match value {
                Value::Text(text) => time().is_some() && text.decode().trim().len() == 10,
                _ => false,
            },
            Self::Timestamp => time().is_some(),
            Self::Json => matches!(value, Value::Object(_) | Value::Array(_)),
            Self::Text => !matches!(value, Value::Object(_) | Value::Array(_)),
        }
    }

    /// Returns the type as the file has it.
    const fn written(self) -> &'static str {
        match self {
            Self::Boolean => "type: boolean",
            Self::Milliseconds => "type: timestamp, epoch: ms",
            Self::Seconds => "type: timestamp, epoch: s",
            Self::Int64 => "type: int64",
            Self::Float64 => "type: float64",
            Self::Date => "type: date",
            Self::Timestamp => "type: timestamp",
            Self::Json => "type: json",
            Self::Text => "type: text",
        }
    }
}

/// Reads the fields of the rows, in the order in which they first appear.
fn read(text: &str) -> anyhow::Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    let mut rows = 0_usize;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let Some(mut members) = Members::open(line) else {
            bail!("line {number} is not a JSON object");
        };
        rows += 1;
        while let Some(member) = members
            .next_member()
            .with_context(|| format!("line {number} is not JSON"))?
        {
            let name = member.name().decode();
            let place = fields.iter().position(|field| field.name == name);
            let place = place.unwrap_or_else(|| {
                fields.push(Field {
                    name: name.clone().into_owned(),
                    fits: Fit::ALL.to_vec(),
                    values: 0,
                    distinct: HashSet::new(),
                    longest: 0,
                });
                fields.len() - 1
            });
            if let Some(field) = fields.get_mut(place) {
                field.add(&member.value(), member.raw);
            }
        }
        if rows == MAX_ROWS {
            break;
        }
    }
    ensure!(rows > 0, "there is no row; write one JSON object a line");
    // Each row has a key.
    for field in &mut fields {
        if field.values < rows {
            field.distinct.clear();
        }
    }
    Ok(fields)
}

impl Field {
    fn add(&mut self, value: &Value<'_>, raw: &str) {
        let is_blank = match value {
            Value::Null => true,
            Value::Text(text) => text.decode().trim().is_empty(),
            _ => false,
        };
        if is_blank {
            return;
        }
        self.values += 1;
        self.longest = self.longest.max(raw.chars().count());
        let name = &snake_case(&self.name);
        self.fits.retain(|fit| fit.has(name, value));
        self.distinct.insert(raw.to_owned());
    }

    fn fit(&self) -> Fit {
        let first = self.fits.first().copied();
        // A field without any value may become anything.
        first.filter(|_| self.values > 0).unwrap_or(Fit::Text)
    }

    /// Tells whether each row has another value, which may be a key.
    fn is_unique(&self) -> bool {
        self.values > 0
            && self.distinct.len() == self.values
            && matches!(self.fit(), Fit::Int64 | Fit::Text)
            && self.longest <= 1_000
    }

    /// Returns the column's name: as the field's, in the letters that a column may have.
    fn column(&self, kind: Kind) -> String {
        let name = snake_case(&self.name);
        let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase());
        if !is_plain || ["date", "hour"].contains(&name.as_str()) {
            return format!("{kind}_{name}").trim_end_matches('_').to_owned();
        }
        name
    }
}

/// Returns a name in the letters that a column may have: `createdAt` is `created_at`.
fn snake_case(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            'A'..='Z' => {
                let is_word =
                    name.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit());
                if is_word {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    name.trim_matches('_').to_owned()
}

/// Returns the file of a table with these fields.
fn render(kind: Kind, fields: &[Field], model: Option<&Model>) -> String {
    let own = format!("{kind}_id");
    let likely = std::iter::once(own.as_str()).chain(KEY_NAMES.iter().copied());
    let unique: Vec<&Field> = fields.iter().filter(|field| field.is_unique()).collect();
    let by_name = likely
        .into_iter()
        .find_map(|name| unique.iter().find(|field| field.column(kind) == name));
    let key = by_name.or(unique.first()).copied();
    let is_foreign =
        |field: &&Field| model.is_none_or(|model| model.fields().find(&field.name).is_none());
    let is_other = |field: &&Field| key.is_none_or(|key| key.name != field.name);
    let telling = fields.iter().filter(is_foreign).filter(is_other);
    let telling: Vec<_> = telling
        .take(RECOGNISED_BY)
        .map(|field| quoted(&field.name))
        .collect();
    let mut file = format!("description: A {kind}\n");
    // Writing to a string does not fail.
    let _ = writeln!(file, "labels: [{kind}]");
    if !telling.is_empty() {
        let _ = writeln!(file, "recognised_by: [{}]", telling.join(", "));
    }
    let _ = match key {
        Some(key) => writeln!(file, "key: {}", key.column(kind)),
        None => writeln!(file, "merge: append # no field is another one in each row"),
    };
    let _ = writeln!(file, "columns:");
    let mut names = BTreeSet::new();
    for field in fields {
        let mut name = field.column(kind);
        while !names.insert(name.clone()) {
            name.push_str("_2");
        }
        let from = if name == field.name {
            String::new()
        } else {
            format!(", from: {}", quoted(&field.name))
        };
        let _ = writeln!(file, "  {name}: {{{}{from}}}", field.fit().written());
    }
    file
}

/// Returns a name as YAML has it: in quotes, unless it is a plain word.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&name.to_ascii_lowercase().as_str());
    if is_plain {
        return name.to_owned();
    }
    let mut quoted = String::new();
    json_reader::push_string(&mut quoted, name);
    quoted
}
