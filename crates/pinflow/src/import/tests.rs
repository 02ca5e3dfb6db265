use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use lake::quarantine::read_quarantine;
use lake::reader::read_positions;

use crate::Exit;
use crate::test_stack::{Ran, TestStack, run};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes an object of the sink, of a time.
fn write(stack: &TestStack, name: &str, seconds: u64, bytes: &[u8]) {
    let key = format!("pinflow-lake/old/topics/{name}");
    stack.write(&key, bytes);
    let file = File::options().write(true).open(stack.path(&key)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
}

/// 2023-11-14T22:13:20Z
const TIME: u64 = 1_700_000_000;

/// Writes what the sink has left with its several partitioners: eight rows, three that cannot be one, and two tombstones.
fn write_sink(stack: &TestStack) {
    for (name, json) in [
        ("u.geo/partition=0/u.geo+0+0000000000.json", &b"{\"ind\": 1, \"latitude\": 2}"[..]),
        ("u.pin/partition=0/u.pin+0+0000000000.json", b"{\"index\": 1, \"category\": \"art\"}"),
        ("u.pin/partition=0/u.pin+0+0000000001.json", b"half an obj"),
        ("u.pin/partition=1/u.pin+1+0000000000.json", b"{\"category\": \"no key\"}"),
        (
            "u.pin/year=2023/month=11/day=14/hour=22/u.pin+2+0000000000.json",
            b"{\"index\": 2, \"title\": \"a\"}\nnull\n{\"index\": 3, \"title\": \"b\"}\n{\"index\": \"x\"}\n",
        ),
        ("u.geo/country=FR/u.geo+0+0000000001.json", b"[{\"ind\": 2, \"latitude\": 2}, {\"ind\": 3, \"latitude\": 3}]"),
        ("u.geo/country=FR/u.geo+0+0000000009.json", b"null"),
    ] {
        write(stack, name, TIME, json);
    }
    let users = [
        gzip(b"{\"ind\": 1, \"first_name\": \"Ada\"}\n"),
        gzip(b"{\"ind\": 2, \"first_name\": \"Bob\"}\n"),
    ];
    write(
        stack,
        "u.user/partition=0/u.user+0+0000000000.json.gz",
        TIME,
        &users.concat(),
    );
    write(stack, "README", TIME, b"");
}

/// Returns what a command printed, without the time.
fn ended(ran: &Ran, exit: Exit) -> String {
    assert_eq!(ran.exit, Ok(exit), "{ran:?}");
    let is_time = |word: &&str| !(word.parse::<f64>().is_ok() && word.contains('.'));
    let words: Vec<_> = ran.out.split(' ').filter(is_time).collect();
    words.join(" ")
}

/// Returns the positions of the lake's rows, and those of its quarantine, sorted.
fn positions(stack: &TestStack) -> [Vec<String>; 2] {
    let shown =
        |position: event_model::Position| format!("{} {}", position.shard, position.sequence);
    let objects = stack.objects("pinflow-lake/clean").into_iter();
    let rows = objects.flat_map(|(_, object)| read_positions(object.into()).unwrap());
    let objects = stack.objects("pinflow-lake/quarantine").into_iter();
    let lines = objects.flat_map(|(_, object)| read_quarantine(&object).unwrap());
    let [mut rows, mut lines]: [Vec<_>; 2] = [
        rows.map(shown).collect(),
        lines.map(|line| shown(line.position())).collect(),
    ];
    rows.sort();
    lines.sort();
    [rows, lines]
}

#[tokio::test]
async fn the_old_sinks_objects_are_in_the_lake_at_their_places_and_times() {
    let stack = TestStack::start().await;
    write_sink(&stack);
    let ran = stack
        .run("import --from s3://pinflow-lake/old/topics/ --dry-run")
        .await;
    insta::assert_snapshot!(ended(&ran, Exit::Success), @r"
    Would import 8 of 8 objects: 8 rows (3 geo, 3 pin, 2 user)
      to quarantine: 3 (1 not_json, 2 missing_key)
      tombstones, which hold no row: 2
    ");
    assert_eq!(positions(&stack), [vec![] as Vec<String>, vec![]]);

    let state = stack.path("state").display().to_string();
    let command = format!("import --from s3://pinflow-lake/old/topics --state {state}");
    let ran = stack.run(&command).await;
    insta::assert_snapshot!(ended(&ran, Exit::Success), @r"
    Imported 8 of 8 objects in s: 8 rows (3 geo, 3 pin, 2 user)
      to quarantine: 3 (1 not_json, 2 missing_key)
      tombstones, which hold no row: 2
    ");
    assert_eq!(ran.notes, "Objects that are not the old sink's: 1\n");
    let imported = positions(&stack);
    insta::assert_debug_snapshot!(imported, @r#"
    [
        [
            "kafka-u.geo-0 0",
            "kafka-u.geo-0 1:0",
            "kafka-u.geo-0 1:1",
            "kafka-u.pin-0 0",
            "kafka-u.pin-2 0:0",
            "kafka-u.pin-2 0:2",
            "kafka-u.user-0 0:0",
            "kafka-u.user-0 0:1",
        ],
        [
            "kafka-u.pin-0 1",
            "kafka-u.pin-1 0",
            "kafka-u.pin-2 0:3",
        ],
    ]
    "#);
    let keys: Vec<_> = stack
        .objects("pinflow-lake/clean")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    insta::assert_debug_snapshot!(keys, @r#"
    [
        "pinflow-lake/clean/geo/date=2023-11-14/hour=22/kafka-u.geo-0-0-9.parquet",
        "pinflow-lake/clean/pin/date=2023-11-14/hour=22/kafka-u.pin-0-0-1.parquet",
        "pinflow-lake/clean/pin/date=2023-11-14/hour=22/kafka-u.pin-2-0-0.parquet",
        "pinflow-lake/clean/user/date=2023-11-14/hour=22/kafka-u.user-0-0-0.parquet",
    ]
    "#);

    // Twice the same is the same; so is what goes on after nothing is left.
    let objects = stack.objects("pinflow-lake");
    assert_eq!(stack.run(&command).await.exit, Ok(Exit::Success));
    assert_eq!(stack.objects("pinflow-lake"), objects);
    let ran = stack.run(&format!("{command} --resume")).await;
    assert_eq!(
        ended(&ran, Exit::Success),
        "Imported 0 of 0 objects in s: 0 rows\n"
    );

    // What the sink has written since, also before what is done, and after a kill.
    write(
        &stack,
        "u.geo/country=DE/u.geo+0+0000000005.json",
        TIME,
        b"{\"ind\": 5, \"latitude\": 5}",
    );
    let kept = fs::read_to_string(&state).unwrap();
    fs::write(&state, kept.strip_suffix(".gz\n").unwrap()).unwrap();
    let ran = stack.run(&format!("{command} --resume")).await;
    assert!(
        ended(&ran, Exit::Success).starts_with("Imported 2 of 2 objects in s: 3 rows"),
        "{ran:?}"
    );
    assert!(
        ran.notes.contains("Going on after 7 of 9 objects\n"),
        "{}",
        ran.notes
    );
    let [mut rows, lines] = positions(&stack);
    rows.dedup();
    assert_eq!(
        (rows.len(), lines),
        (imported[0].len() + 1, imported[1].clone())
    );
}

#[tokio::test]
async fn an_object_that_is_gone_from_the_sink_takes_nothing_from_the_lake() {
    let stack = TestStack::start().await;
    for offset in 0..3 {
        let name = format!("u.geo/partition=0/u.geo+0+{offset:010}.json");
        let rows = format!("{{\"ind\": {offset}, \"latitude\": 1}}\nodd\n");
        write(&stack, &name, TIME, rows.as_bytes());
    }
    let state = stack.path("state").display().to_string();
    let command = format!("import --from s3://pinflow-lake/old/topics --state {state}");
    stack.run(&command).await.exit.unwrap();
    let imported = positions(&stack);
    assert_eq!(imported.each_ref().map(Vec::len), [3, 3]);
    fs::remove_file(
        stack.path("pinflow-lake/old/topics/u.geo/partition=0/u.geo+0+0000000001.json"),
    )
    .unwrap();
    stack.run(&command).await.exit.unwrap();
    assert_eq!(positions(&stack), imported);
}

#[tokio::test]
async fn history_is_older_than_what_clients_have_posted_since() {
    let stack = TestStack::start().await;
    write(
        &stack,
        "u.pin/partition=0/u.pin+0+0000000000.json",
        TIME,
        b"{\"index\": 1, \"title\": \"old\"}",
    );
    let copied = b"{\"index\": 2, \"title\": \"old\", \"written\": 1600000000000}";
    write(
        &stack,
        "u.pin/partition=0/u.pin+0+0000000001.json",
        4_000_000_000,
        copied,
    );
    let copied = b"{\"index\": 3, \"title\": \"old\"}";
    write(
        &stack,
        "u.pin/partition=0/u.pin+0+0000000002.json",
        4_000_000_000,
        copied,
    );
    let state = stack.path("state").display().to_string();
    stack
        .run(&format!(
            "import --from s3://pinflow-lake/old/topics --state {state} --time-field written --no-later-than 2023-01-01T00:00:00Z"
        ))
        .await
        .exit
        .unwrap();
    let keys = stack
        .objects("pinflow-lake/clean")
        .into_iter()
        .map(|(key, _)| key);
    let hours: Vec<_> = keys
        .map(|key| key.split('/').skip(3).take(2).collect::<Vec<_>>().join("/"))
        .collect();
    assert_eq!(
        hours,
        ["date=2020-09-13/hour=12", "date=2023-01-01/hour=00"]
    );
}

#[tokio::test]
async fn damaged_objects_and_topics_without_a_kind_are_named_and_fail_the_import() {
    let stack = TestStack::start().await;
    write(
        &stack,
        "u.geo/partition=0/u.geo+0+0000000000.json",
        TIME,
        b"{\"ind\": 1, \"latitude\": 1}",
    );
    write(
        &stack,
        "u.geo/partition=0/u.geo+0+0000000001.json.gz",
        TIME,
        b"{}",
    );
    write(
        &stack,
        "configs/partition=0/configs+0+0000000000.json",
        TIME,
        b"{}",
    );
    let from = stack.path("pinflow-lake/old").display().to_string();
    let state = stack.path("state").display().to_string();
    let ran = stack
        .run(&format!("import --from {from} --state {state}"))
        .await;
    insta::assert_snapshot!(ended(&ran, Exit::Failure), @r"
    Imported 1 of 2 objects in s: 1 rows (1 geo)
    The same command with --resume goes on with the others
    ");
    insta::assert_snapshot!(ran.notes.replace(&from, "FROM"), @r"
    error: the topic `configs` is passed over, objects: 1; its name ends in no kind, as in abc.pin
    error: `FROM/topics/u.geo/partition=0/u.geo+0+0000000001.json.gz` is passed over: not gzip: unexpected end of file
    Objects that cannot be used: 1
    ");
    let ran = stack
        .run(&format!("import --from {from} --state {state} --resume"))
        .await;
    assert!(
        ran.notes.contains("Going on after 1 of 2 objects\n"),
        "{}",
        ran.notes
    );
}

#[tokio::test]
async fn a_run_that_stops_writes_what_it_has_read_and_goes_on() {
    let stack = TestStack::start().await;
    write_sink(&stack);
    let state = stack.path("state").display().to_string();
    let from = stack.path("pinflow-lake/old").display().to_string();
    let ran = run(&format!(
        "import --from {from} --state {state} --endpoint http://127.0.0.1:1"
    ))
    .await;
    assert!(
        ran.exit
            .unwrap_err()
            .starts_with("could not connect to http://127.0.0.1:1; "),
        "{}",
        ran.out
    );
    let ran = stack
        .run(&format!("import --from {from} --state {state} --resume"))
        .await;
    let error = ran.exit.unwrap_err();
    assert!(
        error.contains("state` to go on from; run the command without --resume"),
        "{error}"
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
            "there is no object of the old sink in s3://pinflow-lake/topics/; its names are as <topic>+0+",
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
