//! A day as it might have been: dirty titles, many countries, three kinds.

mod reports;

use std::collections::BTreeMap;

use jiff::civil::{Date, date};

use crate::summary::{
    Architecture, MergeCounts, Quarantine, Reconciliation, RejectedExample, StreamMode,
    StreamUsage, TableCounts, Usage, ViewCounts,
};
use crate::{RunState, StepRecord, Summary, Trigger};
pub(super) use reports::reports;

/// Spreads a number over `0..below`, the same each time.
fn spread(number: u64, below: u64) -> u64 {
    number
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(23)
        % below
}

fn owned<T: Clone>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// Returns the summary of a day.
fn all_found(records: u64) -> Reconciliation {
    Reconciliation {
        accepted: records,
        found: records,
        unaccounted: 0,
        is_complete: true,
        accepted_in_all: records * 10,
        found_in_all: records * 10,
        ..Reconciliation::default()
    }
}

pub(super) fn summary(run_date: Date) -> Summary {
    let day = u64::from(run_date.day_of_year().unsigned_abs());
    let merge = |rows_in: u64| MergeCounts {
        objects: 48,
        rows_in,
        inserted: rows_in * 8 / 10,
        updated: rows_in / 10,
        superseded: 31,
        repeated: rows_in - rows_in * 8 / 10 - rows_in / 10 - 31,
        ..MergeCounts::default()
    };
    let rows_in = 11_000 + spread(day, 2_400);
    let rows = 250_000 + day * 9_700;
    let table = |rows: u64, nulls: &[(&str, u64)]| TableCounts {
        version: day,
        rows,
        files: 12,
        size_bytes: rows * 61,
        nulls: nulls
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
    };
    let hours = |kind: u64| {
        let by_hour =
            |hour: u64| 180 + spread(hour + kind, 90) + 40 * (12 - hour.abs_diff(15).min(12));
        (0..24).map(by_hour).collect::<Vec<u64>>()
    };
    Summary {
        run_date,
        attempt: 1,
        trigger: Some(Trigger::Schedule),
        merges: owned(&[
            ("geo", merge(rows_in)),
            ("pin", merge(rows_in + 12)),
            ("user", merge(rows_in - 7)),
        ]),
        tables: owned(&[
            (
                "geo",
                table(
                    rows,
                    &[("country", 0), ("coordinates", 112), ("timestamp", 3)],
                ),
            ),
            (
                "pin",
                table(
                    rows + 44,
                    &[
                        ("unique_id", 0),
                        ("title", 31_402),
                        ("description", 52_118),
                        ("follower_count", 9_411),
                        ("poster_name", 8_870),
                        ("tag_list", 61_020),
                        ("is_image_or_video", 0),
                        ("image_src", 2_204),
                        ("save_location", 1),
                        ("category", 0),
                    ],
                ),
            ),
            (
                "user",
                table(
                    rows - 19,
                    &[("user_name", 0), ("age", 840), ("date_joined", 12)],
                ),
            ),
        ]),
        rows_by_hour: owned(&[("geo", hours(1)), ("pin", hours(2)), ("user", hours(3))]),
        changes_by_rule: owned(&[
            ("blank_text", 412),
            ("no_data_marker", 5_210),
            ("short_count_expanded", 8_001),
            ("prefix_stripped", 12_034),
            ("field_renamed", 12_034),
            ("field_ignored", 12_034),
            ("number_out_of_range", 38),
            ("text_joined", 12_015),
            ("timestamp_unreadable", 3),
            ("number_unreadable", 0),
        ]),
        quarantine: quarantine(day),
        views: BTreeMap::from([(
            "posts".to_owned(),
            ViewCounts {
                complete: rows - 120,
                without: BTreeMap::from([
                    ("pin".to_owned(), 19),
                    ("geo".to_owned(), 63),
                    ("user".to_owned(), 38),
                ]),
            },
        )]),
        reconciliation: all_found(rows_in * 3),
        usage: usage(),
        steps: steps(run_date),
        ..Summary::default()
    }
}

fn usage() -> Usage {
    Usage {
        records: 300_000,
        objects: 5_000,
        clean_bytes: 60_000_000,
        quarantine_bytes: 1_200,
        table_bytes: 2_000_000_000,
        run_ms: 90_000,
        stream: Some(StreamUsage {
            mode: StreamMode::Provisioned,
            shards: 1,
            retention_hours: 24,
        }),
        architecture: Architecture::Arm64,
    }
}

fn quarantine(day: u64) -> Quarantine {
    let example = |code: &str, message: &str, sequence_number: &str| RejectedExample {
        code: code.to_owned(),
        message: message.to_owned(),
        shard: "shardId-000000000002".to_owned(),
        sequence_number: sequence_number.to_owned(),
    };
    Quarantine {
        by_code: owned(&[
            ("missing_key", 4),
            ("not_json", 9 + spread(day, 12)),
            ("wrong_kind", 4),
            ("too_large", 0),
        ]),
        examples: vec![
            example(
                "missing_key",
                "the row has no `ind`",
                "49590338271490256608559692538361571095921575989136588898",
            ),
            example(
                "not_json",
                "not JSON: expected value at line 1 column 1",
                "49590338271490256608559692540925702759324208523137515618",
            ),
            example(
                "not_json",
                "not JSON: EOF while parsing a string at line 1 column 200",
                "49590338271490256608559692540925702759324208523137515619",
            ),
            example(
                "wrong_kind",
                "a pin was posted as `user`",
                "49590338271490256608559692540925702759324208523137515620",
            ),
        ],
        unreadable: Vec::new(),
    }
}

fn steps(run_date: Date) -> Vec<StepRecord> {
    let began = run_date.tomorrow().unwrap().at(0, 10, 0, 0);
    let began = jiff::tz::TimeZone::UTC.to_timestamp(began).unwrap();
    let mut seconds = 0;
    [
        (
            "merge-geo",
            RunState::Kept,
            41_200,
            vec![("objects", 48), ("rows", 11_812)],
        ),
        (
            "merge-pin",
            RunState::Succeeded,
            63_850,
            vec![("objects", 48), ("rows", 11_824)],
        ),
        (
            "merge-user",
            RunState::Succeeded,
            38_020,
            vec![("objects", 48), ("rows", 11_805)],
        ),
        (
            "reports",
            RunState::Succeeded,
            12_400,
            vec![("reports", 10), ("rows", 1_190)],
        ),
        (
            "reconciliation",
            RunState::Succeeded,
            88_000,
            vec![("records", 35_441)],
        ),
        ("compact", RunState::Succeeded, 920, vec![]),
    ]
    .map(|(name, state, duration_ms, counts)| {
        let started_at = began
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap();
        seconds += i64::try_from(duration_ms / 1_000).unwrap();
        let counts = owned(&counts);
        StepRecord {
            name: name.to_owned(),
            state,
            started_at: Some(started_at),
            duration_ms: Some(duration_ms),
            counts,
            error: None,
        }
    })
    .into()
}

/// Returns the summaries of the days before, with one missing.
pub(super) fn trend(run_date: Date) -> Vec<Summary> {
    let first = run_date.checked_sub(jiff::Span::new().days(24)).unwrap();
    let days = first.series(jiff::Span::new().days(1)).take(24);
    days.filter(|day| *day != date(2026, 8, 9))
        .map(summary)
        .collect()
}
