//! `cost`: the monthly bill of the stack, beside what else could do its work, or the cost of a day.

mod sample;

use model::Model;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context as _;
use aws_access::BucketError;
use comfy_table::Table;
use cost::measured::Measurements;
use cost::{Bill, DayCost, Firehose, Load, MEASUREMENTS, Service, Settings, Stream, prices};
use daily_report::Summary;
use serde_json::json;

use crate::cli::CostOptions;
use crate::table::{self, WIDTH, align_right};
use crate::{Exit, Terminal};
pub(crate) use sample::Sample;

/// Prints the bills of a month, or what a day cost.
pub(crate) async fn command(
    options: &CostOptions,
    model: &Arc<Model>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let Some(date) = options.day else {
        write(options, model, &MEASUREMENTS, terminal.out)?;
        return Ok(Exit::Success);
    };
    let bucket = options.lake.find().await?.open();
    let key = daily_batch::summary_key(date);
    let summary = match bucket.read(&key).await {
        Err(error @ BucketError::NoObject { .. }) => Err(error).with_context(|| {
            format!("no run of {date} has ended; start one with `pinflow daily run --date {date}`")
        }),
        read => Ok(read?),
    }?;
    let summary: Summary =
        serde_json::from_slice(&summary).with_context(|| format!("could not read `{key}`"))?;
    match daily_report::price(&summary.usage) {
        None => writeln!(terminal.out, "No row arrived on {date}")?,
        Some(cost) => write_day(&cost, terminal.out)?,
    }
    Ok(Exit::Success)
}

fn write_day(cost: &DayCost, out: &mut dyn Write) -> io::Result<()> {
    let mut table = table::new(&["USD of the day", ""]);
    for (service, sum) in &cost.by_service {
        table.add_row(vec![service.as_str().to_owned(), usd(*sum)]);
    }
    table.add_row(vec!["total".to_owned(), usd(cost.usd)]);
    align_right(&mut table, 1);
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "Fixed: {} USD per month, without any row. Rows: {} USD per million rows, in addition.",
        usd(cost.usd_fixed_per_month),
        usd(cost.usd_per_million_rows)
    )?;
    writeln!(out, "{}", wrapped(&format!("{}.", cost.assumptions)))
}

fn write(
    options: &CostOptions,
    model: &Arc<Model>,
    measured: &Measurements,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (load, shown) = options.load(model, measured)?;
    let bills = bills(options, &load, measured);
    if options.json {
        return Ok(writeln!(out, "{}", to_json(&bills))?);
    }
    for (name, bill) in &bills {
        writeln!(out, "{}", details(name, bill))?;
    }
    let rows = load.rows_per_second * prices::SECONDS_A_MONTH;
    writeln!(out, "{}", summary(&bills, rows))?;
    writeln!(
        out,
        "A month of {} rows per second, {} bytes each, {} per request: {:.1} million rows",
        options.rows_per_second,
        load.row_bytes,
        options.rows_per_request,
        rows / 1e6
    )?;
    writeln!(out, "{}", wrapped(&shown))?;
    let about = format!(
        "List prices of {}, noted on {}, without discounts and taxes. The functions are {}; their processor time was \
         measured elsewhere on {}, and how long AWS lets them wait is assumed.",
        prices::REGION,
        prices::NOTED_ON,
        options.architecture().as_str(),
        measured.date
    );
    writeln!(out, "{}", wrapped(&about))?;
    let mut printed = HashSet::new();
    for (name, bill) in &bills {
        for note in &bill.notes {
            if printed.insert(note) {
                writeln!(out, "{}", wrapped(&format!("{name}: {note}")))?;
            }
        }
    }
    Ok(())
}

/// Returns the bills, each with its name: of the stack at the age that is asked for and after a year, and of what else could do its work.
fn bills(options: &CostOptions, load: &Load, measured: &Measurements) -> Vec<(String, Bill)> {
    let mut bills = Vec::new();
    let settings = options.settings(load, measured);
    for settings in &settings {
        for age_days in options.ages() {
            let settings = Settings {
                age_days,
                ..*settings
            };
            let bill = cost::pinflow(load, &settings, measured);
            bills.push((name(&settings), bill));
        }
    }
    if let Some(settings) = settings.first() {
        for (to, name) in [
            (Firehose::Parquet, "Firehose, Parquet"),
            (Firehose::Iceberg, "Firehose, Iceberg"),
        ] {
            let bill = cost::firehose(to, load, settings, measured);
            bills.push((name.to_owned(), bill));
        }
    }
    bills.push(("old stack".to_owned(), cost::old_stack(load)));
    bills
}

fn to_json(bills: &[(String, Bill)]) -> serde_json::Value {
    let bills = bills.iter().map(|(name, bill)| {
        let lines = bill.lines.iter().map(|line| {
            json!({
                "service": line.service.as_str(),
                "counted": line.counted,
                "usd": line.usd,
                "free_usd": line.free_usd,
            })
        });
        json!({
            "name": name,
            "lines": lines.collect::<Vec<_>>(),
            "total_usd": bill.total(),
            "notes": bill.notes,
        })
    });
    bills.collect()
}

fn name(settings: &Settings) -> String {
    let stream = match settings.stream {
        Stream::Provisioned { .. } => "",
        Stream::OnDemand { .. } => ", on-demand",
    };
    format!("pinflow{stream}, {:.0} days", settings.age_days)
}

/// Shows what a bill counts.
fn details(name: &str, bill: &Bill) -> Table {
    let mut table = table::new(&[name, "what is counted", "USD"]);
    let mut last = None;
    for line in &bill.lines {
        let service = if last == Some(line.service) {
            ""
        } else {
            line.service.as_str()
        };
        last = Some(line.service);
        table.add_row(vec![
            service.to_owned(),
            line.counted.clone(),
            usd(line.usd),
        ]);
    }
    align_right(&mut table, 2);
    table
}

/// Shows the bills beside each other, by service.
fn summary(bills: &[(String, Bill)], rows: f64) -> Table {
    let mut header = vec!["USD per month"];
    header.extend(bills.iter().map(|(name, _)| name.as_str()));
    let mut table = table::new(&header);
    let mut add = |name: &str, cells: Vec<String>| {
        let mut row = vec![name.to_owned()];
        row.extend(cells);
        table.add_row(row);
    };
    for &service in Service::ALL {
        let sums: Vec<_> = bills
            .iter()
            .map(|(_, bill)| bill.service(service))
            .collect();
        if sums.iter().any(Option::is_some) {
            let cells = sums.into_iter().map(|sum| sum.map(usd).unwrap_or_default());
            add(service.as_str(), cells.collect());
        }
    }
    let cells = |of: &dyn Fn(&Bill) -> f64| bills.iter().map(|(_, bill)| usd(of(bill))).collect();
    add("total", cells(&Bill::total));
    if rows > 0.0 {
        add("per million rows", cells(&|bill| bill.total() / rows * 1e6));
    }
    add(
        "total after free tiers",
        cells(&|bill| bill.total() - bill.free()),
    );
    for column in 1..=bills.len() {
        align_right(&mut table, column);
    }
    table
}

fn usd(usd: f64) -> String {
    if usd > 0.0 && usd < 0.005 {
        "<0.01".to_owned()
    } else {
        format!("{usd:.2}")
    }
}

/// Cuts a text at blanks into lines of a terminal's width.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > usize::from(WIDTH) {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests;
