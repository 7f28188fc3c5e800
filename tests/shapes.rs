//! Files as people have them: the flags of the README read what each usual source writes, and what
//! `generate` writes in its shape.

use std::io::Write;
use std::path::Path;

use files::parquet_write::{Column, ColumnType, ParquetWriter, TextColumn};

use crate::support::{Ended, ended, orderflow, run};

/// A row of the README's table: how it begins, the shape of `generate`, and a small file as its
/// source writes it, with what it must give.
struct Source {
    row: &'static str,
    shape: &'static str,
    file: &'static str,
    content: &'static str,
    users: &'static str,
    windows: &'static str,
    set_aside: usize,
}

const SOURCES: [Source; 10] = [
    Source {
        row: "Shopify",
        shape: "shopify",
        file: "orders_export.csv",
        content: "Name,Email,Financial Status,Total,Created at,Lineitem quantity,Lineitem name,Notes\n\
                  #1001,ann@example.com,paid,30.00,2024-01-15 10:23:45 -0500,1,\"Tea, green\",\"left\nthere\"\n\
                  #1001,ann@example.com,,,2024-01-15 10:23:45 -0500,3,Cup,\n\
                  #1002,,paid,12.50,2024-01-15 10:24:00 -0500,1,Pot,\n",
        users: "ann@example.com,1,30.00\nguest,1,12.50\n",
        windows: "2024-01-15 15:23:00,2024-01-15 15:24:00,1,30.00\n2024-01-15 15:24:00,2024-01-15 15:25:00,1,12.50\n",
        set_aside: 1,
    },
    Source {
        row: "WooCommerce",
        shape: "woocommerce",
        file: "orders.csv",
        content: "Date,\"Order #\",\"N. Revenue (formatted)\",Status,Customer,Product(s),\"N. Revenue\"\n\
                  \"2024-01-15 10:23:45\",101,\"€1.234,50\",completed,\"Ann B.\",\"1× Tea, green\",1234.5\n\
                  \"2024-01-15 10:23:59\",102,\"€-5,00\",refunded,\"Ann B.\",,-5\n",
        users: "Ann B.,2,1229.50\n",
        windows: "2024-01-15 10:23:00,2024-01-15 10:24:00,2,1229.50\n",
        set_aside: 0,
    },
    Source {
        row: "Stripe",
        shape: "stripe",
        file: "payments.csv",
        content: "id,Description,Created date (UTC),Amount,Currency,Status,Customer ID\n\
                  ch_1,,2024-01-15 10:23,12.34,eur,Paid,cus_1\n\
                  ch_2,\"Tea, green\",2024-01-15 10:23:59,0.66,eur,Paid,\n",
        users: "cus_1,1,12.34\nguest,1,0.66\n",
        windows: "2024-01-15 10:23:00,2024-01-15 10:24:00,2,13.00\n",
        set_aside: 0,
    },
    Source {
        row: "Olist",
        shape: "olist",
        file: "olist_order_items_dataset.csv",
        content: "\"order_id\",\"order_item_id\",\"product_id\",\"seller_id\",\"shipping_limit_date\",\"price\",\
                  \"freight_value\"\n\
                  \"00010242fe8c5a6d\",1,\"4244733e\",\"48436dad\",2017-09-19 09:45:35,58.90,13.29\n\
                  \"00018f77f2f0320c\",1,\"e5f2d52b\",\"48436dad\",2017-09-19 09:45:59,239.90,19.93\n",
        users: "48436dad,2,298.80\n",
        windows: "2017-09-19 09:45:00,2017-09-19 09:46:00,2,298.80\n",
        set_aside: 0,
    },
    Source {
        row: "UCI Online Retail",
        shape: "online-retail",
        file: "online_retail.csv",
        content: "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n\
                  536365,85123A,\"HOLDER, WHITE\",6,12/1/2010 8:26,2.55,17850,United Kingdom\r\n\
                  536365,71053,WHITE METAL LANTERN,8,12/1/2010 8:26,3.39,17850,United Kingdom\r\n\
                  C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom\r\n\
                  536414,22139,,56,12/1/2010 11:52,0,,United Kingdom\r\n",
        users: "14527,1,-27.50\n17850,2,42.42\nguest,1,0.00\n",
        windows: "2010-12-01 08:26:00,2010-12-01 08:27:00,2,42.42\n\
                  2010-12-01 09:41:00,2010-12-01 09:42:00,1,-27.50\n\
                  2010-12-01 11:52:00,2010-12-01 11:53:00,1,0.00\n",
        set_aside: 0,
    },
    Source {
        row: "REES46",
        shape: "rees46",
        file: "kz.csv",
        content: "event_time,order_id,product_id,category_id,category_code,brand,price,user_id\n\
                  2020-04-24 11:50:39 UTC,2294359932054536986,1515966223509089906,2268105426648170900,\
                  electronics.tablet,samsung,162.01,1515915625441993984\n\
                  2020-04-24 11:50:41 UTC,2294444024058086220,2273948319057183658,2268105430162997728,,huawei,77.52,\n",
        users: "1515915625441993984,1,162.01\nguest,1,77.52\n",
        windows: "2020-04-24 11:50:00,2020-04-24 11:51:00,2,239.53\n",
        set_aside: 0,
    },
    Source {
        row: "Excel",
        shape: "excel",
        file: "Bestellungen.csv",
        content: "\u{feff}Kunde;Bestellung;Betrag;Datum;Bemerkung\r\n\
                  Müller;1;12,34;28.11.2026 14:05;\"ab 18 Uhr; klingeln\"\r\n\
                  Müller;2;7;28.11.2026 14:05;\r\n\
                  Müller;3;1.234,56;28.11.2026 14:05;\r\n",
        users: "Müller,2,19.34\n",
        windows: "2026-11-28 14:05:00,2026-11-28 14:06:00,2,19.34\n",
        set_aside: 1,
    },
    Source {
        row: "pandas",
        shape: "pandas",
        file: "orders.json",
        content: "[{\"user_id\":\"ann\",\"order_id\":1,\"price\":0.1,\"timestamp\":1705314225000},\
                  {\"user_id\":\"ann\",\"order_id\":2,\"price\":0.2,\"timestamp\":\"2024-01-15T10:23:45.000\"},\
                  {\"user_id\":null,\"order_id\":3,\"price\":1.0,\"timestamp\":1705314225000}]",
        users: "ann,2,0.30\n",
        windows: "2024-01-15 10:23:00,2024-01-15 10:24:00,2,0.30\n",
        set_aside: 1,
    },
    Source {
        row: "Spark",
        shape: "spark",
        file: "part-00000-c000.csv",
        content: "user_id,order_id,price,timestamp\n\
                  ann,1,0.1,2024-01-15T10:23:45.000Z\n\
                  bob,2,0.2,2024-01-15T11:23:45.123456+01:00\n",
        users: "ann,1,0.10\nbob,1,0.20\n",
        windows: "2024-01-15 10:23:00,2024-01-15 10:24:00,2,0.30\n",
        set_aside: 0,
    },
    Source {
        row: "Debezium",
        shape: "debezium",
        file: "orders.jsonl",
        content: r#"{"before":null,"after":{"user_id":"ann","order_id":1,"price":"9.00","timestamp":1705314225000},"op":"r","ts_ms":1}
{"before":null,"after":{"user_id":"ann","order_id":2,"price":"5.00","timestamp":1705314225000},"op":"c","ts_ms":2}
{"schema":{},"payload":{"before":{"user_id":"ann","order_id":1,"price":"9.00","timestamp":1705314225000},"after":{"user_id":"bob","order_id":1,"price":"8.00","timestamp":1705314225000},"op":"u"}}
{"before":{"user_id":"ann","order_id":2,"price":"5.00","timestamp":1705314225000},"after":null,"op":"d","ts_ms":4}
null
"#,
        users: "bob,1,8.00\n",
        windows: "2024-01-15 10:23:00,2024-01-15 10:24:00,1,8.00\n",
        set_aside: 0,
    },
];

/// The flags that the README gives for a source.
fn flags(row: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).expect("the README is there");
    let line = readme.lines().find(|line| line.starts_with(&format!("| {row}"))).expect("a row of the table");
    let cell = line.trim_end_matches(" |").rsplit("| ").next().expect("a last cell");
    if cell == "none" {
        return Vec::new();
    }
    let text = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).expect("flags as code");
    // Every second piece stands in quotes.
    let pieces = text.split('\'').enumerate();
    let words = pieces.flat_map(|(at, piece)| match at % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect(),
        _ => vec![piece.to_owned()],
    });
    words.collect()
}

/// Runs on a file with windows of a minute, and returns how that ended.
fn run_on(dir: &Path, input: &str, flags: &[String]) -> Ended {
    let mut args = vec!["run", "--input", input, "--output", "out", "--force", "--quiet", "--window", "1m"];
    args.extend(flags.iter().map(String::as_str));
    ended(orderflow(&args).current_dir(dir).output().expect("the program starts"))
}

fn output(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join("out").join(name)).unwrap_or_default()
}

/// A result file without its header.
fn rows(dir: &Path, name: &str) -> String {
    output(dir, name).split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
}

#[test]
fn each_usual_source_is_read_by_the_flags_beside_it() {
    for source in &SOURCES {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(source.file), source.content).expect("the input is written");
        let done = run_on(dir.path(), source.file, &flags(source.row));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", source.row);
        assert_eq!(rows(dir.path(), "OrderBatchSink.csv"), source.users, "{}", source.row);
        assert_eq!(rows(dir.path(), "OrderStreamSink.csv"), source.windows, "{}", source.row);
        let rejects = output(dir.path(), "rejects.jsonl");
        assert_eq!(rejects.lines().count(), source.set_aside, "{}: {rejects}", source.row);
    }
}

/// A folder as Spark leaves it: Parquet with INT96 beside its marks.
#[test]
fn a_folder_of_spark_is_read() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("orders");
    std::fs::create_dir(&folder).expect("a folder");
    for mark in ["_SUCCESS", "._SUCCESS.crc", ".part-00000.snappy.parquet.crc"] {
        std::fs::write(folder.join(mark), b"").expect("a mark");
    }
    let columns = [
        ("user_id", ColumnType::Text),
        ("order_id", ColumnType::Text),
        ("price", ColumnType::Double),
        ("timestamp", ColumnType::Int96),
    ];
    for (part, at_ms) in [1_705_314_225_123, -1].into_iter().enumerate() {
        let file =
            std::fs::File::create(folder.join(format!("part-0000{part}.snappy.parquet"))).expect("a file");
        let mut writer = ParquetWriter::create(file, &columns).expect("a Parquet file");
        let mut text = TextColumn::default();
        text.push("ann");
        let group = vec![
            Column::Text(text.clone()),
            Column::Text(text),
            Column::Double(vec![12.34]),
            Column::Int64(vec![at_ms]),
        ];
        writer.write_group(group).expect("a row group");
        writer.finish().expect("the file is whole");
    }
    let done = run_on(dir.path(), "orders", &flags("Spark"));
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        rows(dir.path(), "OrderStreamSink.csv"),
        "1969-12-31 23:59:00,1970-01-01 00:00:00,1,12.34\n2024-01-15 10:23:00,2024-01-15 10:24:00,1,12.34\n"
    );
}

/// What `generate` writes in a shape is read by the README's flags as the same orders.
#[test]
fn generated_shapes_are_the_same_orders() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let generate = |file: &str, more: &[&str]| {
        let path = dir.join(file).display().to_string();
        let same = ["generate", "--to", &path, "--orders", "2000", "--users", "50", "--force", "--quiet"];
        let made = run(&[&same[..], more].concat());
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{file}");
    };
    let results = |file: &str, flags: &[String]| {
        let done = run_on(dir, file, flags);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{file}");
        assert_eq!(output(dir, "rejects.jsonl"), "", "{file}");
        // A shop may know its users by mail.
        let users = output(dir, "OrderBatchSink.csv").replace("@example.com", "");
        (users, output(dir, "OrderTotalSink.csv"), output(dir, "OrderStreamSink.csv"))
    };
    let changes = ["--corrections", "20", "--cancels", "10"];
    generate("plain.csv", &[]);
    generate("changed.csv", &changes);
    let plain = results("plain.csv", &[]);
    let changed = results("changed.csv", &["--envelope".to_owned(), "upsert".to_owned()]);
    for Source { row, shape, .. } in &SOURCES {
        let ending = match *shape {
            "spark" => "parquet",
            "pandas" => "json",
            "debezium" => "jsonl.gz",
            _ => "csv",
        };
        let file = format!("{shape}.{ending}");
        generate(&file, &["--shape", shape]);
        assert_eq!(results(&file, &flags(row)), plain, "{shape}");
        if *shape == "debezium" {
            generate(&file, &[&["--shape", shape][..], &changes].concat());
            assert_eq!(results(&file, &flags(row)), changed, "{shape} with changes");
        }
    }
    let to = |file: &str| dir.join(file).display().to_string();
    for (file, more, sentence) in [
        ("x.csv", &["--shape", "pandas"][..], "a file of this shape is named .json"),
        ("x.json", &["--shape", "spark"], "a file of this shape is named .parquet"),
        (
            "x.csv",
            &["--shape", "excel", "--cancels", "1"],
            "are corrected or cancelled only in the shape debezium",
        ),
        ("x.tsv", &[], "files with tabs are read but not written; name it .csv"),
    ] {
        let refused = run(&[&["generate", "--to", &to(file)][..], more].concat());
        assert_eq!(refused.code, Some(2), "{file} {more:?}");
        assert!(refused.stderr.contains(sentence), "{file}: {}", refused.stderr);
    }
}

/// The README's rule for prices: at most 10^12, at most 18 digits after the point, never rounded.
#[test]
fn computed_prices_are_exact_or_set_aside() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let sum = 0.1_f64 + 0.2;
    let rest = sum - 0.3;
    let mut content = "user_id,price,timestamp\n".to_owned();
    for price in [
        format!("{sum:?}"),
        format!("{rest:?}"),
        "1e12".to_owned(),
        "1e12.1".to_owned(),
        "1000000000000.1".to_owned(),
    ] {
        content += &format!("u,{price},1700000000000\n");
    }
    std::fs::write(dir.path().join("orders.csv"), content).expect("the input is written");
    assert_eq!(run_on(dir.path(), "orders.csv", &[]).code, Some(0));
    assert_eq!(rows(dir.path(), "OrderTotalSink.csv"), "2,1000000000000.30000000000000004\n");
    let rejects = output(dir.path(), "rejects.jsonl");
    let reasons = [
        "5.551115123125783e-17\\\" has more than 18 fraction digits",
        "is not a decimal number",
        "is beyond ±1000000000000",
    ];
    for (line, reason) in rejects.lines().zip(reasons) {
        assert!(line.contains(reason), "{line}");
    }
    assert_eq!(rejects.lines().count(), reasons.len());
}

/// Compressed files that are not what their names say, or not only that.
#[test]
fn compressed_files_are_read_or_named_truly() {
    const ROWS: &[u8] = b"user_id,order_id,price,timestamp\nu,1,1.00,1700000000000\n";
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(ROWS).expect("a buffer takes bytes");
        encoder.finish().expect("a buffer takes bytes")
    };
    let zstd = |log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(log).expect("a window");
        encoder.write_all(ROWS).expect("a buffer takes bytes");
        encoder.finish().expect("a buffer takes bytes")
    };
    let with = |end: &[u8]| [&gzip[..], end].concat();
    let more = format!(
        "orders.csv.gz has other bytes after its gzip stream: cut them off, so that it has {} bytes",
        gzip.len()
    );
    let window = "orders.csv.zst needs a window of 256 MiB to unpack: give --zstd-window-max 256MiB";
    for (name, content, flags, refused) in [
        ("orders.csv.gz", with(&[0; 512]), &[][..], None),
        ("orders.csv.gz", with(&gzip), &[], None),
        ("orders.csv.gz", with(b"more"), &[], Some(&*more)),
        (
            "orders.csv.gz",
            ROWS.to_vec(),
            &[],
            Some("orders.csv.gz is not compressed with gzip: take .gz off its name"),
        ),
        (
            "orders.csv",
            gzip.clone(),
            &[],
            Some("orders.csv is compressed with gzip: let its name end in .gz"),
        ),
        (
            "orders.jsonl",
            zstd(20),
            &[],
            Some("orders.jsonl is compressed with zstd: let its name end in .zst"),
        ),
        (
            "orders.csv.gz",
            zstd(20),
            &[],
            Some("orders.csv.gz is compressed with zstd: let its name end in .zst"),
        ),
        (
            "orders.csv",
            b"PK\x03\x04".to_vec(),
            &[],
            Some("orders.csv is a zip archive or an Excel workbook: unpack it, or save the sheet as CSV"),
        ),
        ("orders.csv", b"\xff\xfeu\0".to_vec(), &[], Some("orders.csv is UTF-16: save it as UTF-8")),
        ("orders.csv.zst", zstd(27), &[], None),
        ("orders.csv.zst", zstd(28), &[], Some(window)),
        ("orders.csv.zst", zstd(28), &["--zstd-window-max", "256MiB"], None),
    ] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(name), content).expect("the input is written");
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let done = run_on(dir.path(), name, &flags);
        match refused {
            Some(sentence) => {
                let sentence = format!("orderflow: {sentence}\n");
                assert_eq!((done.code, done.stderr), (Some(2), sentence), "{name}");
                assert!(!dir.path().join("out").exists(), "{name}");
            }
            None => {
                assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
                assert!(rows(dir.path(), "OrderTotalSink.csv").ends_with("1.00\n") || name.ends_with(".gz"));
            }
        }
    }
}

/// The flags of forms, and what refuses them.
#[test]
fn forms_are_said_once_and_truly() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let write =
        |name: &str, content: &str| std::fs::write(dir.join(name), content).expect("the input is written");
    write("tabs.tsv", "user_id\tprice\ttimestamp\nu\t1.00\t1700000000\n");
    write("guests.csv", "user_id,price,timestamp\n,5.00,1700000000000\nu,1.00,1700000000000\n");
    write("orders.jsonl", "{\"user_id\":\"u\",\"price\":1.5,\"timestamp\":1.7e12}\n");
    let summary = |args: &[&str]| {
        let all = [&["run", "--output", "out", "--force"][..], args].concat();
        ended(orderflow(&all).current_dir(dir).output().expect("the program starts"))
    };
    let done = summary(&["--input", "tabs.tsv"]);
    let warning =
        "warning: the first time lies in January 1970: if they count seconds, give --timestamp-unit s\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), warning));
    let done = summary(&["--input", "tabs.tsv", "--timestamp-unit", "s"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let done = summary(&["--input", "guests.csv"]);
    assert!(
        done.stdout.contains("no user    1 of them: --guest-as NAME counts such orders\n"),
        "{}",
        done.stdout
    );
    let done = summary(&["--input", "guests.csv", "--json"]);
    assert!(done.stdout.contains("\"rejected\":1,\"guests\":1,"), "{}", done.stdout);
    let done = summary(&["--input", "guests.csv", "--guest-as", "nobody"]);
    assert!(!done.stdout.contains("no user"), "{}", done.stdout);
    assert_eq!(rows(dir, "OrderBatchSink.csv"), "nobody,1,5.00\nu,1,1.00\n");
    assert_eq!(summary(&["--input", "orders.jsonl"]).code, Some(0));
    assert_eq!(rows(dir, "OrderTotalSink.csv"), "1,1.50\n");
    for (args, sentence) in [
        (&["--input", "guests.csv", "--timestamp-format", "%H:%M"][..], "--timestamp-format: "),
        (&["--input", "guests.csv", "--input-timezone", "Mars"], "unknown time zone \"Mars\""),
        (&["--input", "guests.csv", "--guest-as", ""], "--guest-as must have 1 to 1024 bytes"),
        (&["--input", "guests.csv", "--delimiter", "ab"], "expected one ASCII character"),
        (&["--input", "guests.csv", "--zstd-window-max", "1"], "such as 512MiB"),
        (&["--input", "guests.csv", "--envelope", "upsert"], "no column \"order_id\""),
        (
            &["--input", "guests.csv", "--envelope", "debezium"],
            "guests.csv: --envelope debezium is for JSON (.jsonl, .ndjson, .json)",
        ),
        (
            &["--input", "orders.jsonl", "--envelope", "debezium", "--column-op", "x"],
            "--column-op is not for --envelope debezium",
        ),
        (&["--input", "store:x", "--guest-as", "g"], "--guest-as are for files"),
    ] {
        let done = summary(args);
        assert_eq!(done.code, Some(2), "{args:?}");
        assert!(done.stderr.contains(sentence), "{args:?}: {}", done.stderr);
    }
}
