//! Columns and lines over an axis of places.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{
    Circle, Cross, EmptyElement, PathElement, Polygon, Rectangle, Text, TriangleMarker,
};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::{Canvas, Drawn, Figure, MAX_SERIES, isolated, palette, svg, text_style, text_width};
use crate::page::format;

const HEIGHT: u32 = 210;
const AXIS_WIDTH: u32 = 42;
const AXIS_HEIGHT: u32 = 24;

/// How the values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::page) enum Shape {
    /// A column a value, those of one place side by side.
    Columns,
    /// A line a series.
    Lines,
}

/// A place on the axis.
#[derive(Clone, Debug)]
pub(in crate::page) struct Place {
    /// Where it is; two places are at least 1 apart.
    pub(in crate::page) at: f64,
    /// Text below it.
    pub(in crate::page) label: String,
}

/// What has one colour.
#[derive(Clone, Debug)]
pub(in crate::page) struct Series {
    /// Its name; empty when there is but one.
    pub(in crate::page) name: String,
    /// A value for each place; `None` leaves it out.
    pub(in crate::page) values: Vec<Option<f64>>,
}

impl Series {
    fn sum(&self) -> f64 {
        self.values.iter().flatten().sum()
    }
}

/// What to draw.
#[derive(Clone, Debug)]
pub(in crate::page) struct Plot {
    /// How.
    pub(in crate::page) shape: Shape,
    /// The axis.
    pub(in crate::page) places: Vec<Place>,
    /// The values.
    pub(in crate::page) series: Vec<Series>,
    /// The number of the first series' colour.
    pub(in crate::page) first_color: usize,
    /// A value that the axis of heights must reach, so that two drawings can be compared.
    pub(in crate::page) reaches: f64,
}

/// Draws a plot: of many series, those with the highest sums.
pub(in crate::page) fn plot(id: &str, title: &str, mut plot: Plot) -> Figure {
    let Some(mut caption) = caption(&plot) else {
        return Figure::empty(id, title, "Nothing to draw.");
    };
    let all = plot.series.len();
    if all > MAX_SERIES {
        let mut ranked: Vec<(usize, Series)> = plot.series.into_iter().enumerate().collect();
        ranked.sort_by(|(_, one), (_, other)| other.sum().total_cmp(&one.sum()));
        ranked.truncate(MAX_SERIES);
        ranked.sort_by_key(|(index, _)| *index);
        plot.series = ranked.into_iter().map(|(_, series)| series).collect();
        caption = format!("{caption} The {MAX_SERIES} highest of {all} series are drawn.");
    }
    let legend = match plot.series.as_slice() {
        [only] if only.name.is_empty() => Vec::new(),
        several => several.iter().map(|series| series.name.clone()).collect(),
    };
    let drawing = svg(id, title, HEIGHT, |canvas| draw(canvas, &plot));
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption,
        has_marks: plot.shape == Shape::Lines,
        legend,
        svg: drawing,
    }
}

/// Says where the highest and the lowest value is.
fn caption(plot: &Plot) -> Option<String> {
    let mut values = Vec::new();
    for series in &plot.series {
        for (place, value) in plot.places.iter().zip(&series.values) {
            if let Some(value) = value {
                values.push((*value, place.label.as_str(), series.name.as_str()));
            }
        }
    }
    // The first of equals.
    let highest = values
        .iter()
        .copied()
        .reduce(|one, other| if other.0 > one.0 { other } else { one })?;
    let lowest = values
        .iter()
        .copied()
        .reduce(|one, other| if other.0 < one.0 { other } else { one })?;
    let say = |(value, label, name): (f64, &str, &str)| match name {
        "" => format!("{}, {}", isolated(label), format::float(value)),
        name => {
            let (name, label) = (isolated(name), isolated(label));
            format!("{name} ({label}), {}", format::float(value))
        }
    };
    Some(match values.len() {
        1 => format!("{}.", say(highest)),
        _ if highest.0.total_cmp(&lowest.0).is_eq() => {
            format!("All are {}.", format::float(highest.0))
        }
        _ => format!("Highest: {}. Lowest: {}.", say(highest), say(lowest)),
    })
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw(canvas: &Canvas<'_>, plot: &Plot) -> Drawn {
    let mut chart = ChartBuilder::on(canvas)
        .margin_top(10)
        .margin_right(10)
        .x_label_area_size(AXIS_HEIGHT)
        .y_label_area_size(AXIS_WIDTH)
        .build_cartesian_2d(across(plot), heights(plot))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(labels(plot))
        .y_label_formatter(&|value| format::short(*value))
        .y_label_style(text_style(&palette::DIM, HPos::Right, VPos::Center))
        .axis_style(palette::LINE)
        .bold_line_style(palette::LINE)
        .light_line_style(TRANSPARENT)
        .set_tick_mark_size(LabelAreaPosition::Left, 6)
        .set_tick_mark_size(LabelAreaPosition::Bottom, 0)
        .draw()?;
    draw_places(canvas, &chart, plot)?;
    if plot.shape == Shape::Columns {
        return draw_columns(&chart, canvas, plot);
    }
    for (index, series) in plot.series.iter().enumerate() {
        draw_line(&chart, plot, index, series)?;
    }
    Ok(())
}

fn across(plot: &Plot) -> Range<f64> {
    let first = plot.places.first().map_or(0.0, |place| place.at);
    let last = plot.places.last().map_or(0.0, |place| place.at);
    first - 0.5..last + 0.5
}

/// From 0, or from the lowest value when it is below, to a little more than the highest.
fn heights(plot: &Plot) -> Range<f64> {
    let values = || {
        plot.series
            .iter()
            .flat_map(|series| series.values.iter().flatten().copied())
    };
    let highest = values().fold(plot.reaches.max(0.0), f64::max);
    let lowest = values().fold(0.0, f64::min);
    if highest - lowest < 1e-9 {
        0.0..1.0
    } else {
        lowest * 1.05..highest * 1.05
    }
}

/// Returns how many heights are labelled: of a few whole things no half ones.
fn labels(plot: &Plot) -> usize {
    const MOST: u8 = 5;
    let values = || {
        plot.series
            .iter()
            .flat_map(|series| series.values.iter().flatten().copied())
    };
    let highest = heights(plot).end;
    if highest > f64::from(MOST) || values().any(|value| value.fract() != 0.0) {
        return usize::from(MOST);
    }
    (0..MOST)
        .filter(|height| f64::from(*height) <= highest)
        .count()
}

/// Writes the places' labels, or, when there is no room for all, every second, every third and so on: those of columns
/// from the first, those of lines from the last, which is the newest.
fn draw_places(canvas: &Canvas<'_>, chart: &Chart<'_, '_>, plot: &Plot) -> Drawn {
    let style = text_style(&palette::DIM, HPos::Center, VPos::Top);
    let bottom = chart.y_range().start;
    let widest = plot
        .places
        .iter()
        .map(|place| text_width(&place.label))
        .fold(0.0, f64::max);
    let across = chart.x_range();
    let (left, _) = chart.backend_coord(&(across.start, bottom));
    let (right, _) = chart.backend_coord(&(across.end, bottom));
    let room = f64::from(right - left) / (across.end - across.start);
    let step = ((widest + 8.0) / room).ceil().max(1.0);
    let from = match plot.shape {
        Shape::Columns => across.start + 0.5,
        Shape::Lines => across.end - 0.5,
    };
    for place in &plot.places {
        if (place.at - from).abs() % step < 0.5 {
            let (x, y) = chart.backend_coord(&(place.at, bottom));
            canvas.draw(&Text::new(place.label.as_str(), (x, y + 7), style.clone()))?;
        }
    }
    Ok(())
}

/// Draws the columns of a place side by side around its label: those that it has.
fn draw_columns(chart: &Chart<'_, '_>, canvas: &Canvas<'_>, plot: &Plot) -> Drawn {
    const GROUP_WIDTH: f64 = 0.76;
    let style = text_style(&palette::DIM, HPos::Center, VPos::Bottom);
    for (number, place) in plot.places.iter().enumerate() {
        let values = plot
            .series
            .iter()
            .enumerate()
            .filter_map(|(index, series)| {
                let value = series.values.get(number).copied().flatten()?;
                Some((index, value))
            });
        let values: Vec<(usize, f64)> = values.collect();
        let width = GROUP_WIDTH / format::length(values.len().max(1) as u64);
        let mut left = place.at - GROUP_WIDTH / 2.0;
        for (index, value) in values {
            let color = palette::series(plot.first_color + index).filled();
            let corners = [(left, value), (left + width, 0.0)];
            chart
                .plotting_area()
                .draw(&Rectangle::new(corners, color))?;
            let text = format::short(value);
            let (from, _) = chart.backend_coord(&(left, value));
            let (to, top) = chart.backend_coord(&(left + width, value.max(0.0)));
            // A value without room is in the table beside the drawing; nothing is to be seen as nothing.
            if value != 0.0 && text_width(&text) <= f64::from(to - from) {
                canvas.draw(&Text::new(
                    text,
                    (i32::midpoint(from, to), top - 3),
                    style.clone(),
                ))?;
            }
            left += width;
        }
    }
    Ok(())
}

/// Joins a series' values; a place without one is passed over.
fn draw_line(chart: &Chart<'_, '_>, plot: &Plot, index: usize, series: &Series) -> Drawn {
    let color = palette::series(plot.first_color + index);
    let points: Vec<(f64, f64)> = plot
        .places
        .iter()
        .zip(&series.values)
        .filter_map(|(place, value)| Some((place.at, (*value)?)))
        .collect();
    for point in &points {
        draw_mark(chart, index, *point, color)?;
    }
    chart
        .plotting_area()
        .draw(&PathElement::new(points, color.stroke_width(2)))
}

/// Marks a point as the legend does, so that lines are told apart without their colours.
fn draw_mark(chart: &Chart<'_, '_>, index: usize, at: (f64, f64), color: RGBColor) -> Drawn {
    let area = chart.plotting_area();
    match index % MAX_SERIES {
        0 => area.draw(&Circle::new(at, 3, color.filled())),
        1 => area.draw(&TriangleMarker::new(at, 4, color.filled())),
        2 => {
            let square = Rectangle::new([(-3, -3), (3, 3)], color.filled());
            area.draw(&(EmptyElement::at(at) + square))
        }
        3 => area.draw(&Cross::new(at, 3, color.stroke_width(2))),
        4 => area.draw(&Circle::new(at, 3, color.stroke_width(1))),
        _ => {
            let diamond = Polygon::new([(0, -4), (4, 0), (0, 4), (-4, 0)], color.filled());
            area.draw(&(EmptyElement::at(at) + diamond))
        }
    }
}
