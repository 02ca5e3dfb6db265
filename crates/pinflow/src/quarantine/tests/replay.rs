//! Records that are cleaned again.

use lake::key::Announcement;

use super::*;

#[tokio::test]
async fn a_record_that_passes_by_now_is_replayed_once_and_keeps_its_place() {
    let stack = TestStack::start().await;
    let (missing, bad) = (RejectionCode::MissingKey, RejectionCode::BadType);
    quarantine(
        &stack,
        ARRIVAL,
        &[
            ("9", missing, "pin/7", PIN),
            ("10", missing, "pin/8", b"{\"category\": \"art\"}"),
            ("11", bad, "any", GEO),
        ],
    );
    quarantine(&stack, ARRIVAL + HOUR_MICROS, &[("12", bad, "geo/7", GEO)]);
    // Its batch was delivered again and cut otherwise.
    quarantine(&stack, ARRIVAL, &[("11", bad, "any", GEO)]);

    let before = stack.objects("pinflow-lake");
    let ran = stack.run("quarantine replay --dry-run").await;
    insta::assert_snapshot!(ended(&ran, Exit::Success), @r"
    Would now pass: 3 of 4
      rows: 2 geo, 1 pin, in 3 objects
      still rejected: 1 missing_key
    Nothing was written; without --dry-run the rows are
    ");
    assert_eq!(stack.objects("pinflow-lake"), before);

    let ran = stack.run("quarantine replay").await;
    insta::assert_snapshot!(ended(&ran, Exit::Success), @r"
    Replayed 3 of 4 records
      rows: 2 geo, 1 pin, in 3 objects
      still rejected: 1 missing_key
    ");
    let rows = BTreeMap::from([
        (Kind::named("pin"), positions(&["9"])),
        (Kind::named("geo"), positions(&["11", "12"])),
    ]);
    assert_eq!(clean_rows(&stack), rows);
    let after = stack.objects("pinflow-lake");
    // Each object of rows is announced to the merge.
    let announced: Vec<_> = stack.objects("pinflow-lake/replays");
    let announced = announced.iter().map(|(key, _)| {
        let key = key.strip_prefix("pinflow-lake/").unwrap();
        format!("pinflow-lake/{}", Announcement::parse(key).unwrap().key)
    });
    let clean = stack.objects("pinflow-lake/clean");
    assert!(announced.eq(clean.into_iter().map(|(key, _)| key)));
    let keys: Vec<_> = after
        .iter()
        .filter(|(key, _)| !key.starts_with("pinflow-lake/replays/"))
        .map(|(key, _)| key.rsplit_once('-').unwrap().0)
        .collect();
    insta::assert_debug_snapshot!(keys, @r#"
    [
        "pinflow-lake/clean/geo/date=2026-03-01/hour=10/replay-shardId-000000000000-11-11",
        "pinflow-lake/clean/geo/date=2026-03-01/hour=11/replay-shardId-000000000000-12-12",
        "pinflow-lake/clean/pin/date=2026-03-01/hour=10/replay-shardId-000000000000-9-9",
        "pinflow-lake/quarantine/date=2026-03-01/shardId-000000000000-11",
        "pinflow-lake/quarantine/date=2026-03-01/shardId-000000000000-12",
        "pinflow-lake/quarantine/date=2026-03-01/shardId-000000000000-9",
    ]
    "#);

    let ran = stack.run("quarantine replay").await;
    insta::assert_snapshot!(ended(&ran, Exit::Success), @r"
    Replayed 0 of 1 record
      still rejected: 1 missing_key
      replayed before: 3
    ");
    assert_eq!(stack.objects("pinflow-lake"), after);

    let ran = stack.run("quarantine list").await;
    let blanks_as_one = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed: Vec<_> = ended(&ran, Exit::Success)
        .lines()
        .map(blanks_as_one)
        .collect();
    insta::assert_snapshot!(listed.join("\n"), @r"
    2026-03-01T10:59:59.500000Z bad_type - shardId-000000000000 11 replayed as the rules were then
    2026-03-01T11:59:59.500000Z bad_type - shardId-000000000000 12 replayed as the rules were then
    2026-03-01T10:59:59.500000Z missing_key - shardId-000000000000 9 replayed as the rules were then
    2026-03-01T10:59:59.500000Z missing_key - shardId-000000000000 10 - as the rules were then
    bad_type: 2 records, 2 replayed
    missing_key: 2 records, 1 replayed
    ");
    let ran = stack
        .run("quarantine list --code missing_key --since 2026-03-01")
        .await;
    assert_eq!(ended(&ran, Exit::Success).lines().count(), 3);
    let ran = stack.run("quarantine list --since 2026-03-02").await;
    assert_eq!(
        ended(&ran, Exit::Success),
        "Nothing in quarantine is of that code and that time\n"
    );
}

#[tokio::test]
async fn records_that_are_replayed_one_code_after_the_other_do_not_replace_each_other() {
    let stack = TestStack::start().await;
    let (missing, bad) = (RejectionCode::MissingKey, RejectionCode::BadType);
    // User records of one aggregate: their objects have the same first and last sequence number.
    let records: [Quarantined<'_>; 3] = [
        ("9:0", missing, "pin/7", PIN),
        ("9:2", bad, "pin/7", PIN),
        ("9:10", missing, "pin/7", PIN),
    ];
    quarantine(&stack, ARRIVAL, &records);
    // The batch's own object of the same record.
    let own = "pinflow-lake/clean/pin/date=2026-03-01/hour=10/shardId-000000000000-9-9.parquet";
    stack.write(own, b"the rows that were clean at once");

    let ran = stack.run("quarantine replay --code bad_type").await;
    assert!(ended(&ran, Exit::Success).starts_with("Replayed 1 of 1 record\n"));
    let ran = stack.run("quarantine replay").await;
    let expected = "Replayed 2 of 2 records\n  rows: 2 pin, in 1 object\n  replayed before: 1\n";
    assert_eq!(ended(&ran, Exit::Success), expected);
    let bytes = std::fs::read(stack.path(own)).unwrap();
    assert_eq!(bytes, b"the rows that were clean at once");
    std::fs::remove_file(stack.path(own)).unwrap();
    let rows = positions(&["9:0", "9:10", "9:2"]);
    assert_eq!(
        clean_rows(&stack),
        BTreeMap::from([(Kind::named("pin"), rows)])
    );
}

#[tokio::test]
async fn an_aggregate_that_can_be_read_by_now_becomes_its_rows() {
    let stack = TestStack::start().await;
    let key = quarantine(&stack, ARRIVAL, &[("9", RejectionCode::NotUtf8, "k", b"?")]);
    let path = format!("pinflow-lake/{key}");
    let mut lines = read_quarantine(&std::fs::read(stack.path(&path)).unwrap()).unwrap();
    AGGREGATE.clone_into(&mut lines[0].payload_base64);
    stack.write(&path, &write_quarantine(&lines).unwrap());

    let ran = stack.run("quarantine replay").await;
    let expected = "Replayed 1 of 1 record\n  rows: 1 pin, 1 user, in 2 objects\n";
    assert_eq!(ended(&ran, Exit::Success), expected);
    let rows = BTreeMap::from([
        (Kind::named("pin"), positions(&["9:0"])),
        (Kind::named("user"), positions(&["9:1"])),
    ]);
    assert_eq!(clean_rows(&stack), rows);
    let ran = stack.run("quarantine replay").await;
    assert!(ended(&ran, Exit::Success).ends_with("  replayed before: 1\n"));

    // A replay that was killed had written one of the two objects.
    std::fs::remove_dir_all(stack.path("pinflow-lake/clean/user")).unwrap();
    let ran = stack.run("quarantine replay").await;
    assert_eq!(ended(&ran, Exit::Success), expected);
    assert_eq!(clean_rows(&stack), rows);
}

#[tokio::test]
async fn a_damaged_object_is_named_and_the_others_are_replayed() {
    let stack = TestStack::start().await;
    let bad = RejectionCode::BadType;
    quarantine(&stack, ARRIVAL, &[("9", bad, "pin/7", PIN)]);
    let damaged = "quarantine/date=2026-03-01/shardId-000000000000-1-2.ndjson.gz";
    stack.write(&format!("pinflow-lake/{damaged}"), b"not gzip");
    let altered = quarantine(
        &stack,
        ARRIVAL,
        &[("7", bad, "pin/7", PIN), ("8", bad, "pin/7", PIN)],
    );
    let altered = format!("pinflow-lake/{altered}");
    let mut lines = read_quarantine(&std::fs::read(stack.path(&altered)).unwrap()).unwrap();
    "%".clone_into(&mut lines[0].payload_base64);
    "a/b".clone_into(&mut lines[1].shard);
    stack.write(&altered, &write_quarantine(&lines).unwrap());

    for command in ["replay", "list"] {
        let ran = stack.run(&format!("quarantine {command}")).await;
        assert_eq!(ran.exit, Ok(Exit::Failure), "{ran:?}");
        let expected = format!(
            "error: `{damaged}` is passed over: could not read the quarantine object as gzip: "
        );
        assert!(ran.notes.contains(&expected), "{}", ran.notes);
        assert!(
            ran.notes
                .contains("-7-8.ndjson.gz, line 2` is passed over: "),
            "{}",
            ran.notes
        );
        if command == "replay" {
            assert!(
                ran.notes.contains("record 7` is passed over: its payload"),
                "{}",
                ran.notes
            );
            assert!(
                ran.out.starts_with("Replayed 1 of 1 record\n"),
                "{}",
                ran.out
            );
        }
    }
    // A replayed object that is damaged is written again.
    let (replayed, object) = stack.objects("pinflow-lake/clean").remove(0);
    stack.write(&replayed, b"not Parquet");
    let ran = stack.run("quarantine replay").await;
    assert_eq!(ran.exit, Ok(Exit::Failure), "{ran:?}");
    assert!(
        ran.notes.contains("could not read the object as Parquet"),
        "{}",
        ran.notes
    );
    assert_eq!(stack.objects("pinflow-lake/clean"), [(replayed, object)]);
}

#[tokio::test]
async fn what_was_rejected_for_its_kind_passes_as_another_and_keeps_its_place() {
    let stack = TestStack::start().await;
    let (wrong, unknown) = (RejectionCode::WrongKind, RejectionCode::UnknownKind);
    let bare = br#"{"ind": 9}"#;
    quarantine(
        &stack,
        ARRIVAL,
        &[("9", wrong, "user/7", PIN), ("10", unknown, "row/9", bare)],
    );
    let ran = stack.run("quarantine show 9").await;
    let advice = "; by its fields it is 1 pin: `pinflow quarantine replay --by-fields`\n";
    assert!(ended(&ran, Exit::Success).contains(advice), "{}", ran.out);
    let ran = stack.run("quarantine show 10").await;
    let advice = "; `pinflow quarantine replay --as KIND` says what it is\n";
    assert!(ended(&ran, Exit::Success).contains(advice), "{}", ran.out);

    let ran = stack.run("quarantine replay").await;
    assert!(ended(&ran, Exit::Success).starts_with("Replayed 0 of 2 records\n"));
    assert!(clean_rows(&stack).is_empty());
    let ran = stack.run("quarantine replay --by-fields").await;
    assert!(ended(&ran, Exit::Success).starts_with("Replayed 1 of 2 records\n  rows: 1 pin"));
    let ran = stack.run("quarantine replay --as geo").await;
    assert!(ended(&ran, Exit::Success).starts_with("Replayed 1 of 1 record\n  rows: 1 geo"));
    let rows = BTreeMap::from([
        (Kind::named("pin"), positions(&["9"])),
        (Kind::named("geo"), positions(&["10"])),
    ]);
    assert_eq!(clean_rows(&stack), rows);
    let ran = stack.run("quarantine replay --by-fields").await;
    assert!(
        ended(&ran, Exit::Success).contains("  replayed before: 2\n"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn a_packed_record_that_was_quarantined_whole_is_replayed_row_by_row() {
    let stack = TestStack::start().await;
    let lines = [PIN, GEO].join(&b'\n');
    let code = RejectionCode::NotJson;
    quarantine(&stack, ARRIVAL, &[("9", code, "own key", &lines)]);
    for outcome in [
        "Replayed 1 of 1 record\n",
        "Replayed 0 of 0 records\n  replayed before: 1\n",
    ] {
        let ran = stack.run("quarantine replay").await;
        assert!(
            ended(&ran, Exit::Success).starts_with(outcome),
            "{}",
            ran.out
        );
    }
    let rows = BTreeMap::from([
        (Kind::named("pin"), positions(&["9:0"])),
        (Kind::named("geo"), positions(&["9:1"])),
    ]);
    assert_eq!(clean_rows(&stack), rows);
}
