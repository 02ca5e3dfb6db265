//! `model show`: a table as its file declares it.

use std::io::{self, Write};
use std::sync::Arc;

use cleaning::{Cleaner, RuleCounts};
use event_model::Kind;
use model::{Column, ColumnType, Epoch, Merge, Model, Table};
use posting::source::generator::Generator;

use crate::table;

/// Posts among which a row is looked for that the rules accept.
const EXAMPLES: usize = 100;

/// Writes the columns, how rows are recognised and merged, and an example.
pub(super) fn write(model: &Arc<Model>, kind: Kind, out: &mut dyn Write) -> io::Result<()> {
    let Some(of_model) = model.table(kind) else {
        return Ok(());
    };
    writeln!(out, "{kind}: {}", of_model.description)?;
    writeln!(out, "  posted as     {}", of_model.labels.join(", "))?;
    if !of_model.recognised_by.is_empty() {
        writeln!(out, "  recognised by {}", of_model.recognised_by.join(", "))?;
    }
    writeln!(out, "  merge         {}", merge(of_model))?;
    if !of_model.ignore.is_empty() {
        writeln!(out, "  ignored       {}", of_model.ignore.join(", "))?;
    }
    writeln!(out, "  rules         version {}", of_model.rules())?;
    let mut shown = table::new(&["Column", "Type", "Read from", "Rules"]);
    for column in &of_model.columns {
        let separator = if column.is_joined { " + " } else { ", " };
        shown.add_row([
            column.name.clone(),
            column.data_type.to_string(),
            column.from.join(separator),
            rules(column),
        ]);
    }
    writeln!(out, "{shown}")?;
    let mut generator = Generator::new(Arc::clone(model), 1);
    let mut cleaner = Cleaner::new(Arc::clone(model));
    for _ in 0..EXAMPLES {
        for row in generator.next_post().rows {
            let posted = String::from_utf8_lossy(&row.json);
            let clean = cleaner.clean(&posted, Some(kind), &mut RuleCounts::default());
            if let (true, Ok(clean)) = (row.kind == kind, clean) {
                writeln!(out, "A row as it is posted:\n  {posted}")?;
                return writeln!(out, "The same when it is clean:\n  {}", clean.to_json());
            }
        }
    }
    Ok(())
}

fn merge(of_model: &Table) -> String {
    let name = |place: &usize| {
        let column = of_model.columns.get(*place);
        column.map_or_else(String::new, |column| format!("`{}`", column.name))
    };
    match (&of_model.merge, of_model.key) {
        (Merge::Latest, Some(key)) => {
            let order = of_model
                .order_by
                .map(|order| format!(", by {}", name(&order)));
            format!(
                "the latest row of each {}{}",
                name(&key),
                order.unwrap_or_default()
            )
        }
        (Merge::Append { dedupe }, _) if !dedupe.is_empty() => {
            let names: Vec<_> = dedupe.iter().map(name).collect();
            format!("the first row of each {}", names.join(" and "))
        }
        _ => "each record, once".to_owned(),
    }
}

fn rules(column: &Column) -> String {
    let mut rules = Vec::new();
    if !column.null_if.is_empty() {
        rules.push(format!("null if {}", column.null_if.join(" or ")));
    }
    if let Some(prefix) = &column.strip_prefix {
        rules.push(format!("without `{prefix}`"));
    }
    if column.format.is_some() {
        rules.push("5.6M is 5600000".to_owned());
    }
    if let Some(most) = column.max_length {
        rules.push(format!("at most {most} characters"));
    }
    match column.epoch {
        Some(Epoch::Seconds) => rules.push("numbers are seconds since 1970".to_owned()),
        Some(Epoch::Milliseconds) => rules.push("numbers are milliseconds since 1970".to_owned()),
        None => {}
    }
    let scale = match column.data_type {
        ColumnType::Decimal(_, scale) => u32::from(scale),
        _ => 0,
    };
    let whole = |number: i128| match (number, 10_i128.checked_pow(scale)) {
        (number, Some(unit)) if number % unit == 0 => (number / unit).to_string(),
        (number, _) => format!("{number}e-{scale}"),
    };
    let (min, max) = (
        column.range.whole.0.map(whole),
        column.range.whole.1.map(whole),
    );
    let float = |number: f64| number.to_string();
    let min = min.or(column.range.float.0.map(float));
    let max = max.or(column.range.float.1.map(float));
    match (min, max) {
        (Some(min), Some(max)) => rules.push(format!("{min} to {max}")),
        (Some(min), None) => rules.push(format!("from {min}")),
        (None, Some(max)) => rules.push(format!("up to {max}")),
        (None, None) => {}
    }
    rules.join("; ")
}
