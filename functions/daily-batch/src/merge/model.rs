//! Random sequences of all that can happen to a table, against a dictionary.
//!
//! The dictionary keeps the latest version of each `ind` for every version of the table, as the contract has it: what a
//! merge brings is the set of rows in `clean/`, a restore goes back to a version, and nothing else changes a row.

use std::collections::BTreeMap;

use daily_report::summary::MergeCounts;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::tests::{date, table, work};
use super::*;
use crate::Lake;
use crate::maintenance::compact::compact;
use crate::test_lake::{
    DAY, Posted, ages_of, batch, ending_after, memory, posted, put_batch, with_rules,
};
use crate::work::Sizes;

/// The day whose run merges everything.
const LAST_DAY: i64 = 2;

/// Something that happens to a table.
#[derive(Clone, Debug)]
enum Step {
    /// Rows arrive on a day: each an `ind` and a second of arrival.
    Post(i64, Vec<(i64, i64)>),
    /// An object is written again by newer rules.
    Replace(prop::sample::Index),
    Merge(Sizes),
    Compact(Sizes),
    /// A merge or a compaction ends after so many writes.
    Kill(bool, Sizes, usize),
    /// Files that the newest version does not name are deleted.
    Vacuum,
    /// Back to one of the versions whose files are there.
    Restore(prop::sample::Index),
    Remerge,
}

fn sizes() -> impl Strategy<Value = Sizes> {
    // Files of these tables have some 3 kB. Small row groups and batches are cut in all places, large ones are written again
    // just as they were.
    let bytes = || prop_oneof![Just(200_usize), Just(1 << 20)];
    let slice_rows = prop_oneof![Just(1_usize), Just(8), Just(1 << 20)];
    let slice_bytes = prop_oneof![Just(1_u64), Just(10_000), Just(1 << 30)];
    let writers = (1_usize..9, 500_usize..20_000, 1_u64..6000);
    (writers, bytes(), bytes(), slice_rows, slice_bytes).prop_map(
        |(
            (writers, file_bytes, bytes_per_writer),
            row_group_bytes,
            batch_bytes,
            slice_rows,
            slice_bytes,
        )| Sizes {
            file_bytes,
            row_group_bytes,
            batch_bytes,
            bytes_per_writer,
            writers,
            packed_files: 2,
            slice_rows,
            slice_bytes,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::vec((0_i64..24, 0_i64..4), 1..12);
    prop_oneof![
        4 => (0_i64..=LAST_DAY, rows).prop_map(|(day, rows)| Step::Post(day, rows)),
        1 => any::<prop::sample::Index>().prop_map(Step::Replace),
        4 => sizes().prop_map(Step::Merge),
        3 => sizes().prop_map(Step::Compact),
        2 => (any::<bool>(), sizes(), 0_usize..8).prop_map(|(merges, sizes, writes)| Step::Kill(merges, sizes, writes)),
        1 => Just(Step::Vacuum),
        2 => any::<prop::sample::Index>().prop_map(Step::Restore),
        1 => Just(Step::Remerge),
    ]
}

/// The latest version of an `ind`: arrival, sequence number and rules, and the age that goes with it.
type Latest = BTreeMap<i64, ((i64, u64, i32), i32)>;

/// What the table must hold, and what it was made of.
#[derive(Default)]
struct Model {
    /// Every object of `clean/`: its rows, and the rules that made them.
    objects: Vec<(Vec<Posted>, i32)>,
    /// The rows of each version of the table whose files are there.
    versions: BTreeMap<u64, Latest>,
    current: Latest,
    posted: u64,
}

/// The age that a record is cleaned to by rules of a version.
fn age(row: &Posted, rules: i32) -> i32 {
    let sequence: i32 = row.sequence.parse().unwrap();
    (sequence * 7 + rules * 13) % 140
}

impl Model {
    fn post(&mut self, day: i64, rows: &[(i64, i64)]) -> usize {
        let rows = rows.iter().map(|&(ind, second)| {
            self.posted += 1;
            posted(
                ind,
                0,
                day * DAY + second,
                &(1000 + self.posted).to_string(),
            )
        });
        self.objects.push((rows.collect(), 1));
        self.objects.len() - 1
    }

    /// Returns the table after a merge of everything in `clean/`.
    fn merged(&self) -> Latest {
        let mut latest = self.current.clone();
        for (rows, rules) in &self.objects {
            for row in rows {
                let version = (row.arrival_seconds, row.sequence.parse().unwrap(), *rules);
                let new = (version, age(row, *rules));
                let old = latest.entry(row.ind).or_insert(new);
                *old = (*old).max(new);
            }
        }
        latest
    }
}

impl Model {
    /// Returns the rows of a table that a merge has changed in part: each is as it was, or one of the versions that were to be merged
    /// and is later.
    fn between(&self, found: &BTreeMap<i64, i32>) -> Latest {
        let mut latest = self.current.clone();
        for (ind, age) in found {
            let is_kept = latest.get(ind).is_some_and(|(_, kept)| kept == age);
            let versions = self.versions_of(*ind);
            let version = versions.into_iter().filter(|(_, new)| new == age).max();
            match version {
                _ if is_kept => {}
                Some(version) => {
                    let before = latest.insert(*ind, version);
                    assert!(
                        before.is_none_or(|before| before < version),
                        "{ind} went back"
                    );
                }
                None => panic!("{ind} has an age that nobody posted"),
            }
        }
        latest
    }

    fn versions_of(&self, ind: i64) -> Vec<((i64, u64, i32), i32)> {
        let objects = self.objects.iter();
        let rows = objects.flat_map(|(rows, rules)| rows.iter().map(move |row| (row, *rules)));
        rows.filter(|(row, _)| row.ind == ind)
            .map(|(row, rules)| {
                let version = (row.arrival_seconds, row.sequence.parse().unwrap(), rules);
                (version, age(row, rules))
            })
            .collect()
    }
}

async fn put_object(lake: &Lake, (rows, rules): &(Vec<Posted>, i32)) {
    let mut cleaned = rows.clone();
    for row in &mut cleaned {
        row.age = age(row, *rules);
    }
    let batch = with_rules(&batch(&cleaned), *rules);
    put_batch(lake, rows, &batch).await;
}

/// Reads the table as its log has it: its version, `ind` → age, and the number of rows.
async fn rows(lake: &Lake) -> (u64, BTreeMap<i64, i32>, usize) {
    let table = table(lake).await;
    let (found, count) = ages_of(&table).await;
    (table.version(), found, count)
}

fn ages(latest: &Latest) -> BTreeMap<i64, i32> {
    latest.iter().map(|(ind, (_, age))| (*ind, *age)).collect()
}

async fn take(lake: &Lake, model: &mut Model, step: Step) {
    let at = |sizes| Work {
        sizes,
        ..work(lake)
    };
    match step {
        Step::Post(day, rows) => {
            let object = model.post(day, &rows);
            put_object(lake, &model.objects[object]).await;
        }
        Step::Replace(index) => {
            if model.objects.is_empty() {
                return;
            }
            let object = index.index(model.objects.len());
            model.objects[object].1 += 1;
            put_object(lake, &model.objects[object]).await;
        }
        Step::Merge(sizes) => {
            merge(&at(sizes), Kind::named("user"), date(LAST_DAY), 1)
                .await
                .unwrap();
            model.current = model.merged();
            // Again, it finds nothing to do.
            let again = merge(&at(sizes), Kind::named("user"), date(LAST_DAY), 1)
                .await
                .unwrap();
            assert_eq!(again.counts, MergeCounts::default());
        }
        Step::Compact(sizes) => {
            compact(&at(sizes), Kind::named("user")).await.unwrap();
        }
        Step::Kill(merges, sizes, writes) => {
            let dying = Work {
                lake: ending_after(lake, writes),
                ..at(sizes)
            };
            let is_done = if merges {
                merge(&dying, Kind::named("user"), date(LAST_DAY), 1)
                    .await
                    .is_ok()
            } else {
                compact(&dying, Kind::named("user")).await.is_ok()
            };
            CuratedTable::open_or_create(lake, Kind::named("user"))
                .await
                .unwrap();
            let (_, found, _) = rows(lake).await;
            if merges && is_done {
                model.current = model.merged();
            } else if merges {
                // Each slice is there, or nothing of it.
                model.current = model.between(&found);
            }
        }
        Step::Vacuum => {
            table(lake).await.vacuum(0).await.unwrap();
            model.versions.clear();
        }
        Step::Restore(index) => {
            let current = table(lake).await.version();
            let versions: Vec<_> = model
                .versions
                .range(..current)
                .map(|(version, _)| *version)
                .collect();
            if versions.is_empty() {
                return;
            }
            let version = *index.get(&versions);
            super::tests::restore(lake, version).await;
            model.current = model.versions[&version].clone();
        }
        Step::Remerge => {
            crate::maintenance::remerge::remerge(&at(Sizes::default()), Kind::named("user"), true)
                .await
                .unwrap();
        }
    }
    let (version, found, count) = rows(lake).await;
    assert_eq!(found, ages(&model.current));
    assert_eq!(count, found.len(), "a key appears twice");
    model.versions.insert(version, model.current.clone());
}

/// Leaves the table and what it must hold in a folder, for other readers of Delta, if somebody asks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no `main` that could read the environment"
)]
async fn leave(lake: &Lake, model: &Model) {
    let Ok(folder) = std::env::var("PINFLOW_MODEL_TABLES") else {
        return;
    };
    let folder = std::path::Path::new(&folder).join(uuid::Uuid::new_v4().to_string());
    let objects: Vec<_> = lake
        .store()
        .list(Some(&Path::from("curated")))
        .try_collect()
        .await
        .unwrap();
    for object in objects {
        let path = folder.join(object.location.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = lake
            .store()
            .get(&object.location)
            .await
            .unwrap()
            .bytes()
            .await;
        std::fs::write(path, bytes.unwrap()).unwrap();
    }
    let expected = serde_json::to_string(&ages(&model.current)).unwrap();
    std::fs::write(folder.join("expected.json"), expected).unwrap();
}

fn run(runtime: &Runtime, steps: Vec<Step>) {
    runtime.block_on(async {
        let (lake, mut model) = (memory(), Model::default());
        CuratedTable::open_or_create(&lake, Kind::named("user"))
            .await
            .unwrap();
        for step in steps {
            take(&lake, &mut model, step).await;
        }
        leave(&lake, &model).await;
    });
}

macro_rules! sequences {
    ($($name:ident: $cases:literal),+) => {
        $(proptest! {
            #![proptest_config(ProptestConfig {
                failure_persistence: None,
                max_shrink_iters: 200,
                ..ProptestConfig::with_cases($cases)
            })]
            #[test]
            fn $name(steps in prop::collection::vec(step(), 1..16)) {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
                run(&runtime, steps);
            }
        })+
    };
}

// Two long ones, so that both processors work, and a short one for other readers.
sequences!(
    a_table_holds_what_the_contract_says_after_anything: 1000,
    a_table_holds_what_the_contract_says_after_anything_else: 1000,
    a_table_that_others_read_holds_the_same: 50
);
