//! The drawings of a page.

use super::*;

#[test]
fn a_day_of_zeros_is_drawn_as_zeros() {
    let mut summary = Summary {
        run_date: DAY,
        trigger: Some(Trigger::CatchUp),
        ..Summary::default()
    };
    summary.rows_by_hour.insert("pin".to_owned(), vec![0; 24]);
    summary.tables.insert(
        "pin".to_owned(),
        TableCounts {
            nulls: vec![("title".to_owned(), 0)],
            ..TableCounts::default()
        },
    );
    let columns = vec!["name".to_owned(), "count".to_owned()];
    let rows = vec![
        vec![Cell::Text("a".to_owned()), Cell::Integer(0)],
        vec![Cell::Null, Cell::Float(0.0)],
    ];
    let zeros = ReportTable {
        title: "Zeros".to_owned(),
        description: "Nothing.".to_owned(),
        chart: Chart::Bars {
            label: "name".to_owned(),
            value: "count".to_owned(),
        },
        ..ReportTable::of_rows("zeros", columns, rows)
    };
    let page = render(&Page {
        summary: &summary,
        reports: &[zeros],
        trend: &[summary.clone()],
    });
    assert!(
        page.contains("All are 0.")
            && page.contains("All 2 have 0.")
            && page.contains("trigger catch-up")
    );
    assert!(!has_nan(&page));
}

#[test]
fn a_number_that_cannot_be_drawn_is_left_out_of_the_drawing() {
    let floats = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        -5.0,
        7.0,
    ];
    let chart = [
        Chart::Bars {
            label: "year".to_owned(),
            value: "value".to_owned(),
        },
        Chart::Lines {
            label: "value".to_owned(),
            value: "value".to_owned(),
            series: None,
        },
        Chart::Columns {
            label: "year".to_owned(),
            value: "value".to_owned(),
            series: Some("none".to_owned()),
        },
    ];
    for chart in chart {
        let columns = vec!["year".to_owned(), "value".to_owned()];
        let rows = floats.map(|value| vec![Cell::Integer(2020), Cell::Float(value)]);
        let table = ReportTable {
            title: "Odd".to_owned(),
            chart,
            ..ReportTable::of_rows("odd", columns, rows.into())
        };
        let page = page_with(&[table]);
        assert!(page.contains(">NaN</td>"));
        assert!(!page.contains("x=\"NaN\"") && !page.contains("inf,"));
    }
}

#[test]
fn every_drawing_has_a_name_and_a_description() {
    let page = sample_page();
    let mut drawings = 0;
    for drawing in page.split("<svg ").skip(1) {
        let (tag, rest) = drawing.split_once('>').unwrap();
        let (_, id) = tag.split_once("aria-labelledby=\"").unwrap();
        let (id, _) = id.split_once("-title\"").unwrap();
        assert!(
            tag.contains("role=\"img\"") && !tag.contains("width="),
            "{tag}"
        );
        assert!(rest.contains(&format!("<title id=\"{id}-title\">")), "{id}");
        assert_eq!(
            page.matches(&format!("id=\"{id}-caption\"")).count(),
            1,
            "{id}"
        );
        drawings += 1;
    }
    assert_eq!(drawings, 15);
}

#[test]
fn every_colour_of_a_drawing_has_one_in_the_dark() {
    let page = sample_page();
    let (style, body) = page.split_once("</style>").unwrap();
    for attribute in ["fill=\"#", "stroke=\"#"] {
        for part in body.split(attribute).skip(1) {
            let (color, _) = part.split_once('"').unwrap();
            assert!(
                style.contains(&format!("[{attribute}{color}\"]")),
                "{attribute}{color}"
            );
        }
    }
}

#[test]
fn of_many_series_the_highest_are_drawn() {
    let reports = sample::reports();
    let page = page_with(&reports[3..4]);
    assert!(page.contains("The 6 highest of 13 series are drawn."));
    assert_eq!(page.matches("<li class=\"series-").count(), 6);
}

#[test]
fn a_bar_is_told_apart_by_what_else_its_row_has() {
    let columns = ["country", "poster_name", "follower_count"].map(str::to_owned);
    let row = |country: &str, poster: &str, followers| {
        let text = |text: &str| Cell::Text(text.to_owned());
        vec![text(country), text(poster), Cell::Integer(followers)]
    };
    let rows = vec![row("Ghana", "Ada", 6), row("Ghana", "Eve", 6)];
    let table = ReportTable {
        chart: Chart::Bars {
            label: "poster_name".to_owned(),
            value: "follower_count".to_owned(),
        },
        ..ReportTable::of_rows("posters", columns.into(), rows)
    };
    let page = page_with(&[table]);
    assert!(page.contains("\nAda · Ghana\n") && page.contains("\nEve · Ghana\n"));
}

#[test]
fn one_bar_that_would_hide_the_others_makes_lengths_logarithmic() {
    let page_of = |longest| {
        let columns = vec!["name".to_owned(), "count".to_owned()];
        let mut rows: Vec<_> = (1..20)
            .map(|count| vec![Cell::Text(format!("n{count}")), Cell::Integer(count)])
            .collect();
        rows.push(vec![
            Cell::Text("longest".to_owned()),
            Cell::Integer(longest),
        ]);
        page_with(&[ReportTable {
            chart: Chart::Bars {
                label: "name".to_owned(),
                value: "count".to_owned(),
            },
            ..ReportTable::of_rows("counts", columns, rows)
        }])
    };
    assert!(page_of(1_000_000).contains("Lengths are logarithmic"));
    assert!(!page_of(100).contains("Lengths are logarithmic"));
}

#[test]
fn an_axis_of_a_few_things_has_no_half_ones() {
    let page_of = |count| {
        let columns = vec!["year".to_owned(), "count".to_owned()];
        let rows = vec![vec![Cell::Integer(2020), Cell::Integer(count)]];
        page_with(&[ReportTable {
            chart: Chart::Columns {
                label: "year".to_owned(),
                value: "count".to_owned(),
                series: None,
            },
            ..ReportTable::of_rows("counts", columns, rows)
        }])
    };
    for count in 1..5 {
        let page = page_of(count);
        let (_, drawing) = page.split_once("<svg").unwrap();
        assert!(
            !drawing.contains("\n0.5\n") && !drawing.contains("\n1.5\n"),
            "{count}"
        );
        assert!(drawing.contains(&format!("\n{count}\n")), "{count}");
    }
}

#[test]
fn what_is_left_out_is_said() {
    let columns = vec!["year".to_owned(), "count".to_owned()];
    let rows = (0..30).map(|row| vec![Cell::Integer(row), Cell::Integer(row)]);
    let table = ReportTable {
        outside: Some(("posts of other years".to_owned(), 1_234)),
        ..ReportTable::of_rows("counts", columns, rows.collect())
    };
    let page = page_with(&[table]);
    assert!(page.contains("Left out: 1,234 posts of other years."));
    // In print, where nothing can be unfolded.
    assert!(page.contains("10 more rows are in counts.csv."));
}

#[test]
fn an_empty_day_says_since_when() {
    let of = |accepted| Reconciliation {
        accepted,
        found: accepted,
        is_complete: true,
        ..Reconciliation::default()
    };
    let empty = |run_date| Summary {
        run_date,
        reconciliation: of(0),
        ..Summary::default()
    };
    let page_after = |earlier: &[Summary]| {
        render(&Page {
            summary: &empty(DAY),
            reports: &[],
            trend: earlier,
        })
    };
    let full = Summary {
        reconciliation: of(7),
        ..empty(date(2026, 8, 18))
    };
    let page = page_after(&[full, empty(date(2026, 8, 19))]);
    assert!(page.contains("No record was accepted</h2>"));
    assert!(page.contains("The last ones came on 2026-08-18."));
    assert!(!page.contains("Every accepted record was found"));
    let page = page_after(&[empty(date(2026, 8, 19))]);
    assert!(page.contains("There has been none since 2026-08-19 at least."));
    assert!(page_after(&[]).contains("There is no earlier day to compare with."));
}
