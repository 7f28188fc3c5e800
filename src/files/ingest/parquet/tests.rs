//! Tests files in every form of storage: written with the crate's writer, read back, and damaged at
//! random.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
    Int96, Int96Type,
};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use dataflows::Id;

use super::*;
use crate::ingest::{Envelope, RowForm};

mod checksums;
mod codecs;
mod forms;
mod ids;

/// The values of a column. With `Nulls`, only the rows with level 1 have one.
enum Values {
    Text(Vec<&'static str>),
    /// Byte strings of any length, which need not be text.
    Bytes(Vec<&'static [u8]>),
    Fixed(Vec<Vec<u8>>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    /// Nanoseconds of a day, and the day's number since 1970-01-01.
    Int96(Vec<(u64, i64)>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bool(Vec<bool>),
    Nulls(Vec<i16>, Box<Values>),
}

fn write_values(writer: &mut SerializedColumnWriter<'_>, values: &Values, levels: Option<&[i16]>) {
    match values {
        Values::Text(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| ByteArray::from(*text)).collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, levels, None)
        }
        Values::Bytes(values) => {
            let values: Vec<_> = values.iter().map(|bytes| ByteArray::from(bytes.to_vec())).collect();
            writer.typed::<ByteArrayType>().write_batch(&values, levels, None)
        }
        Values::Fixed(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| ByteArray::from(text.clone()).into()).collect();
            writer.typed::<FixedLenByteArrayType>().write_batch(&texts, levels, None)
        }
        Values::Int32(values) => writer.typed::<Int32Type>().write_batch(values, levels, None),
        Values::Int64(values) => writer.typed::<Int64Type>().write_batch(values, levels, None),
        Values::Int96(values) => {
            let values: Vec<_> = values.iter().map(|(nanoseconds, day)| int96(*nanoseconds, *day)).collect();
            writer.typed::<Int96Type>().write_batch(&values, levels, None)
        }
        Values::Float(values) => writer.typed::<FloatType>().write_batch(values, levels, None),
        Values::Double(values) => writer.typed::<DoubleType>().write_batch(values, levels, None),
        Values::Bool(values) => writer.typed::<BoolType>().write_batch(values, levels, None),
        Values::Nulls(levels, values) => {
            write_values(writer, values, Some(levels));
            Ok(0)
        }
    }
    .unwrap();
}

fn int96(nanoseconds: u64, day: i64) -> Int96 {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let mut value = Int96::new();
    value.set_data(nanoseconds as u32, (nanoseconds >> 32) as u32, (day + JULIAN_DAY_OF_1970) as u32);
    value
}

/// Returns the bytes of a file with these columns and row groups.
fn file(schema: &str, properties: WriterPropertiesBuilder, groups: &[Vec<Values>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message orders {{ {schema} }}")).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
    for group in groups {
        let mut columns = writer.next_row_group().unwrap();
        for values in group {
            let mut column = columns.next_column().unwrap().unwrap();
            let optional = column.typed_max_level();
            let all = vec![1; values.len()];
            write_values(&mut column, values, (optional > 0).then_some(&all[..]));
            column.close().unwrap();
        }
        columns.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Text(values) => values.len(),
            Values::Bytes(values) => values.len(),
            Values::Fixed(values) => values.len(),
            Values::Int32(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Int96(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Nulls(levels, _) => levels.len(),
        }
    }
}

trait MaxLevel {
    fn typed_max_level(&mut self) -> i16;
}

impl MaxLevel for SerializedColumnWriter<'_> {
    fn typed_max_level(&mut self) -> i16 {
        use parquet::column::writer::ColumnWriter::*;
        match self.untyped() {
            BoolColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            Int32ColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            Int64ColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            Int96ColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            FloatColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            DoubleColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            ByteArrayColumnWriter(writer) => writer.get_descriptor().max_def_level(),
            FixedLenByteArrayColumnWriter(writer) => writer.get_descriptor().max_def_level(),
        }
    }
}

fn on_disk(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.parquet");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    (directory, path)
}

fn context(envelope: Envelope) -> ParserContext {
    context_of(RowForm { envelope, ..RowForm::default() })
}

fn context_of(form: RowForm) -> ParserContext {
    ParserContext { form: Arc::new(form), input: 3, part: 2, round: 0 }
}

fn read(path: &Path, envelope: Envelope, row_groups: Range<usize>) -> Result<Block, ParquetError> {
    read_as(path, RowForm { envelope, ..RowForm::default() }, row_groups)
}

fn read_as(path: &Path, form: RowForm, row_groups: Range<usize>) -> Result<Block, ParquetError> {
    let mut reader = ParquetReader::open(path, context_of(form), row_groups)?;
    let mut block = Block::default();
    while reader.read_block(7, &mut block)? {}
    Ok(block)
}

/// Returns orders as `user price at_ms`, and rejects as `line reason`.
fn shown(block: &Block) -> Vec<String> {
    let orders = block.orders.iter().map(|(order, epoch, diff)| {
        assert_eq!((*epoch, *diff), (7, 1));
        format!("{} {} {}", order.user_id, order.price, order.at_ms)
    });
    orders.chain(block.rejects.iter().map(|reject| format!("{} {}", reject.line, reject.reason))).collect()
}

fn read_bytes(bytes: &[u8], envelope: Envelope) -> Result<Block, String> {
    read_bytes_as(bytes, RowForm { envelope, ..RowForm::default() })
}

fn read_bytes_as(bytes: &[u8], form: RowForm) -> Result<Block, String> {
    let (_directory, path) = on_disk(bytes);
    let groups = row_groups(&path).map_err(|error| error.to_string())?.len();
    read_as(&path, form, 0..groups)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "orders.parquet"))
}

const PLAIN_SCHEMA: &str = "required binary user_id (UTF8); required binary order_id (UTF8); \
     required double price; required int64 timestamp;";

fn plain_group(prices: [f64; 3]) -> Vec<Values> {
    vec![
        Values::Text(vec!["ann", "größe", "a user with a name of more than fifteen bytes"]),
        Values::Text(vec!["o1", "o2", "o3"]),
        Values::Double(prices.to_vec()),
        Values::Int64(vec![0, -1, 1_700_000_000_000]),
    ]
}

fn default_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

#[test]
fn one_table_reads_the_same_however_it_is_encoded() {
    let expected = [
        "ann 0.10 0",
        "größe -2.50 -1",
        "a user with a name of more than fifteen bytes 1000000000000.00 1700000000000",
    ];
    let properties = [
        ("dictionary", default_properties()),
        ("plain", default_properties().set_dictionary_enabled(false)),
        ("snappy", default_properties().set_compression(Compression::SNAPPY)),
        ("zstd", default_properties().set_compression(Compression::ZSTD(Default::default()))),
        ("gzip", default_properties().set_compression(Compression::GZIP(Default::default()))),
        ("pages of one row", default_properties().set_data_page_row_count_limit(1).set_write_batch_size(1)),
        ("pages of version 2", default_properties().set_writer_version(WriterVersion::PARQUET_2_0)),
        (
            "delta",
            default_properties()
                .set_dictionary_enabled(false)
                .set_column_encoding("user_id".into(), Encoding::DELTA_BYTE_ARRAY)
                .set_column_encoding("order_id".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_encoding("timestamp".into(), Encoding::DELTA_BINARY_PACKED)
                .set_column_encoding("price".into(), Encoding::BYTE_STREAM_SPLIT),
        ),
        ("no statistics", default_properties().set_statistics_enabled(EnabledStatistics::None)),
    ];
    for (name, properties) in properties {
        for optional in [false, true] {
            let schema =
                if optional { PLAIN_SCHEMA.replace("required", "optional") } else { PLAIN_SCHEMA.into() };
            let bytes = file(&schema, properties.clone(), &[plain_group([0.1, -2.5, 1e12])]);
            for envelope in [Envelope::Append, Envelope::Upsert] {
                let block = read_bytes(&bytes, envelope).unwrap();
                assert_eq!((block.lines, block.rejects.len()), (3, 0), "{name}");
                match envelope {
                    Envelope::Append => assert_eq!(shown(&block), expected, "{name}"),
                    _ => {
                        let last = &block.upserts[2];
                        assert_eq!(last.key.order_id, Id::new("o3"), "{name}");
                        assert_eq!(last.position.offset, 2);
                        let price = last.after.as_ref().map(|order| order.price.to_string());
                        assert_eq!(price.as_deref(), Some("1000000000000.00"));
                    }
                }
            }
        }
    }
}

#[test]
fn row_groups_are_read_by_their_range_and_rows_keep_their_place_in_the_file() {
    let groups: Vec<_> = (0..3).map(|at| plain_group([f64::from(at), f64::NAN, 3.0])).collect();
    let bytes = file(PLAIN_SCHEMA, default_properties(), &groups);
    let (_directory, path) = on_disk(&bytes);
    assert_eq!(row_groups(&path).unwrap(), [3, 3, 3]);
    let block = read(&path, Envelope::Upsert, 1..3).unwrap();
    let offsets: Vec<_> = block.upserts.iter().map(|upsert| upsert.position.offset).collect();
    assert_eq!(offsets, [3, 5, 6, 8]);
    let rejects: Vec<_> = block
        .rejects
        .iter()
        .map(|reject| (reject.input, reject.part, reject.line, reject.reason.as_str()))
        .collect();
    assert_eq!(
        rejects,
        [(3, 2, 1, "price NaN is not a finite number"), (3, 2, 4, "price NaN is not a finite number")]
    );
    assert_eq!(
        String::from_utf8_lossy(&block.rejects[0].raw),
        r#"{"user_id":"größe","order_id":"o2","price":"NaN","timestamp":-1}"#
    );
    assert!(block.bytes > 0 && block.bytes < bytes.len() as u64);
    assert_eq!(read(&path, Envelope::Append, 3..3).unwrap().lines, 0);
}

#[test]
fn values_are_stored_in_many_ways() {
    let cases = [
        ("int32 price", Values::Int32(vec![5, -7]), "5.00", "-7.00"),
        ("int64 price", Values::Int64(vec![5, -7]), "5.00", "-7.00"),
        ("int64 price (INTEGER(64,false))", Values::Int64(vec![5, 7]), "5.00", "7.00"),
        ("int32 price (DECIMAL(9,2))", Values::Int32(vec![1999, -5]), "19.99", "-0.05"),
        ("int64 price (DECIMAL(18,4))", Values::Int64(vec![12345, -5]), "1.2345", "-0.0005"),
        ("binary price (DECIMAL(9,2))", Values::Text(vec!["\x07", "\x01\x00"]), "0.07", "2.56"),
        (
            "fixed_len_byte_array(16) price (DECIMAL(38,18))",
            Values::Fixed(vec![(-1_i128).to_be_bytes().into(), 10_i128.pow(30).to_be_bytes().into()]),
            "-0.000000000000000001",
            "1000000000000.00",
        ),
        ("float price", Values::Float(vec![0.1, 19.99]), "0.10", "19.99"),
        (
            "double price",
            Values::Double(vec![0.1 + 0.2, 1e-18]),
            "0.30000000000000004",
            "0.000000000000000001",
        ),
        ("binary price (UTF8)", Values::Text(vec![" 1.5", "2e3"]), "1.50", "2000.00"),
    ];
    for (price, values, first, second) in cases {
        let schema = format!(
            "required int64 OrderId; required {price}; required int64 UserId (INTEGER(64,false)); \
             required int64 timestamp (TIMESTAMP(MICROS,true)); optional binary note (UTF8);"
        );
        let group = vec![
            Values::Int64(vec![1, 2]),
            values,
            Values::Int64(vec![-1, 12]),
            Values::Int64(vec![-1, 1_999]),
            Values::Text(vec!["", ""]),
        ];
        let block = read_bytes(&file(&schema, default_properties(), &[group]), Envelope::Append).unwrap();
        assert_eq!(
            shown(&block),
            [format!("18446744073709551615 {first} -1"), format!("12 {second} 1")],
            "{price}"
        );
    }
}

#[test]
fn nulls_and_empty_ids_set_their_row_aside_and_a_delete_needs_its_key_only() {
    let schema = "optional binary user_id (UTF8); optional binary order_id (UTF8); \
                  optional double price; optional int64 timestamp; optional binary op (UTF8);";
    let nulls = |levels: [i16; 6], values| Values::Nulls(levels.to_vec(), Box::new(values));
    let group = || {
        vec![
            nulls([0, 1, 1, 1, 1, 1], Values::Text(vec!["b", "c", "d", "e", "f"])),
            nulls([1, 1, 0, 1, 1, 1], Values::Text(vec!["1", "", "4", "5", "6"])),
            nulls([1, 1, 1, 0, 1, 0], Values::Double(vec![1.0, 2.0, 3.0, 5.0])),
            nulls([1, 1, 1, 1, 0, 0], Values::Int64(vec![1, 2, 3, 4])),
            nulls([0, 1, 1, 0, 1, 1], Values::Text(vec!["put", "", "put", "delete"])),
        ]
    };
    for dictionary in [true, false] {
        let properties = default_properties().set_dictionary_enabled(dictionary);
        let bytes = file(schema, properties, &[group()]);
        let reasons = [
            "0 user_id is empty",
            "1 order_id is empty",
            "2 order_id is missing",
            "3 price is missing",
            "4 timestamp is missing",
        ];
        let block = read_bytes(&bytes, Envelope::Upsert).unwrap();
        assert_eq!(shown(&block), reasons);
        assert_eq!(block.upserts.len(), 1);
        assert_eq!(block.upserts[0].after, None);
        assert_eq!(block.upserts[0].key, OrderKey { user_id: Id::new("f"), order_id: Id::new("6") });
        assert_eq!(
            String::from_utf8_lossy(&block.rejects[0].raw),
            r#"{"user_id":null,"order_id":"1","price":1.00,"timestamp":1,"op":"put"}"#
        );
        let block = read_bytes(&bytes, Envelope::Append).unwrap();
        // Where each line is an order of its own, it needs no id.
        let reasons = [reasons[0], reasons[3], reasons[4], "5 op \"delete\" needs --envelope upsert"];
        assert_eq!(shown(&block)[..2], ["b 2.00 2", "c 3.00 3"]);
        assert_eq!(shown(&block)[2..], reasons);
    }
}

#[test]
fn columns_that_cannot_be_used_are_refused_in_one_sentence() {
    let refused = |schema: &str, values: Vec<Values>| {
        read_bytes(&file(schema, default_properties(), &[values]), Envelope::Append).map(|_| ()).unwrap_err()
    };
    let text = || Values::Text(vec!["x"]);
    assert_eq!(
        refused("required binary user_id (UTF8); required binary amount (UTF8);", vec![text(), text()]),
        "orders.parquet: there is no column price in user_id, amount; name it with --column-price"
    );
    assert_eq!(
        refused("required binary user_id (UTF8); required binary UserId (UTF8);", vec![text(), text()]),
        "orders.parquet: columns user_id and UserId are both the user_id; choose with --column-user-id"
    );
    let ids = "required binary user_id (UTF8); required binary order_id (UTF8);";
    assert_eq!(
        refused(&format!("{ids} required boolean price;"), vec![text(), text(), Values::Bool(vec![true])]),
        "orders.parquet: column price cannot be the price: it is BOOLEAN"
    );
    assert_eq!(
        refused("required group user_id { required binary name (UTF8); }", vec![text()]),
        "orders.parquet: column user_id is nested or repeated; it must be flat"
    );
    assert_eq!(
        refused(
            &format!("{ids} required double price; required int32 timestamp (TIME(MILLIS,true));"),
            vec![text(), text(), Values::Double(vec![1.0]), Values::Int32(vec![1])]
        ),
        "orders.parquet: column timestamp cannot be the timestamp: it is INT32 (Time(TimestampType { \
         is_adjusted_to_u_t_c: true, unit: MILLIS }))"
    );
}

#[test]
fn files_cut_short_are_not_parquet() {
    let bytes = file(PLAIN_SCHEMA, default_properties(), &[plain_group([1.0, 2.0, 3.0])]);
    for length in 0..bytes.len() {
        let (_directory, path) = on_disk(&bytes[..length]);
        let error = row_groups(&path).unwrap_err();
        assert!(matches!(error, ParquetError::NotParquet { .. }), "{length}: {error}");
    }
    let message = |bytes: &[u8]| {
        let (_directory, path) = on_disk(bytes);
        row_groups(&path).unwrap_err().to_string().replace(&path.display().to_string(), "orders.parquet")
    };
    let start = "orders.parquet is not a Parquet file or was cut short:";
    assert_eq!(message(b""), format!("{start} it has 0 bytes"));
    assert_eq!(message(&bytes[..bytes.len() - 1]), format!("{start} it does not end with PAR1"));
    assert_eq!(message(b"user_id,order_id,price,timestamp\n"), format!("{start} it does not end with PAR1"));
    assert_eq!(message(b"PAR1\xff\0\0\0PAR1"), format!("{start} its footer claims to have 255 bytes"));
}

/// Returns bytes in memory in the form of a file.
fn in_memory(bytes: &[u8]) -> File {
    let file = rustix::fs::memfd_create("fuzz", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(file);
    file.write_all(bytes).unwrap();
    file
}

/// Returns a SplitMix64 generator that starts from this state.
fn random(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Returns the bytes with up to four of them changed, and perhaps cut short.
fn damaged(bytes: &[u8], next: &mut impl FnMut() -> u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + next() % 4 {
        let at = (next() % bytes.len() as u64) as usize;
        match next() % 3 {
            0 => bytes[at] = next() as u8,
            1 => bytes[at] ^= 1 << (next() % 8),
            _ => bytes[at] = [0x00, 0xff, 0x7f, 0x80][(next() % 4) as usize],
        }
    }
    if next().is_multiple_of(16) {
        bytes.truncate((next() % bytes.len() as u64) as usize);
    }
    bytes
}

fn read_some(bytes: &[u8], envelope: Envelope) -> Result<(), ParquetError> {
    let footer = Footer::of(in_memory(bytes), "orders.parquet".to_owned())?;
    let groups = 0..footer.rows.len();
    let mut reader = ParquetReader::of(footer, context(envelope), groups)?;
    let mut block = Block::default();
    // A damaged footer may promise any number of rows, and a page any number of repeats.
    for _ in 0..20 {
        if !reader.read_block(0, &mut block)? {
            break;
        }
    }
    Ok(())
}

#[test]
fn fuzz_parquet_200_000_inputs() {
    const THREADS: u64 = 4;
    let seed = 0x5eed_0f0a_11da_7a00_u64;
    eprintln!("seed {seed:#x}");
    let schema = PLAIN_SCHEMA.replace("required", "optional");
    let properties = || default_properties().set_compression(Compression::SNAPPY);
    let plain = properties().set_dictionary_enabled(false).set_writer_version(WriterVersion::PARQUET_2_0);
    let files = [
        file(PLAIN_SCHEMA, properties(), &[plain_group([1.0, 2.0, 3.0])]),
        file(&schema, default_properties(), &[plain_group([1.0, 2.0, 3.0]), plain_group([4.0, 5.0, 6.0])]),
        file(&schema, plain, &[plain_group([1.0, 2.0, 3.0])]),
    ];
    let read_one_share = &|thread: u64| {
        let mut next = random(seed + thread);
        let inputs = 200_000 / THREADS;
        let read = (0..inputs).filter(|at| {
            let bytes = damaged(&files[(at % 3) as usize], &mut next);
            let envelope = if next().is_multiple_of(2) { Envelope::Append } else { Envelope::Upsert };
            read_some(&bytes, envelope).is_ok()
        });
        read.count()
    };
    let read: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || read_one_share(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // If everything were read, nothing would be checked; and not everything may be refused.
    assert!((1_000..100_000).contains(&read), "{read} of 200000 were read");
}
