use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::*;

const BOARD: &str = "recognised_by: [slug]\nkey: slug\ncolumns:\n  slug: text\n  size: int64\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Returns what is wrong with a folder, without the place of the folder.
fn problems(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = Model::load(folder.path()).unwrap_err();
    assert!(!error.problems().is_empty());
    let place = format!("{}/", folder.path().display());
    error.to_string().replace(&place, "")
}

fn problem(table: &str) -> String {
    problems(&[("tables/board.yaml", table)])
}

#[test]
fn the_projects_own_tables_are_read() {
    let model = Model::load_from(None).unwrap();
    assert_eq!(model.names(), "geo, pin or user");
    let pin = model.named("pin").unwrap();
    let key = pin.key_column().unwrap();
    assert_eq!(
        (key.name.as_str(), key.from.as_slice()),
        ("ind", &["index".to_owned(), "ind".to_owned()][..])
    );
    assert_eq!(model.views()[0].note("parts"), "ind");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../model/reports");
    let reports = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(model.reports().len(), reports);
    assert!(model.views()[0].body().starts_with("SELECT pin.ind"));
}

#[test]
fn the_last_part_of_a_label_tells_the_kind() {
    let model = Model::load_from(None).unwrap();
    for (label, kind) in [
        ("0a1b2c.pin", Some("pin")),
        ("streaming-0a1b2c-geo", Some("geo")),
        ("user", Some("user")),
        ("pin/7528", None),
        ("geolocation_data", Some("geo")),
        ("pinterest_data", Some("pin")),
        ("Kinesis-Prod-Stream", None),
        ("abc.Pin", None),
        ("spin", None),
        ("", None),
    ] {
        assert_eq!(model.labelled(label), kind.map(Kind::named), "{label}");
    }
}

fn recognised(model: &Model, names: &[&str]) -> (Option<Kind>, FieldSet) {
    let fields = model.fields();
    let mut set = FieldSet::default();
    set.clear(fields);
    for field in names.iter().filter_map(|name| fields.find(name)) {
        set.note(fields, field);
    }
    let kind = set.tell(fields).map(|place| model.tables()[place].kind);
    (kind, set)
}

#[test]
fn the_table_with_the_most_fields_is_the_rows() {
    let model = Model::load_from(None).unwrap();
    for (names, kind) in [
        (&["country"][..], Some("geo")),
        (&["age", "date_joined", "category"], Some("user")),
        (&["title", "description", "first_name"], Some("pin")),
        // As many of two tables.
        (&["title", "first_name"], Some("user")),
        (&["category", "country"], Some("pin")),
        (&["coordinates", "age", "date_joined"], Some("geo")),
        (&["user_name", "title", "tag_list", "country"], Some("user")),
        (&["title", "age"], None),
        (&["category", "latitude"], None),
        (&["coordinates", "user_name"], None),
        (&["index", "ind", "board"], None),
        (&[], None),
    ] {
        assert_eq!(
            recognised(&model, names).0,
            kind.map(Kind::named),
            "{names:?}"
        );
    }
    let place = |name: &str| model.place(Kind::named(name)).unwrap();
    let (_, pin_as_user) = recognised(&model, &["title", "description", "age"]);
    assert_eq!(
        pin_as_user.other_than(model.fields(), place("user")),
        Some(place("pin"))
    );
    assert_eq!(pin_as_user.other_than(model.fields(), place("pin")), None);
    let (_, as_many) = recognised(&model, &["title", "age"]);
    assert_eq!(as_many.other_than(model.fields(), place("user")), None);
}

#[test]
fn a_table_of_more_than_64_fields_is_told_too() {
    let mut wide = "key: c0\ncolumns:\n".to_owned();
    for number in 0..150 {
        writeln!(wide, "  c{number}: text").unwrap();
    }
    let folder = folder(&[("tables/wide.yaml", &wide), ("tables/board.yaml", BOARD)]);
    let model = Model::load(folder.path()).unwrap();
    let (kind, set) = recognised(&model, &["c0", "c1", "c80", "c149", "size"]);
    assert_eq!(kind, Some(Kind::named("wide")));
    assert_eq!(
        set.count(model.fields(), model.place(Kind::named("wide")).unwrap()),
        3
    );
}

#[test]
fn the_version_of_the_rules_changes_with_what_rows_become() {
    let rules = |table: &str| {
        let folder = folder(&[("tables/board.yaml", table)]);
        Model::load(folder.path()).unwrap().tables()[0].rules()
    };
    let first = rules(BOARD);
    assert_eq!(
        first,
        rules(&format!(
            "# A comment.\ndescription: A board\nlabels: [x]\n{BOARD}"
        ))
    );
    assert_ne!(first, rules(&BOARD.replace("int64", "int32")));
    let of_options = [
        "text",
        "{type: text, from: [title]}",
        "{type: text, from: [title, heading]}",
        "{type: text, join: [title, heading]}",
        "{type: text, null_if: [none]}",
        "{type: text, null_if: [none, other]}",
        "{type: text, strip_prefix: none}",
        "{type: text, max_length: 9}",
        "{type: int64, max: 9}",
        "{type: int64, min: 9}",
        "{type: float64, max: 9}",
        "{type: float64, min: 9}",
        "{type: int64, format: short_count}",
        "{type: timestamp, epoch: s}",
        "{type: timestamp, epoch: ms}",
    ];
    let mut numbers: Vec<_> = of_options
        .iter()
        .map(|options| rules(&format!("{BOARD}  name: {options}\n")))
        .chain([first, rules(&format!("{BOARD}ignore: [name]\n"))])
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), of_options.len() + 2);
    // As it is written beside rows, whatever the compiler or the crate's types.
    assert_eq!(first, 128_101);
    let newer = rules(&format!("version: 2\n{}", BOARD.replace("int64", "int32")));
    assert!(newer > first && newer > rules(&BOARD.replace("int64", "float64")));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_write() {
    insta::assert_snapshot!(problem("columns:\n  a: text\n"), @"tables/board.yaml:1:1: there is no `key`; name the column that tells rows apart, or write `merge: append` to keep every record");
    insta::assert_snapshot!(problem("key: b\ncolumns:\n  a: text\n"), @"tables/board.yaml:1:6: `key` names `b`, which is no column; there are a");
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: float64\n"), @"tables/board.yaml:1:6: the key `a` is float64; a key is int64 or text, read from one field");
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: {type: string}\n"), @r#"
    tables/board.yaml:3:13: `string` is no type; write text, int32, int64, float64, boolean, date, timestamp, "decimal(10,2)", point or json
    "#);
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: int64\n  b: {type: decimal(10,2)}\n"), @r#"tables/board.yaml:4:13: a decimal is written with its digits in all and behind the point, in quotes: `type: "decimal(10,2)"`, at most 38"#);
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: int64\n  b: {typ: text}\n"), @r#"
    tables/board.yaml:4:7: `typ` means nothing here; a column may have type, from, join, null_if, format, strip_prefix, max_length, min, max, epoch
    tables/board.yaml:4:6: `b` has no `type`; write text, int32, int64, float64, boolean, date, timestamp, "decimal(10,2)", point or json
    "#);
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: int64\n  b: {type: text, epoch: ms, min: 3}\n  c: {type: point}\n"), @"
    tables/board.yaml:4:26: `epoch` is for timestamp, and `b` is text; take it away
    tables/board.yaml:4:35: `min` is for numbers, and `b` is text; take it away
    tables/board.yaml:5:13: a point is read from two fields: `from: [latitude, longitude]`
    ");
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: int64\n  b: {type: text, from: [c, a]}\n  date: date\nignore: [b]\n"), @"
    tables/board.yaml:5:3: `date` is the name of a partition of the clean table; write another name, and `from: date`
    tables/board.yaml:3:3: `b` and `a` both read the field `a`; a field belongs to one column
    tables/board.yaml:6:9: `b` is ignored, and the column `b` reads it; take one away
    ");
    insta::assert_snapshot!(problem("merge: append\ndedupe: [p]\norder_by: a\ncolumns:\n  a: int64\n  p: json\n"), @"
    tables/board.yaml:3:11: `order_by` says which row of a key is the latest, and `merge: append` keeps every one; take one of them away
    tables/board.yaml:2:9: `dedupe` names `p`, which is json; it takes columns whose values are equal or not
    ");
    insta::assert_snapshot!(problem("key: a\ncolumns:\n  a: int64\n  b: {type: text, join: [c, d, e], max_length: 4}\n"), @"tables/board.yaml:4:48: `max_length: 4` has no room for 3 texts with a blank between them");
    insta::assert_snapshot!(problem("key: a\nkey: b\n"), @"tables/board.yaml:2:1: is not YAML: duplicated key in mapping");
    insta::assert_snapshot!(problem("key: [\n"), @"tables/board.yaml:2:1: is not YAML: while parsing a node, did not find expected node content");
}

#[test]
fn scalars_are_read_as_they_are_written() {
    let table = "key: id\ncolumns:\n  id: text\n  a: {type: text, null_if: [007, 1.0, 1e3, 0x10, True, ~x, \"~\", 'null']}\n";
    let folder = folder(&[("tables/board.yaml", table)]);
    let model = Model::load(folder.path()).unwrap();
    let markers = &model.tables()[0].column("a").unwrap().null_if;
    assert_eq!(
        *markers,
        ["007", "1.0", "1e3", "0x10", "True", "~x", "~", "null"]
    );
}

#[test]
fn there_are_only_so_many_fields() {
    let columns = |table: usize| {
        let mut text = format!("key: k{table}\ncolumns:\n  k{table}: text\n");
        for number in 0..999 {
            writeln!(
                text,
                "  c{number}: {{type: text, from: [t{table}_{number}]}}"
            )
            .unwrap();
        }
        text
    };
    let tables: Vec<_> = (0..33)
        .map(|table| (format!("tables/t{table}.yaml"), columns(table)))
        .collect();
    let files: Vec<_> = tables
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    insta::assert_snapshot!(problems(&files), @"tables: all tables name 66000 fields; there may be 65535");
}

#[test]
fn what_is_wrong_between_files_is_told_too() {
    let other = "labels: [boards]\nkey: id\ncolumns:\n  id: int64\n";
    let labelled = format!("labels: [boards]\n{BOARD}");
    insta::assert_snapshot!(problems(&[("tables/board.yaml", &labelled), ("tables/other.yaml", other)]), @"tables/other.yaml:1:9: the label `boards` is `board`'s; a label belongs to one table");
    insta::assert_snapshot!(problems(&[("tables/Board.yaml", BOARD), ("tables/row.yaml", BOARD), ("tables/x.yml", BOARD)]), @"
    tables/x.yml: is left out; its name must end with `.yaml`
    tables/Board.yaml: `Board` is not a table's name (1 to 32 of a-z 0-9 _, a letter first); give the file another name
    tables/row.yaml: `row` has a meaning of its own in the lake; give the table another name
    ");
    insta::assert_snapshot!(problems(&[("tables/board.yaml", BOARD), ("views/board.sql", "SELECT 1"), ("reports/Top.sql", "SELECT 1"), ("reports/empty.sql", "-- title: x\n")]), @"
    reports/Top.sql: `Top` is no name of a query; write a-z 0-9 and single _, a letter first, as in `top_boards.sql`
    reports/empty.sql: there is no query; write one SELECT
    views/board.sql: `board` is a table; give the view another name
    ");
    let nowhere = Model::load(std::path::Path::new("nowhere")).unwrap_err();
    insta::assert_snapshot!(nowhere, @"nowhere: there is no such folder; name the one that has `tables` in it");
    insta::assert_snapshot!(problems(&[("views/a.sql", "SELECT 1")]), @"tables: there is no table; write `<name>.yaml`, one file for each");
}
