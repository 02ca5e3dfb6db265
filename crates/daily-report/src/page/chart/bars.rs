//! Horizontal bars, the longest first.

use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Canvas, Drawn, Figure, fitted, isolated, palette, svg, text_style, text_width};
use crate::page::format;

/// Most bars of a drawing.
const MAX_BARS: usize = 20;
const ROW_HEIGHT: u32 = 24;
/// Widest that the labels get, of the drawing's 310.
const MAX_LABEL_WIDTH: f64 = 150.0;
const VALUE_WIDTH: u32 = 60;
/// By how much the longest bar may be longer than the middle one, before lengths are logarithmic.
const MAX_RATIO: f64 = 50.0;

/// A bar.
#[derive(Clone, Debug)]
pub(in crate::page) struct Bar {
    /// Text before it.
    pub(in crate::page) label: String,
    /// Its length.
    pub(in crate::page) value: f64,
}

/// Draws the longest of some bars.
pub(in crate::page) fn bars(id: &str, title: &str, mut bars: Vec<Bar>) -> Figure {
    bars.sort_by(|one, other| other.value.total_cmp(&one.value));
    let all = bars.len();
    let (Some(longest), Some(shortest)) = (bars.first(), bars.last()) else {
        return Figure::empty(id, title, "Nothing to draw.");
    };
    let mut caption = if all == 1 {
        format!(
            "{}: {}.",
            isolated(&longest.label),
            format::float(longest.value)
        )
    } else if longest.value.total_cmp(&shortest.value).is_eq() {
        format!("All {all} have {}.", format::float(longest.value))
    } else {
        format!(
            "Highest: {}, {}. Lowest: {}, {}.",
            isolated(&longest.label),
            format::float(longest.value),
            isolated(&shortest.label),
            format::float(shortest.value)
        )
    };
    bars.truncate(MAX_BARS);
    if all > MAX_BARS {
        caption = format!("{caption} The first {MAX_BARS} of {all} are drawn.");
    }
    let scale = Scale::of(&bars);
    if scale == Scale::Logarithmic {
        caption = format!(
            "{caption} Lengths are logarithmic: the longest would leave nothing of the others."
        );
    }
    let rows = u32::try_from(bars.len()).unwrap_or(0);
    let drawing = svg(id, title, rows * ROW_HEIGHT + 4, |canvas| {
        draw(canvas, &bars, scale)
    });
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption,
        legend: Vec::new(),
        has_marks: false,
        svg: drawing,
    }
}

/// How values become lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    /// By orders of magnitude, from 1.
    Logarithmic,
}

impl Scale {
    /// Takes bars, the longest first.
    fn of(bars: &[Bar]) -> Self {
        let values = || bars.iter().map(|bar| bar.value);
        let middle = values().nth(bars.len() / 2).unwrap_or_default();
        let longest = values().next().unwrap_or_default();
        let is_positive = values().all(|value| value >= 0.0);
        if is_positive && longest > MAX_RATIO && longest > middle.max(1.0) * MAX_RATIO {
            Self::Logarithmic
        } else {
            Self::Linear
        }
    }

    fn length(self, value: f64) -> f64 {
        let value = value.max(0.0);
        match self {
            Self::Linear => value,
            Self::Logarithmic => (1.0 + value).log10(),
        }
    }
}

fn draw(canvas: &Canvas<'_>, bars: &[Bar], scale: Scale) -> Drawn {
    let labels: Vec<String> = bars
        .iter()
        .map(|bar| fitted(&bar.label, MAX_LABEL_WIDTH))
        .collect();
    let label_width = labels
        .iter()
        .map(|label| text_width(label))
        .fold(0.0, f64::max);
    let lengths = bars.iter().map(|bar| scale.length(bar.value));
    let longest = lengths.fold(0.0, f64::max);
    let longest = if longest > 0.0 { longest } else { 1.0 };
    let rows = format::length(bars.len() as u64);

    let chart = ChartBuilder::on(canvas)
        .margin_top(2)
        .margin_bottom(2)
        .margin_right(VALUE_WIDTH)
        .y_label_area_size(label_width + 8.0)
        .build_cartesian_2d(0.0..longest, rows..0.0)?;
    let area = chart.plotting_area();
    let label_style = text_style(&palette::TEXT, HPos::Right, VPos::Center);
    let value_style = text_style(&palette::DIM, HPos::Left, VPos::Center);
    let mut top = 0.0;
    for (bar, label) in bars.iter().zip(labels) {
        let end = scale.length(bar.value);
        let (x, y) = chart.backend_coord(&(0.0, top + 0.5));
        canvas.draw(&Text::new(label, (x - 8, y), label_style.clone()))?;
        area.draw(&Rectangle::new(
            [(0.0, top + 0.2), (end, top + 0.8)],
            palette::SERIES[0].filled(),
        ))?;
        let (x, y) = chart.backend_coord(&(end, top + 0.5));
        canvas.draw(&Text::new(
            value_text(bar.value),
            (x + 6, y),
            value_style.clone(),
        ))?;
        top += 1.0;
    }
    area.draw(&PathElement::new([(0.0, 0.0), (0.0, rows)], palette::LINE))
}

/// In full as long as it fits beside the longest bar.
fn value_text(value: f64) -> String {
    if value.abs() < 1e6 {
        format::float(value)
    } else {
        format::short(value)
    }
}
