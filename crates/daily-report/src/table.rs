//! A report as the page shows it.

/// A report: its table, and what to draw of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportTable {
    /// The report's name, as `top_category_by_country`.
    pub name: String,
    /// A short title.
    pub title: String,
    /// A sentence on what is counted.
    pub description: String,
    /// What to draw.
    pub chart: Chart,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The first rows, at most [`PAGE_ROWS`], each with a cell a column, in the report's order.
    pub rows: Vec<Vec<Cell>>,
    /// The rows with the highest values of the column that is drawn, at most [`PAGE_ROWS`], in the report's order.
    pub highest: Vec<Vec<Cell>>,
    /// How many rows the report has; those beyond [`PAGE_ROWS`] are only in its files.
    pub total_rows: u64,
    /// What the report leaves out by its definition, such as posts of other years, and how many; none where it leaves out nothing.
    pub outside: Option<(String, u64)>,
    /// Why the report could not be made, if it could not; it has no rows then.
    pub problem: Option<String>,
}

/// Most rows of a report that the page is made of: it must not grow with what people post.
pub const PAGE_ROWS: usize = 1_000;
/// Most characters of a text in a cell.
const CELL_CHARS: usize = 200;

impl ReportTable {
    /// Makes a table of a few rows, which are all drawn.
    pub fn of_rows(name: &str, columns: Vec<String>, rows: Vec<Vec<Cell>>) -> Self {
        Self {
            name: name.to_owned(),
            title: String::new(),
            description: String::new(),
            chart: Chart::None,
            columns,
            total_rows: rows.len() as u64,
            highest: rows.iter().take(PAGE_ROWS).cloned().collect(),
            rows: rows.into_iter().take(PAGE_ROWS).collect(),
            outside: None,
            problem: None,
        }
    }
}

/// A value of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text from the posts: never trusted to be markup, and cut by [`Cell::text`].
    Text(String),
}

impl Cell {
    /// Makes a cell of a text; of one that is too long for the page, the start and an ellipsis.
    pub fn text(text: &str) -> Self {
        Self::Text(match text.char_indices().nth(CELL_CHARS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        })
    }
}

impl Chart {
    /// Returns the name of the column that is drawn; `None` where nothing is.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Bars { value, .. } | Self::Columns { value, .. } | Self::Lines { value, .. } => {
                Some(value)
            }
        }
    }
}

/// What to draw of a report. Columns are named; `series` splits the rows into one line or colour a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chart {
    /// Nothing but the table.
    None,
    /// A horizontal bar a row, the longest first.
    Bars {
        /// Column with the bars' labels.
        label: String,
        /// Column with their lengths.
        value: String,
    },
    /// Groups of vertical bars, in the rows' order.
    Columns {
        /// Column with the groups' labels.
        label: String,
        /// Column with the heights.
        value: String,
        /// Column that distinguishes the bars of a group.
        series: Option<String>,
    },
    /// Lines over an ordered axis.
    Lines {
        /// Column with the places on the axis.
        label: String,
        /// Column with the heights.
        value: String,
        /// Column that distinguishes the lines.
        series: Option<String>,
    },
}
