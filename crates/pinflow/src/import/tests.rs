use std::fs;
use std::io::Write as _;

use crate::Exit;
use crate::test_stack::{Ran, TestStack, run};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes what the old sink has left: five rows, one object that holds none, and what is not the sink's.
fn write_sink(stack: &TestStack) {
    let json = [
        ("geo+0+0000000000", "{\"ind\": 1, \"latitude\": 2}"),
        ("pin+0+0000000000", "{\"index\": 1, \"category\": \"art\"}"),
        (
            "pin+0+0000000001",
            "{\"index\": 1, \"category\": \"later\"}",
        ),
        ("pin+0+0000000002", "half an obj"),
        ("pin+1+0000000000", "{\"category\": \"no key\"}"),
    ];
    for (name, json) in json {
        let (kind, rest) = name.split_once('+').unwrap();
        let partition = rest.split('+').next().unwrap();
        let key = format!("old/topics/u.{kind}/partition={partition}/u.{name}.json");
        stack.write(&key, json.as_bytes());
    }
    let user = gzip(b"{\"ind\": 1, \"first_name\": \"Ada\"}");
    stack.write(
        "old/topics/u.user/partition=0/u.user+0+0000000000.json.gz",
        &user,
    );
    stack.write("old/topics/README", b"");
}

/// Returns what a command printed, without the time.
fn ended(ran: &Ran, exit: Exit) -> String {
    assert_eq!(ran.exit, Ok(exit), "{ran:?}");
    let is_time = |word: &&str| !(word.parse::<f64>().is_ok() && word.contains('.'));
    let words: Vec<_> = ran.out.split(' ').filter(is_time).collect();
    words.join(" ")
}

#[tokio::test]
async fn the_old_sinks_objects_are_posted_from_a_bucket() {
    let stack = TestStack::start().await;
    write_sink(&stack);
    let state = stack.path("state.json");
    let (api, path) = (stack.stack.url().to_owned(), state.display().to_string());
    let ran = stack.run("import --from s3://old/topics/ --dry-run").await;
    assert_eq!(
        ended(&ran, Exit::Failure),
        "Would post 5 rows from 6 objects: 3 pin, 1 geo, 1 user\n"
    );
    let command =
        format!("import --from s3://old/topics --api {api} --state {path} --rows-per-request 2");
    let ran = stack.run(&command).await;
    assert_eq!(
        ended(&ran, Exit::Failure),
        "Imported 5 of 6 objects in s: 5 rows accepted, 0 failed\n"
    );
    insta::assert_snapshot!(ran.notes, @r"
    Objects that are not the old sink's: 1
    error: `topics/u.pin/partition=0/u.pin+0+0000000002.json` is passed over: not a JSON object
    Objects that hold no row: 1
    ");
    stack.drain().await;
    let totals = stack.stack.totals();
    assert_eq!((totals.total_rows(), totals.total_rejected()), (4, 1));
    // Versions of a row arrive in the order of their offsets; their objects' keys are in the order of arrival.
    let pins = stack.objects("pinflow-lake/clean/pin").into_iter();
    let batches = pins.flat_map(|(_, object)| lake::reader::read_parquet(object.into()).unwrap());
    let categories: Vec<_> = batches
        .map(|batch| format!("{:?}", batch.column_by_name("category").unwrap()))
        .collect();
    let categories = categories.concat();
    let place = |category: &str| categories.find(category).expect("the row is clean");
    assert!(place("\"art\"") < place("\"later\""), "{categories}");

    // As if the last two had not been done.
    let kept = fs::read_to_string(&state).unwrap();
    assert!(kept.contains("\"posts_done\": 6"), "{kept}");
    let undone = kept.replace("\"posts_done\": 6", "\"posts_done\": 4");
    fs::write(&state, undone).unwrap();
    let ran = stack.run(&format!("{command} --resume")).await;
    assert_eq!(
        ended(&ran, Exit::Success),
        "Imported 2 of 6 objects in s: 2 rows accepted, 0 failed\n"
    );
    assert!(
        ran.notes.contains("Going on after 4 of 6 objects\n"),
        "{}",
        ran.notes
    );

    stack.write(
        "old/topics/u.pin/partition=0/u.pin+0+0000000003.json",
        b"{}",
    );
    let error = stack
        .run(&format!("{command} --resume"))
        .await
        .exit
        .unwrap_err();
    assert!(
        error.contains("its number of rows was 6, and is 7 now; "),
        "{error}"
    );
}

#[tokio::test]
async fn a_run_that_stops_goes_on_with_the_object_that_it_names() {
    let stack = TestStack::start().await;
    write_sink(&stack);
    let path = stack.path("state.json").display().to_string();
    let folder = stack.path("old/topics").display().to_string();
    let nowhere = format!("import --from {folder} --api http://127.0.0.1:1 --state {path}");
    let ran = run(&nowhere).await;
    assert!(
        ran.exit
            .unwrap_err()
            .starts_with("could not connect to http://127.0.0.1:1: "),
        "{}",
        ran.out
    );
    let expected = format!(
        "The next object is `{folder}/u.geo/partition=0/u.geo+0+0000000000.json`; the same command with --resume goes \
         on with it\n"
    );
    assert!(ran.out.ends_with(&expected), "{}", ran.out);
}

#[tokio::test]
async fn a_topic_without_a_kind_is_told_and_fails_the_import() {
    let stack = TestStack::start().await;
    stack.write(
        "old/u.geo/partition=0/u.geo+0+0000000000.json",
        b"{\"ind\": 1}",
    );
    stack.write("old/configs/partition=0/configs+0+0000000000.json", b"{}");
    let ran = run(&format!(
        "import --from {} --dry-run",
        stack.path("old").display()
    ))
    .await;
    assert_eq!(
        ended(&ran, Exit::Failure),
        "Would post 1 rows from 1 objects: 1 geo\n"
    );
    assert_eq!(
        ran.notes,
        "error: the topic `configs` is passed over, objects: 1; its name ends in no kind, as in abc.pin\n"
    );
}

#[tokio::test]
async fn a_place_that_is_not_there_says_what_to_do() {
    let stack = TestStack::start().await;
    for (from, message) in [
        (
            "s3://missing/topics/",
            "there is no bucket `missing` at http://127.0.0.1:",
        ),
        (
            "s3://pinflow-lake/topics/",
            "there is no object of the old sink in s3://pinflow-lake/topics/; give --from the folder of its topics",
        ),
        (
            "missing/folder",
            "could not read `missing/folder`; --from is s3://<bucket>/<prefix>/, or a folder",
        ),
    ] {
        let error = stack
            .run(&format!("import --from {from} --dry-run"))
            .await
            .exit
            .unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
