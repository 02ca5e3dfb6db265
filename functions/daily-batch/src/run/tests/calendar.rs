//! Days in any order, again, half-way, before they are over and after rows came late, against a reference.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use proptest::prelude::*;

use event_model::Kind;

use super::*;
use crate::test_lake::{DAY, Posted, ages_of, ending_after, put_posts};

/// Days that are run; the clock of a test begins right after the first.
const DAYS: i64 = 6;

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Rows arrive now, or arrived up to some days ago and are written now.
    Rows {
        days_ago: i64,
        inds: Vec<i64>,
    },
    HoursPass(i64),
    /// A person or the schedule runs the day some days ago; 0 is a preview of today.
    Run {
        days_ago: i64,
        trigger: Trigger,
    },
    /// Such a run ends after so many writes, and its lease with it.
    Kill {
        days_ago: i64,
        writes: usize,
    },
    /// Somebody wants the tables of now.
    AsOfNow {
        days_ago: i64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let inds = prop::collection::vec(0_i64..9, 1..4);
    let trigger = prop_oneof![Just(Trigger::Schedule), Just(Trigger::Manual)];
    prop_oneof![
        4 => (prop_oneof![3 => Just(0), 1 => 1_i64..4], inds).prop_map(|(days_ago, inds)| Happening::Rows { days_ago, inds }),
        3 => (1_i64..30).prop_map(Happening::HoursPass),
        5 => (0_i64..4, trigger).prop_map(|(days_ago, trigger)| Happening::Run { days_ago, trigger }),
        1 => (0_i64..3, 0_usize..40).prop_map(|(days_ago, writes)| Happening::Kill { days_ago, writes }),
        1 => (0_i64..3).prop_map(|days_ago| Happening::AsOfNow { days_ago }),
    ]
}

/// What was written and when each of its rows counts, by the contract alone.
#[derive(Default)]
struct Reference {
    objects: Vec<(Date, Vec<Posted>)>,
    /// The date under which an object was merged, by its place.
    under: BTreeMap<usize, Date>,
    /// Days that were run after their end.
    ran: BTreeSet<Date>,
    /// How many objects were merged when somebody wanted a day with the tables of then.
    as_of: BTreeMap<Date, BTreeSet<usize>>,
    /// What the reports of a day were when it was run first.
    reports: BTreeMap<Date, (Vec<Bytes>, String)>,
}

impl Reference {
    fn first_open(&self) -> Option<Date> {
        let through = self.under.values().max().copied();
        let after_last = self.ran.last().map(|day| day.tomorrow().unwrap());
        through.max(after_last)
    }

    /// Merges what a run of a day merges.
    fn merge(&mut self, through: Date, as_of_now: bool) {
        let open = self.first_open();
        for (place, (arrival, _)) in self.objects.iter().enumerate() {
            let under = open.map_or(*arrival, |open| open.max(*arrival));
            if *arrival <= through && (under <= through || as_of_now) {
                self.under.entry(place).or_insert(under);
            }
        }
    }

    /// Tells whether a day's reports have the rows of an object.
    fn has(&self, day: Date, place: usize) -> bool {
        match self.as_of.get(&day) {
            Some(places) => places.contains(&place),
            None => self.under.get(&place).is_some_and(|under| *under <= day),
        }
    }

    /// Returns the rows of a day's tables: `ind` → age of the latest version.
    fn rows(&self, day: Date) -> BTreeMap<i64, i32> {
        let mut latest: BTreeMap<i64, (i64, u64, i32)> = BTreeMap::new();
        for (place, (_, rows)) in self.objects.iter().enumerate() {
            for row in rows.iter().filter(|_| self.has(day, place)) {
                let version = (row.arrival_seconds, row.sequence.parse().unwrap(), row.age);
                let entry = latest.entry(row.ind).or_insert(version);
                *entry = (*entry).max(version);
            }
        }
        latest
            .into_iter()
            .map(|(ind, (.., age))| (ind, age))
            .collect()
    }

    /// Counts the rows that the reports of a day lack.
    fn lacking(&self, day: Date) -> u64 {
        let objects = self
            .objects
            .iter()
            .enumerate()
            .filter(|(place, (arrival, _))| {
                *arrival <= day && self.under.contains_key(place) && !self.has(day, *place)
            });
        objects.map(|(_, (_, rows))| 3 * rows.len() as u64).sum()
    }
}

struct Calendar {
    runner: Runner,
    clock: TestClock,
    reference: Reference,
    posted: u64,
}

impl Calendar {
    fn day(&self, days_ago: i64) -> Date {
        crate::payload::day_of(self.runner.ledger().now()).saturating_sub(days_ago.days())
    }

    async fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Rows { days_ago, inds } => {
                let seconds = self.runner.ledger().now().as_second() - days_ago * DAY;
                let rows: Vec<_> = inds
                    .iter()
                    .map(|ind| {
                        self.posted += 1;
                        let age = i32::try_from(20 + self.posted % 90).unwrap();
                        posted(*ind, age, seconds, &(1000 + self.posted).to_string())
                    })
                    .collect();
                put_posts(&self.runner.lake, &rows).await;
                self.reference.objects.push((self.day(days_ago), rows));
            }
            Happening::HoursPass(hours) => self.clock.advance(hours * 3600),
            Happening::Run { days_ago, trigger } => {
                self.run(self.day(days_ago), trigger, false).await;
            }
            Happening::AsOfNow { days_ago } => {
                self.run(self.day(days_ago), Trigger::Manual, true).await;
            }
            Happening::Kill { days_ago, writes } => {
                let day = self.day(days_ago);
                let whole = self.runner.lake.clone();
                self.runner.lake = ending_after(&whole, writes);
                let start = Start {
                    trigger: Trigger::Manual,
                    as_of_now: false,
                    holder: "killed",
                    deadline: None,
                    memory_bytes: None,
                };
                let ended = self.runner.run(day, start, &|_| {}).await;
                self.runner.lake = whole;
                self.clock.advance(61);
                // What it merged is in the tables; what is left, the next run finds.
                drop(ended);
                self.run(day, Trigger::Manual, false).await;
            }
        }
    }

    async fn run(&mut self, day: Date, trigger: Trigger, as_of_now: bool) {
        let is_over = day < self.day(0);
        let is_again = self.reference.ran.contains(&day) && !as_of_now;
        let start = Start {
            trigger,
            as_of_now,
            holder: "calendar",
            deadline: None,
            memory_bytes: None,
        };
        let Ended::Done(record) = self.runner.run(day, start, &|_| {}).await.unwrap() else {
            panic!("there is time enough")
        };
        if !is_again {
            self.reference.merge(day, as_of_now);
            self.reference.as_of.remove(&day);
            if as_of_now {
                let merged = self.reference.under.keys().copied().collect();
                self.reference.as_of.insert(day, merged);
            }
        }
        let version = record.tables["user"];
        assert_eq!(self.rows(version).await, self.reference.rows(day), "{day}");
        let lacking = record
            .steps
            .last()
            .unwrap()
            .counts
            .get(ROWS_LACKING)
            .copied();
        if as_of_now {
            self.reference.reports.remove(&day);
        }
        // The schedule does nothing when the day was run before.
        if trigger != Trigger::Schedule || !is_again {
            let (lacking, expected) = (lacking.unwrap_or_default(), self.reference.lacking(day));
            // Nobody knows how much came on the very date of the version that somebody wanted instead.
            let is_known = !self.reference.as_of.contains_key(&day);
            assert!(
                lacking == expected || (!is_known && lacking < expected),
                "{day} lacks {lacking}, not {expected}"
            );
        }
        if !is_over {
            return;
        }
        self.reference.ran.insert(day);
        let reports = self.reports(day).await;
        let first = self
            .reference
            .reports
            .entry(day)
            .or_insert_with(|| reports.clone());
        assert_eq!(first.1, reports.1, "{day}");
        assert!(first.0 == reports.0, "a report of {day} has other bytes");
    }

    /// Reads every report of a day, and its summary but for who made it and how long that took.
    async fn reports(&self, day: Date) -> (Vec<Bytes>, String) {
        let mut files = Vec::new();
        for report in self.runner.lake.model().reports() {
            for extension in ["csv", "parquet"] {
                let key = format!("reports/date={day}/{}.{extension}", report.name);
                files.push(read(&self.runner, &key).await);
            }
        }
        let bytes = read(&self.runner, &summary::summary_key(day)).await;
        let mut summary: Summary = serde_json::from_slice(&bytes).unwrap();
        summary.attempt = 0;
        summary.trigger = None;
        summary.steps.clear();
        summary.usage.run_ms = 0;
        (files, serde_json::to_string_pretty(&summary).unwrap())
    }

    async fn rows(&self, version: u64) -> BTreeMap<i64, i32> {
        let table = CuratedTable::open_at(&self.runner.lake, Kind::named("user"), version).await;
        ages_of(&table.unwrap()).await.0
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 12,
        ..ProptestConfig::with_cases(12)
    })]
    #[test]
    fn a_days_run_is_that_days_in_whatever_order_days_are_run(
        happenings in prop::collection::vec(happening(), 4..24),
        slice_rows in prop_oneof![Just(1_usize), Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = TestClock::default();
            clock.advance(DAYS * DAY);
            let mut runner = runner(&clock);
            runner.sizes.slice_rows = slice_rows;
            let mut calendar = Calendar { runner, clock, reference: Reference::default(), posted: 0 };
            for happening in happenings {
                calendar.take(happening).await;
            }
        });
    }
}
