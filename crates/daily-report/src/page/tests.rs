mod drawings;
mod sample;

use jiff::civil::{Date, date};

use super::*;
use crate::price;
use crate::summary::{MergeCounts, Reconciliation, RejectedExample, TableCounts, Usage};
use crate::{Cell, Chart, Trigger};

const DAY: Date = date(2026, 8, 21);

fn sample_page() -> String {
    render(&Page {
        summary: &sample::summary(DAY),
        reports: &sample::reports(),
        trend: &sample::trend(DAY),
    })
}

fn page_of(summary: &Summary) -> String {
    render(&Page {
        summary,
        reports: &[],
        trend: &[],
    })
}

fn page_of_check(reconciliation: Reconciliation) -> String {
    page_of(&Summary {
        reconciliation,
        ..sample::summary(DAY)
    })
}

fn page_with(reports: &[ReportTable]) -> String {
    render(&Page {
        summary: &sample::summary(DAY),
        reports,
        trend: &[],
    })
}

/// Whether something was divided by nothing.
fn has_nan(page: &str) -> bool {
    ["NaN", "inf"]
        .iter()
        .any(|written| page.replace("pinflow", "").contains(written))
}

#[test]
fn the_same_day_gives_the_same_bytes() {
    assert_eq!(sample_page(), sample_page());
}

#[test]
fn every_tag_that_is_opened_is_closed() {
    const VOID: [&str; 4] = ["!doctype", "meta", "link", "br"];
    for page in [sample_page(), page_of(&Summary::default())] {
        let mut open: Vec<String> = Vec::new();
        for part in page.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap();
            let name = tag
                .split([' ', '\n', '/'])
                .find(|name| !name.is_empty())
                .unwrap()
                .to_owned();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<String>::new());
    }
}

#[test]
fn the_sections_stand_in_their_order() {
    let page = sample_page();
    let places: Vec<Option<usize>> = [
        "Friday, 21 August 2026",
        "Every accepted record was found</h2>",
        "This run</h2>",
        "Tables after the run</h2>",
        "Rows per hour</h2>",
        "Reports</h2>",
        "Data quality</h2>",
        "Steps of the run</h2>",
        "Trend</h2>",
        "Files beside this page</h2>",
    ]
    .map(|heading| page.find(heading))
    .into();
    assert!(places.iter().all(Option::is_some), "{places:?}");
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_cost_of_the_day_is_told_with_what_was_assumed() {
    let page = sample_page();
    let cost = price(&sample::summary(DAY).usage).unwrap();
    for (label, usd) in [
        ("USD per month, without any row", cost.usd_fixed_per_month),
        (
            "USD per million rows, in addition",
            cost.usd_per_million_rows,
        ),
        ("USD, its part of the month and its rows", cost.usd),
    ] {
        let text = format!("<dd class=\"number\">${usd:.2}</dd><dd class=\"dim\">{label}</dd>");
        assert!(page.contains(&text), "{text}");
    }
    assert!(page.contains(&cost.assumptions), "{}", cost.assumptions);
    let without = page_of(&Summary {
        usage: Usage::default(),
        ..sample::summary(DAY)
    });
    assert!(!without.contains("Cost of the day"));
}

#[test]
fn nothing_is_fetched_from_a_network() {
    let page = sample_page();
    for address in [
        "http:", "https:", "//", "src=", "@import", "url(", "<script", "<iframe", "<img",
    ] {
        let found = page
            .replace("xmlns='http://www.w3.org/2000/svg'", "")
            .matches(address)
            .count();
        assert_eq!(found, 0, "{address}");
    }
}

#[test]
fn text_from_the_data_is_never_markup() {
    let evil = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">";
    let cells = || {
        vec![
            Cell::Text(evil.to_owned()),
            Cell::Text(evil.to_owned()),
            Cell::Integer(1),
        ]
    };
    let columns = || vec![evil.to_owned(), "series".to_owned(), "value".to_owned()];
    let named = |chart: Chart| ReportTable {
        title: evil.to_owned(),
        description: evil.to_owned(),
        problem: None,
        chart,
        ..ReportTable::of_rows(evil, columns(), vec![cells(), cells()])
    };
    let (label, value, series) = (
        evil.to_owned(),
        "value".to_owned(),
        Some("series".to_owned()),
    );
    let reports = [
        named(Chart::Bars {
            label: label.clone(),
            value: value.clone(),
        }),
        named(Chart::Columns {
            label: label.clone(),
            value: value.clone(),
            series: series.clone(),
        }),
        named(Chart::Lines {
            label,
            value,
            series,
        }),
    ];
    let mut summary = sample::summary(DAY);
    for names in [
        &mut summary.changes_by_rule,
        &mut summary.quarantine.by_code,
        &mut summary.steps[0].counts,
    ] {
        names.insert(evil.to_owned(), 7);
    }
    summary.steps[0].name = evil.to_owned();
    summary.rows_by_hour.insert(evil.to_owned(), vec![1; 24]);
    summary
        .merges
        .insert(evil.to_owned(), MergeCounts::default());
    let table = TableCounts {
        nulls: vec![(evil.to_owned(), 1)],
        ..TableCounts::default()
    };
    summary.tables.insert(evil.to_owned(), table);
    let text = || evil.to_owned();
    let example = RejectedExample {
        code: text(),
        message: text(),
        shard: text(),
        sequence_number: text(),
    };
    summary.quarantine.examples.push(example);

    let page = render(&Page {
        summary: &summary,
        reports: &reports,
        trend: &[summary.clone()],
    });

    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(!page.contains("onerror=\""));
    assert!(page.matches("&#60;script&#62;").count() > 20);
}

#[test]
fn a_lost_record_is_said_aloud() {
    let page = page_of_check(Reconciliation {
        accepted: 35_000,
        found: 34_988,
        unaccounted: 12,
        is_complete: true,
        missing_since: Some("2026-08-21T13:00:00Z".parse().unwrap()),
        ..Reconciliation::default()
    });
    assert!(
        page.contains("<title>pinflow 2026-08-21: 12 accepted records unaccounted for</title>")
    );
    assert!(page.contains(r#"<section class="loss_check bad" role="alert">"#));
    assert!(page.contains("since 2026-08-21 13:00 UTC: 34,988 of 35,000 accepted records found"));
    assert!(!page.contains("Every accepted record was found"));
}

#[test]
fn a_check_that_was_not_made_claims_nothing() {
    let unfinished = Reconciliation {
        accepted: 900,
        found: 900,
        ..Reconciliation::default()
    };
    let page = page_of_check(unfinished);
    assert!(page.contains("Not checked") && page.contains(r#"class="loss_check warn""#));
    assert!(!page.contains("Every accepted record was found"));

    let page = page_of_check(Reconciliation {
        unaccounted: 1,
        ..unfinished
    });
    assert!(page.contains("At least 1 accepted record unaccounted for"));
}

#[test]
fn a_day_without_anything_is_a_page_too() {
    let page = page_of(&Summary::default());
    for text in [
        "attempt 0 · trigger unknown · 0 ms",
        "No rows arrived on this day.",
        "No report was made.",
        "No record was rejected on this day.",
        "No rule changed a value.",
        "No step is recorded.",
        "There are no earlier days yet.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!has_nan(&page));
}

#[test]
fn a_long_report_collapses_the_rows_after_the_twentieth() {
    let reports = sample::reports();
    let page = page_with(&reports[..1]);
    assert!(page.contains("<summary>8 more rows</summary>"));
    assert!(page.contains("The first 20 of 28 are drawn."));
    let (seen, collapsed) = page.split_once("<summary>8 more rows</summary>").unwrap();
    let (collapsed, _) = collapsed.split_once("</details>").unwrap();
    let (_, seen) = seen.rsplit_once("<tbody>").unwrap();
    assert_eq!(
        (
            seen.matches("<tr>").count(),
            collapsed.matches("<tr><td").count()
        ),
        (20, 8)
    );
}

#[test]
fn a_year_has_no_thousands_and_a_count_has() {
    let reports = sample::reports();
    let page = page_with(&reports);
    assert!(page.contains("<td class=\"short\">2018</td>") && !page.contains("2,018"));
    assert!(page.contains(r#"<td class="number">5,600,0"#));
}

#[test]
fn the_files_beside_the_page_are_linked() {
    let page = sample_page();
    assert!(page.contains("href=\"./summary.json\""));
    for report in sample::reports() {
        for ending in ["csv", "parquet"] {
            assert!(
                page.contains(&format!("href=\"./{}.{ending}\"", report.name)),
                "{}",
                report.name
            );
        }
    }
}
