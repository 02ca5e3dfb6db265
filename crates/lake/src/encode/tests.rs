//! What is written is read back by the `parquet` crate; `make interop` has other people's readers.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    ListBuilder, StringArray, TimestampMicrosecondArray, UInt8Array,
};
use arrow::array::{AsArray as _, Float64Builder, RecordBatchOptions, RecordBatchReader as _};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::statistics::Statistics;
use proptest::prelude::*;

use super::*;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = columns.iter().enumerate().map(|(place, column)| {
        let has_nulls = column.null_count() > 0 || place % 2 == 0;
        Field::new(format!("c{place}"), column.data_type().clone(), has_nulls)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options =
        RecordBatchOptions::new().with_row_count(columns.first().map(|column| column.len()));
    RecordBatch::try_new_with_options(schema, columns, &options).unwrap()
}

/// Reads a file whole, some rows at a time.
fn read(file: &Bytes, rows: usize) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let reader = reader.with_batch_size(rows).build().unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn encode_zstd(batch: &RecordBatch) -> Result<Bytes> {
    encode(batch, None, CompressionCodec::ZSTD)
}

fn check(batch: &RecordBatch) -> Bytes {
    let plain = encode(batch, None, CompressionCodec::UNCOMPRESSED).unwrap();
    assert_eq!(read(&plain, 1_000_000).columns(), batch.columns());
    let file = encode_zstd(batch).unwrap();
    assert_eq!(read(&file, 1_000_000).columns(), batch.columns());
    assert_eq!(read(&file, 777).columns(), batch.columns());
    assert_eq!(encode_zstd(batch).unwrap(), file);
    file
}

/// Returns the low half of a number.
fn low(number: u64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// How the values of a column are made from numbers.
fn array(shape: usize, numbers: &[Option<u64>]) -> ArrayRef {
    let signed = |number: u64| number.cast_signed();
    let narrow = |of: fn(u64) -> i32| numbers.iter().map(move |number| number.map(of));
    let ints = |of: fn(u64) -> i64| numbers.iter().map(move |number| number.map(of));
    let texts = |of: fn(u64) -> String| {
        let texts = numbers.iter().map(|number| number.map(of));
        Arc::new(texts.collect::<StringArray>()) as ArrayRef
    };
    let decimals = |precision: u8, modulus: i128| {
        let numbers = numbers.iter().map(|number| {
            number.map(|number| (i128::from(signed(number)) * 1_000_000_007) % modulus)
        });
        let numbers: Decimal128Array = numbers.collect();
        Arc::new(numbers.with_precision_and_scale(precision, 2).unwrap()) as ArrayRef
    };
    match shape {
        0 => Arc::new(ints(u64::cast_signed).collect::<Int64Array>()),
        1 => Arc::new(ints(|number| (number % 3).cast_signed()).collect::<Int64Array>()),
        2 => Arc::new(ints(|number| (number >> 40).cast_signed()).collect::<Int64Array>()),
        3 => Arc::new(narrow(low).collect::<Int32Array>()),
        4 => Arc::new(narrow(|number| low(number) % 90).collect::<Int32Array>()),
        5 => Arc::new(narrow(low).collect::<Date32Array>()),
        6 => Arc::new(
            ints(u64::cast_signed)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        7 => Arc::new(
            numbers
                .iter()
                .map(|number| number.map(|number| f64::from(low(number)) / 7.0))
                .collect::<Float64Array>(),
        ),
        8 => Arc::new(
            numbers
                .iter()
                .map(|number| number.map(|number| number % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        9 => decimals(9, 1_000_000_000),
        10 => decimals(18, 1_000_000_000_000_000_000),
        11 => decimals(38, i128::MAX / 2),
        12 => texts(|number| number.to_string()),
        13 => texts(|number| format!("é{}", number % 5)),
        14 => texts(|number| format!("https://example.com/a/long/path/that/all/share/{number}")),
        15 => texts(|_| "one".to_owned()),
        16 => texts(|number| "x".repeat((number % 40) as usize)),
        17 => {
            let mut lists = ListBuilder::new(Float64Builder::new()).with_field(Field::new(
                "element",
                DataType::Float64,
                false,
            ));
            for number in numbers {
                let values = number.map_or(0, |number| number % 4);
                lists
                    .values()
                    .append_slice(&[0.5, -1.0, 1e300][..usize::try_from(values).unwrap()]);
                lists.append(number.is_some());
            }
            Arc::new(lists.finish())
        }
        _ => panic!("there is no such shape"),
    }
}

const SHAPES: usize = 18;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_values_read_back(
        numbers in proptest::collection::vec(proptest::option::weighted(0.8, any::<u64>()), 0..300),
        step in 0_u64..5,
        cut in 0..20_usize,
    ) {
        let rising: Vec<_> = (0..numbers.len() as u64).map(|number| Some(number * step)).collect();
        let nothing = vec![None; numbers.len()];
        for numbers in [&numbers, &rising, &nothing] {
            let columns = (0..SHAPES).map(|shape| array(shape, numbers)).collect();
            let whole = batch(columns);
            check(&whole);
            let cut = cut.min(whole.num_rows());
            check(&whole.slice(cut, whole.num_rows() - cut));
        }
    }
}

#[test]
fn numbers_whose_differences_wrap_read_back() {
    let ends = [i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MIN, 1, i64::MAX];
    let mut bytes = Vec::new();
    bits::deltas(&mut bytes, &ends);
    assert!(bytes.len() > ends.len() * 8);
    // Close ones first, so that differences are what is written.
    let close = (0..200).chain(ends);
    let column = Arc::new(close.clone().collect::<Int64Array>()) as ArrayRef;
    let narrow = close
        .map(|number| low(number.cast_unsigned()))
        .chain([i32::MIN, i32::MAX])
        .take(column.len());
    let file = check(&batch(vec![
        column,
        Arc::new(narrow.collect::<Int32Array>()),
    ]));
    for column in SerializedFileReader::new(file)
        .unwrap()
        .metadata()
        .row_group(0)
        .columns()
    {
        assert!(
            column
                .encodings()
                .any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED)
        );
    }
}

#[test]
fn a_column_is_encoded_and_compressed_by_what_its_values_are() {
    let long = "x".repeat(10_000);
    let texts = |of: &dyn Fn(usize) -> String| {
        Arc::new(StringArray::from_iter_values((0..400).map(of))) as ArrayRef
    };
    let numbers =
        |of: fn(i64) -> i64| Arc::new(Int64Array::from_iter_values((0..400).map(of))) as ArrayRef;
    let columns = vec![
        (
            numbers(|number| number),
            Encoding::DELTA_BINARY_PACKED,
            false,
        ),
        (
            numbers(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed())),
            Encoding::PLAIN,
            true,
        ),
        (
            numbers(|number| number % 3),
            Encoding::RLE_DICTIONARY,
            false,
        ),
        (
            texts(&|number| format!("{}{number}", "many ".repeat(number % 5))),
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            true,
        ),
        (
            texts(&|number| format!("4966671619706135738975117086821{number:04}")),
            Encoding::DELTA_BYTE_ARRAY,
            false,
        ),
        (
            texts(&|number| format!("category {}", number % 4)),
            Encoding::RLE_DICTIONARY,
            false,
        ),
        (
            texts(&|_| "one".to_owned()),
            Encoding::RLE_DICTIONARY,
            false,
        ),
        (texts(&|_| long.clone()), Encoding::RLE_DICTIONARY, true),
        (Arc::new(StringArray::new_null(400)), Encoding::PLAIN, false),
    ];
    let arrays = columns
        .iter()
        .map(|(array, ..)| Arc::clone(array))
        .collect();
    let file = SerializedFileReader::new(check(&batch(arrays))).unwrap();
    let chunks = file.metadata().row_group(0).columns();
    for (place, (chunk, (array, encoding, is_compressed))) in chunks.iter().zip(columns).enumerate()
    {
        assert!(
            chunk.encodings().any(|found| found == encoding),
            "{place}: {chunk:?}"
        );
        let codec = chunk.compression().to_string();
        assert_eq!(codec.contains("ZSTD"), is_compressed, "{place}: {codec}");
        let texts = array.as_string_opt::<i32>();
        let bytes = texts.map(|texts| texts.iter().flatten().map(str::len).sum::<usize>());
        let noted = chunk.unencoded_byte_array_data_bytes();
        assert_eq!(
            noted,
            bytes.and_then(|bytes| i64::try_from(bytes).ok()),
            "{place}"
        );
    }
}

#[test]
fn pages_are_bounded() {
    let many: ArrayRef = array(2, &(0..45_000).map(Some).collect::<Vec<_>>());
    let long = "é".repeat(100_000);
    let texts = (0..45_000).map(|number| match number {
        1..40 => Some(format!("{long}{number}")),
        40..200 => None,
        _ => Some(number.to_string()),
    });
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let points = array(
        17,
        &(0..45_000)
            .map(|number| (number % 9 > 0).then_some(number))
            .collect::<Vec<_>>(),
    );
    let file = SerializedFileReader::new(check(&batch(vec![many, texts, points]))).unwrap();
    let group = file.get_row_group(0).unwrap();
    for (column, least) in [(0, 3), (1, 8), (2, 3)] {
        let pages: Vec<_> = group
            .get_column_page_reader(column)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(pages.len() >= least, "{column}: {}", pages.len());
        for page in pages {
            assert!(page.num_values() <= 60_000);
            assert!(page.buffer().len() <= (1 << 20) + 400_000);
        }
    }
}

#[test]
fn the_least_and_the_greatest_number_are_noted() {
    let columns = vec![
        array(0, &[Some(7), None, Some(u64::MAX), Some(9)]),
        array(17, &[Some(1); 4]),
    ];
    let file = SerializedFileReader::new(encode_zstd(&batch(columns)).unwrap()).unwrap();
    let chunks = file.metadata().row_group(0).columns();
    let expected = Statistics::int64(Some(-1), Some(9), None, Some(1), false);
    assert_eq!(chunks[0].statistics(), Some(&expected));
    assert_eq!(chunks[1].statistics(), None);
}

#[test]
fn a_type_that_no_table_has_is_refused() {
    let column: ArrayRef = Arc::new(UInt8Array::from(vec![1]));
    let error = encode_zstd(&batch(vec![column])).unwrap_err();
    assert!(
        error.to_string().contains("no table has a column of UInt8"),
        "{error}"
    );
}

#[test]
fn a_file_without_rows_is_one() {
    let empty = batch((0..SHAPES).map(|shape| array(shape, &[])).collect());
    assert_eq!(check(&empty).get(..4), Some(MAGIC));
}
