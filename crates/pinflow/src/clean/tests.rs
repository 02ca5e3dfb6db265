use std::io::Cursor;

use super::*;

fn run(rows: &[u8], options: &CleanOptions) -> (String, String) {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: &mut Cursor::new(rows),
        out: &mut out,
        notes: &mut notes,
    };
    let exit = command(
        options,
        &model::Model::load_from(None).unwrap(),
        &mut terminal,
    )
    .unwrap();
    assert_eq!(exit, Exit::Success);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(notes))
}

fn explained(rows: &[u8]) -> String {
    let options = CleanOptions {
        explain: true,
        kind: None,
    };
    run(rows, &options).0
}

#[test]
fn clean_rows_go_out_and_rejections_are_told() {
    let rows = b"{\"ind\": 1, \"country\": \" \", \"latitude\": 1e1, \"longitude\": 2}\r\n\n{\"ind\": 2}\n\xff\n";
    let options = CleanOptions {
        explain: false,
        kind: None,
    };
    let (out, notes) = run(rows, &options);
    insta::assert_snapshot!(out, @r#"{"ind":1,"country":null,"coordinates":[10.0,2.0],"timestamp":null}"#);
    insta::assert_snapshot!(notes, @r"
    line 3: unknown_kind: nothing declares the row, and its fields do not say whether it is a geo, pin or user row
    line 4: not_utf8: the payload is not UTF-8 from byte 0 on
    3 rows: 1 clean, 2 rejected
    ");
}

#[test]
fn the_kind_that_was_posted_can_be_given() {
    let options = CleanOptions {
        explain: false,
        kind: Some(Kind::named("user")),
    };
    let (out, notes) = run(
        b"{\"ind\": 2}\n{\"ind\": 3, \"category\": \"art\"}",
        &options,
    );
    insta::assert_snapshot!(out, @r#"{"ind":2,"user_name":null,"age":null,"date_joined":null}"#);
    insta::assert_snapshot!(notes, @r"
    line 2: wrong_kind: declared as user, of which it has 0 fields, but 1 of pin
    2 rows: 1 clean, 1 rejected
    ");
}

#[test]
fn each_change_is_explained() {
    let rows = r#"{"index": 7528, "unique_id": "a", "title": "No Title Data Available", "description": "Ol\u00e1 \"b\"", "follower_count": "5.6M", "downloaded": 1, "save_location": "Local save in /data/art", "category": "art"}
{"ind": "9", "first_name": "Ana", "last_name": "\u00a0", "age": 200, "date_joined": "soon"}
{"ind": 9, "first_name": "Ana", "last_name": "Lind", "age": 20, "date_joined": "2020:08:28 03:52:47"}
"#;
    insta::assert_snapshot!(explained(rows.as_bytes()), @r#"
    line 1: pin 7528
      field_renamed         index: 7528 → ind: 7528
      no_data_marker        title: "No Title Data Available" → null
      short_count_expanded  follower_count: "5.6M" → 5600000
      prefix_stripped       save_location: "Local save in /data/art" → "/data/art"
      field_ignored         downloaded: 1 → dropped
      {"ind":7528,"unique_id":"a","title":null,"description":"Olá \"b\"","follower_count":5600000,"poster_name":null,"tag_list":null,"is_image_or_video":null,"image_src":null,"save_location":"/data/art","category":"art"}
    line 2: user 9
      blank_text            last_name: "\u00a0" → null
      text_joined           first_name: "Ana", last_name: "\u00a0" → user_name: "Ana"
      number_out_of_range   age: 200 → null
      timestamp_unreadable  date_joined: "soon" → null
      unread_kept           age: 200 → kept in _unread
      unread_kept           date_joined: "soon" → kept in _unread
      {"ind":9,"user_name":"Ana","age":null,"date_joined":null,"_unread":{"age":200,"date_joined":"soon"}}
    line 3: user 9
      text_joined  first_name: "Ana", last_name: "Lind" → user_name: "Ana Lind"
      {"ind":9,"user_name":"Ana Lind","age":20,"date_joined":"2020-08-28T03:52:47Z"}
    "#);
}

#[test]
fn half_a_pair_of_coordinates_is_explained() {
    let rows = r#"{"ind": 1, "latitude": 95.5, "longitude": 7, "country": "Peru"}
{"ind": 1, "latitude": 9.50, "longitude": 7, "country": "Peru"}
{"ind": 1, "ind": "x", "latitude": null}
"#;
    insta::assert_snapshot!(explained(rows.as_bytes()), @r#"
    line 1: geo 1
      number_out_of_range  latitude: 95.5 → null
      point_incomplete     longitude: 7 → null
      unread_kept          latitude: 95.5 → kept in _unread
      unread_kept          longitude: 7 → kept in _unread
      {"ind":1,"country":"Peru","coordinates":null,"timestamp":null,"_unread":{"latitude":95.5,"longitude":7}}
    line 2: geo 1, no rule changed it
      {"ind":1,"country":"Peru","coordinates":[9.5,7.0],"timestamp":null}
    line 3: rejected, missing_key: no `ind` that is a whole number of 64 bits
    "#);
}

#[test]
fn a_line_of_any_length_takes_little_memory_and_costs_no_other() {
    let options = CleanOptions {
        explain: false,
        kind: Some(Kind::named("geo")),
    };
    for length in [
        RECORD_MAX_BYTES,
        RECORD_MAX_BYTES + 1,
        RECORD_MAX_BYTES + 2,
        5 * RECORD_MAX_BYTES,
    ] {
        let mut rows = vec![b' '; 0];
        rows.extend_from_slice(b"{\"ind\": 1}\n\"");
        rows.resize(rows.len() + length, b'x');
        rows.extend_from_slice(b"\"\n{\"ind\": 2}\n");
        let (out, notes) = run(&rows, &options);
        assert_eq!(out.lines().count(), 2, "{length}: {notes}");
        assert!(
            notes.starts_with("line 2: too_large: "),
            "{length}: {notes}"
        );
        assert!(
            notes.ends_with("3 rows: 2 clean, 1 rejected\n"),
            "{length}: {notes}"
        );
    }
    let mut line = Vec::new();
    let mut endless = std::io::BufReader::new(io::repeat(b'x').take(100 << 20));
    assert!(read_line(&mut endless, &mut line).unwrap());
    assert!(line.capacity() < 4 * RECORD_MAX_BYTES);
    assert!(!read_line(&mut endless, &mut line).unwrap());
}

#[test]
fn input_of_another_encoding_is_told_once() {
    let rows: Vec<u8> = "\u{feff}{\"ind\": 1}\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut terminal = Terminal {
        input: &mut Cursor::new(rows),
        out: &mut Vec::new(),
        notes: &mut Vec::new(),
    };
    let options = CleanOptions {
        explain: false,
        kind: None,
    };
    let error = command(
        &options,
        &model::Model::load_from(None).unwrap(),
        &mut terminal,
    )
    .unwrap_err();
    assert!(error.to_string().contains("is UTF-16"), "{error}");
}
