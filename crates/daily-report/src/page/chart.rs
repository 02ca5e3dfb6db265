//! Charts: SVG that takes its width from the page and its colours from the style sheet.
//!
//! Plotters writes a colour as `fill="#0F766E"`. Each colour of [`palette`] has a rule in `style.css` that selects this
//! attribute and puts a variable in its place, so that one drawing is right in light and dark.

mod bars;
pub(super) mod palette;
mod plot;

use std::io;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, RGBColor, TextStyle};

pub(super) use bars::{Bar, bars};
pub(super) use plot::{Place, Plot, Series, Shape, plot};

/// Width of every drawing, in its own units. On a phone of 360 pixels a drawing has some 300 of them, so that letters of 12 units have more than 11.
const WIDTH: u32 = 310;

/// Height of the letters' box. Plotters writes a size divided by 1.24.
const FONT_SIZE: f64 = 12.0 * 1.24;

/// About the width of a letter, in a wide one of the fonts that a system may have.
const LETTER_WIDTH: f64 = 7.0;

/// Most colours of one drawing.
pub(super) const MAX_SERIES: usize = palette::SERIES.len();

/// A drawing with what is said of it.
#[derive(Debug)]
pub(super) struct Figure {
    /// Prefix that makes the ids of its title and caption unique on the page.
    pub(super) id: String,
    /// What is drawn.
    pub(super) title: String,
    /// What is to be seen, in a sentence; it also describes the drawing to those who do not see it.
    pub(super) caption: String,
    /// The names of the colours, when there is more than one.
    pub(super) legend: Vec<String>,
    /// Whether the legend's colours have marks of their own, too.
    pub(super) has_marks: bool,
    /// The markup of the drawing; `None` when there is nothing to draw.
    pub(super) svg: Option<String>,
}

impl Figure {
    /// Returns a figure that only says why it shows nothing.
    pub(super) fn empty(id: &str, title: &str, caption: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: caption.to_owned(),
            legend: Vec::new(),
            has_marks: false,
            svg: None,
        }
    }
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// Draws, and returns the lines between `<svg ..>` and `</svg>` in an `<svg>` that scales and has a name.
fn svg(
    id: &str,
    title: &str,
    height: u32,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Option<String> {
    let mut buffer = String::new();
    {
        let canvas = SVGBackend::with_string(&mut buffer, (WIDTH, height)).into_drawing_area();
        draw(&canvas).ok()?;
        canvas.present().ok()?;
    }
    let (_, drawing) = buffer.split_once('\n')?;
    let title = askama::filters::escape(title, askama::filters::Html).ok()?;
    Some(format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-caption\">\n\
         <title id=\"{id}-title\">{title}</title>\n{drawing}"
    ))
}

fn text_style(color: &RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'_> {
    TextStyle::from(FontDesc::new(
        FontFamily::SansSerif,
        FONT_SIZE,
        FontStyle::Normal,
    ))
    .color(color)
    .pos(Pos::new(horizontal, vertical))
}

/// Puts a name into a sentence so that its direction, from right to left perhaps, does not reach beyond it.
fn isolated(name: &str) -> String {
    format!("\u{2068}{name}\u{2069}")
}

/// Returns about how wide a text is.
fn text_width(text: &str) -> f64 {
    text.chars().map(letter_width).sum()
}

/// Returns a text's beginning that fits, with an ellipsis when it is not the whole.
fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut left = width - LETTER_WIDTH;
    let kept: String = text
        .chars()
        .take_while(|letter| {
            left -= letter_width(*letter);
            left >= 0.0
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// The ideographic scripts, and emoji, are twice as wide, and so nearly are the widest letters.
fn letter_width(letter: char) -> f64 {
    match letter {
        '\u{1100}'.. => 2.0 * LETTER_WIDTH,
        'M' | 'W' | 'm' | 'w' | '@' | '%' => 1.7 * LETTER_WIDTH,
        'A'..='Z' => 1.25 * LETTER_WIDTH,
        _ => LETTER_WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(fitted("Aruba", 70.0), "Aruba");
        assert_eq!(fitted("Antarctica (the territory)", 84.0), "Antarctica…");
        // Wide letters, and none that is cut in two.
        assert_eq!(fitted("日本日本日本", 56.0), "日本日…");
        assert_eq!(fitted("Aruba", 0.0), "…");
    }

    #[test]
    fn a_drawing_escapes_its_title_and_its_labels() {
        let bar = Bar {
            label: "<b>&\"".to_owned(),
            value: 1.0,
        };
        let figure = bars("a", "<i>", vec![bar]);
        let svg = figure.svg.unwrap();
        assert!(svg.contains("<title id=\"a-title\">&#60;i&#62;</title>"));
        assert!(svg.contains("&lt;b&gt;&amp;&quot;"));
    }

    #[test]
    fn nothing_to_draw_is_said() {
        let figure = bars("a", "None", Vec::new());
        assert_eq!(
            (figure.svg, figure.caption.as_str()),
            (None, "Nothing to draw.")
        );
    }

    #[test]
    fn labels_without_room_are_left_out_and_the_newest_day_is_not() {
        let places = (0_u8..30)
            .map(|day| Place {
                at: f64::from(day),
                label: format!("{day} Aug"),
            })
            .collect();
        let series = vec![Series {
            name: String::new(),
            values: vec![Some(1.0); 30],
        }];
        let drawn = Plot {
            shape: Shape::Lines,
            places,
            series,
            first_color: 0,
            reaches: 0.0,
        };
        let svg = plot("a", "Days", drawn).svg.unwrap();
        assert!(svg.contains("\n29 Aug\n") && !svg.contains("\n28 Aug\n"));
        assert!(svg.matches(" Aug\n").count() >= 5);
    }
}
