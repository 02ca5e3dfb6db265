//! The colours of the drawings, as in `style.css`.

use plotters::style::RGBColor;

/// Labels.
pub(in crate::page) const TEXT: RGBColor = RGBColor(0x16, 0x20, 0x2A);
/// Labels of axes.
pub(in crate::page) const DIM: RGBColor = RGBColor(0x55, 0x62, 0x6E);
/// Axes and their lines.
pub(in crate::page) const LINE: RGBColor = RGBColor(0xDF, 0xE3, 0xE6);
/// The series, in order: teal, orange, blue, pink, olive, slate; distinguishable also without red or green.
pub(in crate::page) const SERIES: [RGBColor; 6] = [
    RGBColor(0x0F, 0x76, 0x6E),
    RGBColor(0xD9, 0x77, 0x06),
    RGBColor(0x25, 0x63, 0xAB),
    RGBColor(0xB0, 0x3A, 0x82),
    RGBColor(0x7A, 0x8B, 0x12),
    RGBColor(0x64, 0x74, 0x84),
];

/// Returns the colour of a series, beginning again after the last.
pub(in crate::page) fn series(index: usize) -> RGBColor {
    SERIES.into_iter().cycle().nth(index).unwrap_or(DIM)
}
