use super::*;

fn reject(input: u32, part: u32, line: u64, raw: &[u8]) -> Reject {
    Reject { input, part, line, reason: format!("line {line} of part {part}"), raw: raw.to_vec() }
}

fn rejects() -> Rejects {
    Rejects::new_in(&std::env::temp_dir()).unwrap()
}

fn written(rejects: &mut Rejects, inputs: &[&str]) -> String {
    let inputs = (0..).zip(inputs.iter().map(|input| (*input).to_owned())).collect();
    let mut out = Vec::new();
    rejects.write(&inputs, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_count_on_over_the_parts_of_an_input() {
    let mut rejects = rejects();
    // Workers find rejects like this: parts out of order, inputs mixed.
    for (input, part, line) in [(0, 1, 0), (1, 0, 3), (0, 2, 7), (0, 0, 9), (0, 1, 4)] {
        rejects.push(&reject(input, part, line, b"x")).unwrap();
    }
    rejects.part_done(0, 1, 5);
    rejects.part_done(0, 0, 10);
    rejects.part_done(0, 2, 8);
    assert_eq!(rejects.count(), 5);
    assert_eq!(
        written(&mut rejects, &["a.csv", "b.csv"]),
        r#"{"file":"a.csv","line":10,"reason":"line 9 of part 0","raw":"x"}
{"file":"a.csv","line":11,"reason":"line 0 of part 1","raw":"x"}
{"file":"a.csv","line":15,"reason":"line 4 of part 1","raw":"x"}
{"file":"a.csv","line":23,"reason":"line 7 of part 2","raw":"x"}
{"file":"b.csv","line":4,"reason":"line 3 of part 0","raw":"x"}
"#
    );
}

#[test]
fn lines_after_an_unread_part_are_unknown_until_it_is_read() {
    let mut rejects = rejects();
    rejects.push(&reject(0, 1, 0, b"later")).unwrap();
    rejects.push(&reject(0, TAIL_PART, 0, b"nowhere")).unwrap();
    let line_of = |text: &str| text.split("\"line\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_eq!(line_of(&written(&mut rejects, &["a"])), "null");
    rejects.part_done(0, 0, 6);
    let text = written(&mut rejects, &["a"]);
    assert_eq!(line_of(&text), "7");
    let last = text.lines().last().unwrap();
    assert_eq!(
        last,
        format!(r#"{{"file":"a","line":null,"reason":"line 0 of part {TAIL_PART}","raw":"nowhere"}}"#)
    );
}

#[test]
fn raw_bytes_are_never_lost() {
    let mut rejects = rejects();
    let reason = "say \"what\"".to_owned();
    let raw = b"a\xff\"\n\x00".to_vec();
    rejects.push(&Reject { input: 7, part: 0, line: 0, reason, raw }).unwrap();
    assert_eq!(
        written(&mut rejects, &[]),
        "{\"file\":null,\"line\":1,\"reason\":\"say \\\"what\\\"\",\"raw\":\"a\u{fffd}\\\"\\n\\u0000\",\
         \"raw_hex\":\"61ff220a00\"}\n"
    );
}

#[test]
fn rejects_beyond_every_buffer_come_back_whole() {
    let mut rejects = rejects();
    let raw = |line: u64| vec![b'a' + (line % 26) as u8; (line as usize * 37) % (3 * READ_BYTES)];
    let lines = 300;
    for line in (0..lines).rev() {
        rejects.push(&reject(0, 0, line, &raw(line))).unwrap();
    }
    for round in 0..2 {
        let text = written(&mut rejects, &["a"]);
        assert_eq!(text.lines().count() as u64, lines + round);
        for (line, json) in text.lines().enumerate().take(lines as usize) {
            let row: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(row["line"], line + 1);
            assert_eq!(row["raw"].as_str().unwrap().as_bytes(), raw(line as u64));
        }
        // More rejects may come after a write.
        rejects.push(&reject(0, 0, lines, b"late")).unwrap();
    }
}

#[test]
fn an_entry_is_small() {
    assert_eq!(ENTRY_BYTES, 24);
}
