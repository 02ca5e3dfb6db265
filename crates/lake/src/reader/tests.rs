//! Round trips: rows through the writer, the object, and the reader.

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use cleaning::Cleaner;
use event_model::{Kind, ShardId};
use parquet::basic::Type;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use proptest::prelude::*;

use super::*;
use crate::writer::{CleanWriter, Lineage, write_clean};

const USER: &str = r#"{"ind": 1, "first_name": "Ada"}"#;
const ARRIVAL: i64 = 1_598_586_767_123_000;

fn table(kind: Kind) -> model::Table {
    let model = model::Model::load_from(None).unwrap();
    model.table(kind).unwrap().clone()
}

/// Appends rows of JSON with these sequences.
fn append(writer: &mut CleanWriter, rows: &[(&str, &str)]) -> Result<(), LakeError> {
    let shard = ShardId::from_number(0);
    let mut cleaner = Cleaner::new(model::Model::load_from(None).unwrap());
    rows.iter().try_for_each(|(text, sequence)| {
        let lineage = Lineage {
            shard: &shard,
            sequence: sequence.parse::<crate::Sequence>().unwrap().into(),
            arrival_micros: ARRIVAL,
        };
        writer.append(&cleaner.read(text, None).unwrap(), &lineage)
    })
}

fn batch(kind: Kind, rows: &[&str]) -> RecordBatch {
    let mut writer = CleanWriter::new(&table(kind));
    let sequences: Vec<_> = (100..)
        .take(rows.len())
        .map(|number| number.to_string())
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .zip(&sequences)
        .map(|(text, sequence)| (*text, sequence.as_str()))
        .collect();
    append(&mut writer, &rows).unwrap();
    assert_eq!(writer.rows(), rows.len());
    writer.finish().unwrap()
}

/// Writes the batch and reads it back in steps of 1, 3 and many rows; each must give the same rows.
fn round_trip(batch: &RecordBatch) -> RecordBatch {
    let object = write_clean(batch).unwrap();
    let whole = concat_batches(&batch.schema(), &read_parquet(object.clone()).unwrap()).unwrap();
    for size in [1, 3] {
        let reader = builder(object.clone())
            .unwrap()
            .with_batch_size(size)
            .build()
            .unwrap();
        assert_eq!(
            concat_batches(&batch.schema(), &collect(reader).unwrap()).unwrap(),
            whole
        );
    }
    whole
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch.column_by_name(name).unwrap()
}

#[test]
fn a_pin_reads_back() {
    let text = r#"{"index": 7, "title": "Ünïcode 😀\n", "follower_count": "5.6M", "category": "art", "new": 1}"#;
    let batch = batch(Kind::named("pin"), &[text]);
    let back = round_trip(&batch);
    assert_eq!(back, batch);
    assert_eq!(column(&back, "ind").as_primitive::<Int64Type>().value(0), 7);
    assert_eq!(
        column(&back, "title").as_string::<i32>().value(0),
        "Ünïcode 😀\n"
    );
    assert_eq!(
        column(&back, "follower_count")
            .as_primitive::<Int64Type>()
            .value(0),
        5_600_000
    );
    assert!(column(&back, "poster_name").is_null(0));
    assert_eq!(
        column(&back, "_shard").as_string::<i32>().value(0),
        "shardId-000000000000"
    );
    assert_eq!(
        column(&back, "_sequence").as_string::<i32>().value(0),
        "100"
    );
    assert_eq!(
        column(&back, "_arrival")
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        ARRIVAL
    );
    assert_eq!(
        column(&back, "_rules").as_primitive::<Int32Type>().value(0),
        table(Kind::named("pin")).rules()
    );
    assert_eq!(
        column(&back, "_extra").as_string::<i32>().value(0),
        "{\"new\":1}"
    );
}

#[test]
fn a_geo_and_a_user_read_back() {
    let geo = [
        r#"{"ind": 1, "latitude": -89.9787, "longitude": -173.293, "timestamp": "2020-08-28 03:52:47"}"#,
        r#"{"ind": 2, "latitude": null, "longitude": 1}"#,
        r#"{"ind": 3, "latitude": 0, "longitude": 180}"#,
    ];
    let geo = batch(Kind::named("geo"), &geo);
    let back = round_trip(&geo);
    assert_eq!(back, geo);
    let coordinates = column(&back, "coordinates").as_list::<i32>();
    assert_eq!(
        coordinates.value(0).as_primitive::<Float64Type>().values(),
        &[-89.9787, -173.293]
    );
    assert!(coordinates.is_null(1));
    assert_eq!(
        coordinates.value(2).as_primitive::<Float64Type>().values(),
        &[0.0, 180.0]
    );
    let timestamps = column(&back, "timestamp").as_primitive::<TimestampMicrosecondType>();
    assert_eq!(timestamps.value(0), 1_598_586_767_000_000);

    let user = r#"{"ind": 1, "first_name": "Ada", "last_name": "Lovelace", "age": 36}"#;
    let user = batch(Kind::named("user"), &[user]);
    assert_eq!(round_trip(&user), user);
    assert_eq!(
        column(&user, "age").as_primitive::<Int32Type>().value(0),
        36
    );
}

#[test]
fn the_columns_are_those_of_the_contract() {
    let columns = |kind| {
        let schema = schema::schema(&table(kind));
        let text = |data_type: &DataType| match data_type {
            DataType::Timestamp(unit, zone) => {
                format!("{unit:?}[{}]", zone.as_deref().unwrap_or_default())
            }
            DataType::List(element) => format!("list<{}: {}>", element.name(), element.data_type()),
            other => other.to_string(),
        };
        let columns = schema.fields().iter().map(|field| {
            let null = if field.is_nullable() { "?" } else { "" };
            format!("{}: {}{null}", field.name(), text(field.data_type()))
        });
        columns.collect::<Vec<_>>().join(", ")
    };
    let lineage = "_shard: Utf8, _sequence: Utf8, _arrival: Microsecond[UTC], _rules: Int32, _extra: Utf8?, _unread: Utf8?";
    assert_eq!(
        columns(Kind::named("pin")),
        format!(
            "ind: Int64, unique_id: Utf8?, title: Utf8?, description: Utf8?, follower_count: Int64?, \
             poster_name: Utf8?, tag_list: Utf8?, is_image_or_video: Utf8?, image_src: Utf8?, save_location: Utf8?, \
             category: Utf8?, {lineage}"
        ),
    );
    assert_eq!(
        columns(Kind::named("geo")),
        format!(
            "ind: Int64, country: Utf8?, coordinates: list<element: Float64>?, timestamp: Microsecond[UTC]?, {lineage}"
        ),
    );
    assert_eq!(
        columns(Kind::named("user")),
        format!(
            "ind: Int64, user_name: Utf8?, age: Int32?, date_joined: Microsecond[UTC]?, {lineage}"
        ),
    );
}

#[test]
fn a_timestamp_is_an_int64_in_the_file() {
    let batch = batch(Kind::named("geo"), &[r#"{"ind": 1, "latitude": 1}"#]);
    let file = SerializedFileReader::new(write_clean(&batch).unwrap()).unwrap();
    let columns = file.metadata().file_metadata().schema_descr();
    let timestamp = columns
        .columns()
        .iter()
        .find(|column| column.name() == "timestamp")
        .unwrap();
    assert_eq!(timestamp.physical_type(), Type::INT64);
    let logical = format!("{:?}", timestamp.logical_type_ref().unwrap());
    assert!(
        logical.contains("is_adjusted_to_u_t_c: true") && logical.to_lowercase().contains("micros"),
        "{logical}"
    );
    let coordinates = columns
        .columns()
        .iter()
        .find(|column| column.path().string().starts_with("coordinates"))
        .unwrap();
    assert_eq!(coordinates.path().string(), "coordinates.list.element");
}

#[test]
fn a_row_of_another_kind_is_refused() {
    let mut writer = CleanWriter::new(&table(Kind::named("pin")));
    let error = append(&mut writer, &[(USER, "1")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a row of user was given to the writer of pin"
    );
    assert_eq!(writer.rows(), 0);
}

#[test]
fn positions_are_read_without_the_rest() {
    let object = write_clean(&batch(Kind::named("user"), &[USER, USER])).unwrap();
    assert_eq!(
        read_positions(object).unwrap(),
        ["100", "101"].map(|sequence| event_model::Position::new("shardId-000000000000", sequence))
    );
    assert!(matches!(
        read_positions(Bytes::from_static(b"PAR1 no")),
        Err(LakeError::ReadParquet(_))
    ));
}

#[test]
fn a_row_of_an_aggregate_has_its_sub_number() {
    let mut writer = CleanWriter::new(&table(Kind::named("user")));
    let sequences = ["100", "101:0", "101:1"];
    append(&mut writer, &sequences.map(|sequence| (USER, sequence))).unwrap();
    let positions = read_positions(writer.finish_parquet().unwrap()).unwrap();
    let read: Vec<_> = positions
        .iter()
        .map(|position| &position.sequence)
        .collect();
    assert_eq!(read, sequences);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_read_back_and_give_the_same_bytes(
        rows in proptest::collection::vec((any::<i64>(), any::<String>(), any::<Option<u32>>(), -95.0..95.0), 0..40)
    ) {
        let texts: Vec<[String; 3]> = rows.iter().map(|(ind, text, number, degrees)| {
            let mut quoted = String::new();
            json_reader::push_string(&mut quoted, text);
            let number = number.map_or("null".to_owned(), |number| number.to_string());
            [
                format!("{{\"ind\":{ind},\"title\":{quoted},\"category\":\"a\",\"follower_count\":{number}}}"),
                format!("{{\"ind\":{ind},\"country\":{quoted},\"latitude\":{degrees},\"longitude\":{number}}}"),
                format!("{{\"ind\":{ind},\"first_name\":{quoted},\"age\":{number},{quoted}:1}}"),
            ]
        }).collect();
        for (index, kind) in ["pin", "geo", "user"].map(Kind::named).into_iter().enumerate() {
            let rows: Vec<_> = texts.iter().map(|texts| texts[index].as_str()).collect();
            let batch = batch(kind, &rows);
            prop_assert_eq!(&round_trip(&batch), &batch);
            prop_assert_eq!(write_clean(&batch).unwrap(), write_clean(&batch).unwrap());
        }
    }
}
