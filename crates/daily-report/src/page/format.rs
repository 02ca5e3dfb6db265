//! Numbers as people read them.

/// Returns a number as a place on an axis or the length of a bar.
#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing does not show the sixteenth digit"
)]
pub(super) const fn length(count: u64) -> f64 {
    count as f64
}

/// Writes a count with thousands separators: `1,234,567`.
pub(super) fn count(count: u64) -> String {
    group(&count.to_string())
}

/// Writes a whole number with thousands separators.
pub(super) fn integer(value: i64) -> String {
    let digits = count(value.unsigned_abs());
    if value < 0 {
        format!("−{digits}")
    } else {
        digits
    }
}

/// Writes a number with thousands separators and at most two decimals.
pub(super) fn float(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let written = format!("{:.2}", value.abs());
    let (whole, decimals) = written.split_once('.').unwrap_or((&written, ""));
    let decimals = decimals.trim_end_matches('0');
    let sign = if value < 0.0 && (whole != "0" || !decimals.is_empty()) {
        "−"
    } else {
        ""
    };
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{decimals}", group(whole))
}

/// Writes a number in a few characters: `950`, `1.2k`, `56M`.
pub(super) fn short(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
    // What would round up to the next unit has that unit: 999,960 is `1M`, not `1000k`.
    match UNITS
        .into_iter()
        .find(|(unit, _)| value.abs() >= unit * 0.99995)
    {
        Some((unit, name)) if (value / unit).abs() < 99.95 => {
            let written = format!("{:.1}", value / unit);
            format!("{}{name}", written.strip_suffix(".0").unwrap_or(&written))
        }
        Some((unit, name)) => format!("{:.0}{name}", value / unit),
        None => float(value),
    }
}

/// Writes a share in per cent; only nothing is `0 %`, and only all is `100 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = length(part) / length(whole) * 100.0;
    match part {
        0 => "0 %".to_owned(),
        part if part == whole => "100 %".to_owned(),
        _ if percent < 0.1 => "< 0.1 %".to_owned(),
        _ if percent > 99.9 && part < whole => "> 99.9 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// Writes a size in bytes, in decimal units.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let bytes = length(bytes);
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// Writes a sum of money; what is less than a cent, but not nothing, is `< $0.01`.
pub(super) fn usd(usd: f64) -> String {
    if usd > 0.0 && usd < 0.01 {
        return "< $0.01".to_owned();
    }
    let written = format!("{usd:.2}");
    let (whole, cents) = written.split_once('.').unwrap_or((&written, "00"));
    format!("${}.{cents}", group(whole))
}

/// Writes how long something took: `850 ms`, `12.3 s`, `3 min 05 s`, `1 h 02 min`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Writes a count and its noun: `1 record`, `2 records`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [-1_000, i64::MIN].map(integer),
            ["−1,000", "−9,223,372,036,854,775,808"]
        );
        assert_eq!(
            [1_234.5, 0.126, -3.0, -0.001, 1e6].map(float),
            ["1,234.5", "0.13", "−3", "0", "1,000,000"]
        );
        assert_eq!(float(f64::NAN), "NaN");
    }

    #[test]
    fn a_short_number_has_at_most_three_digits_and_a_unit() {
        let values = [
            0.0,
            0.5,
            950.0,
            1_000.0,
            1_234.0,
            99_960.0,
            123_456.0,
            999_960.0,
            5_600_000.0,
            2e10,
            -1_500.0,
        ];
        assert_eq!(
            values.map(short),
            [
                "0", "0.5", "950", "1k", "1.2k", "100k", "123k", "1M", "5.6M", "20B", "-1.5k"
            ]
        );
    }

    #[test]
    fn only_nothing_is_0_per_cent_and_only_all_is_100() {
        let shares = [
            (0, 9),
            (1, 100_000),
            (1, 3),
            (99_999, 100_000),
            (9, 9),
            (0, 0),
        ]
        .map(|(part, all)| share(part, all));
        assert_eq!(
            shares,
            ["0 %", "< 0.1 %", "33.3 %", "> 99.9 %", "100 %", "–"]
        );
    }

    #[test]
    fn money_has_cents() {
        assert_eq!(
            [0.0, 0.001, 0.45, 1_234.5].map(usd),
            ["$0.00", "< $0.01", "$0.45", "$1,234.50"]
        );
    }

    #[test]
    fn a_duration_and_a_size_have_the_unit_that_fits() {
        assert_eq!(
            [0, 850, 12_345, 185_000, 3_720_000].map(duration),
            ["0 ms", "850 ms", "12.3 s", "3 min 05 s", "1 h 02 min"]
        );
        assert_eq!(
            [0, 999, 1_500, 2_500_000, 7_000_000_000].map(size),
            ["0 B", "999 B", "1.5 kB", "2.5 MB", "7.0 GB"]
        );
        assert_eq!(
            [0, 1, 2_000].map(|number| counted(number, "record")),
            ["0 records", "1 record", "2,000 records"]
        );
    }
}
