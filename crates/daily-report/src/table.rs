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
    /// The rows, each with a cell a column, in the report's order.
    pub rows: Vec<Vec<Cell>>,
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
    /// Text from the posts: never trusted to be markup.
    Text(String),
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
