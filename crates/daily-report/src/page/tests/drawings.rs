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
