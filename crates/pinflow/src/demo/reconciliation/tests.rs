use cleaning::Cleaner;
use event_model::SubNumber;
use lake::quarantine::write_quarantine;
use lake::{ArrivalHour, CleanWriter, Lineage, QuarantineRecord, RejectedRecord, Sequence};

use super::*;

const ARRIVAL_MICROS: i64 = 1_598_586_767_000_000;

fn position(shard: u32, sequence: u64) -> Position {
    Position::new(ShardId::from_number(shard).as_str(), sequence.to_string())
}

fn write(bucket: &Path, key: &ObjectKey, object: &[u8]) {
    let path = bucket.join(key.to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, object).unwrap();
}

fn range(shard: u32, sequences: &[u64]) -> SequenceRange {
    let number = |sequence: &u64| sequence.to_string().parse().unwrap();
    SequenceRange {
        shard: ShardId::from_number(shard),
        first: number(&sequences[0]),
        last: number(sequences.last().unwrap()),
    }
}

fn write_clean(bucket: &Path, shard: u32, sequences: &[u64]) {
    write_clean_rows(bucket, shard, sequences, &[None]);
}

/// Writes an object of some records, with a row for each of the sub-numbers.
fn write_clean_rows(bucket: &Path, shard: u32, sequences: &[u64], sub_numbers: &[Option<u32>]) {
    let model = model::Model::load_from(None).unwrap();
    let mut writer = CleanWriter::new(model.table(Kind::named("geo")).unwrap());
    let mut cleaner = Cleaner::new(model);
    let rows = sequences.iter().flat_map(|number| {
        sub_numbers
            .iter()
            .map(move |sub_number| (number, *sub_number))
    });
    for (number, sub_number) in rows {
        let lineage = Lineage {
            shard: &ShardId::from_number(shard),
            sequence: Sequence {
                number: number.to_string().parse().unwrap(),
                sub_number: sub_number.map(SubNumber::new),
            }
            .into(),
            arrival_micros: ARRIVAL_MICROS,
        };
        let row = cleaner.read("{\"ind\": 1, \"latitude\": 2}", None).unwrap();
        writer.append(&row, &lineage).unwrap();
    }
    let key = ObjectKey::Clean {
        kind: Kind::named("geo"),
        hour: ArrivalHour::of(ARRIVAL_MICROS),
        range: range(shard, sequences),
        replay: None,
    };
    let object = lake::writer::write_clean(&writer.finish().unwrap()).unwrap();
    write(bucket, &key, &object);
}

fn write_rejected(bucket: &Path, shard: u32, sequences: &[u64]) {
    let mut cleaner = Cleaner::new(model::Model::load_from(None).unwrap());
    let rejection = cleaner.read("[]", None).map(|_| ()).unwrap_err();
    let record = |sequence: &u64| {
        QuarantineRecord::of(&RejectedRecord {
            rejection: &rejection,
            shard: &ShardId::from_number(shard),
            sequence,
            rules: 1,
            arrival_micros: ARRIVAL_MICROS,
            partition_key: "pin/1",
            payload: b"[]",
        })
        .unwrap()
    };
    let records: Vec<_> = sequences.iter().map(record).collect();
    let key = ObjectKey::Quarantine {
        date: ArrivalHour::of(ARRIVAL_MICROS).date,
        range: range(shard, sequences),
    };
    write(bucket, &key, &write_quarantine(&records).unwrap());
}

#[test]
fn each_record_is_found_once_or_missed() {
    let bucket = tempfile::tempdir().unwrap();
    // The second object is the first one's batch again, cut otherwise.
    write_clean(bucket.path(), 0, &[20, 21, 22]);
    write_clean(bucket.path(), 0, &[21, 22, 23]);
    write_clean(bucket.path(), 1, &[30]);
    write_rejected(bucket.path(), 1, &[31, 32]);
    fs::write(bucket.path().join("clean/geo/.part"), "half an object").unwrap();

    let acknowledged = [(0, 21), (0, 23), (0, 30), (1, 30), (1, 31), (2, 30)];
    let acknowledged = acknowledged.map(|(shard, sequence)| position(shard, sequence));
    let reconciliation = Reconciliation::read(bucket.path(), &acknowledged.into()).unwrap();
    assert_eq!(
        reconciliation.clean,
        BTreeMap::from([(Kind::named("geo"), 3)])
    );
    assert_eq!(
        reconciliation.quarantined,
        BTreeMap::from([("not_an_object".to_owned(), 1)])
    );
    assert_eq!(
        reconciliation.unaccounted,
        [position(0, 30), position(2, 30)]
    );
}

#[test]
fn an_aggregate_is_found_by_any_of_its_rows_and_counted_once() {
    let bucket = tempfile::tempdir().unwrap();
    write_clean_rows(bucket.path(), 0, &[20, 21], &[Some(0), Some(2)]);
    let acknowledged = HashSet::from([20, 21, 22].map(|sequence| position(0, sequence)));
    let reconciliation = Reconciliation::read(bucket.path(), &acknowledged).unwrap();
    assert_eq!(
        reconciliation.clean,
        BTreeMap::from([(Kind::named("geo"), 2)])
    );
    assert_eq!(reconciliation.unaccounted, [position(0, 22)]);
}

#[test]
fn objects_of_earlier_runs_are_not_read() {
    let bucket = tempfile::tempdir().unwrap();
    write_clean(bucket.path(), 0, &[9, 10]);
    let key = ObjectKey::Clean {
        kind: Kind::named("pin"),
        hour: ArrivalHour::of(ARRIVAL_MICROS),
        range: range(0, &[1, 8]),
        replay: None,
    };
    write(bucket.path(), &key, b"not Parquet");
    let reconciliation =
        |sequence| Reconciliation::read(bucket.path(), &[position(0, sequence)].into());
    assert_eq!(reconciliation(9).unwrap().unaccounted, []);
    let error = format!("{:#}", reconciliation(8).unwrap_err());
    assert!(
        error.contains("is damaged: could not read the object as Parquet"),
        "{error}"
    );
}

#[test]
fn an_empty_lake_accounts_for_nothing() {
    let bucket = tempfile::tempdir().unwrap();
    let acknowledged = HashSet::from([position(0, 1), Position::new("partition", "x")]);
    let reconciliation = Reconciliation::read(&bucket.path().join("none"), &acknowledged).unwrap();
    assert_eq!(reconciliation.unaccounted.len(), 2);
    assert_eq!(
        (
            reconciliation.total_clean(),
            reconciliation.total_quarantined()
        ),
        (0, 0)
    );
}
