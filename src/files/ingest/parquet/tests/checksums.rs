//! Tests pages whose bytes differ from the checksum in their header. The crate's writer adds no
//! checksums, so these files get theirs afterwards.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataWriter};

use super::*;

/// The sentence with which a file is refused.
const REFUSED: &str = "orders.parquet is damaged: row group 0 cannot be read: Page CRC checksum mismatch";

/// Appends a value in Thrift's compact form.
pub(super) fn push_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a data page, which has its header in front, and adds the checksum of its bytes to the
/// header.
fn push_with_checksum(page: &[u8], out: &mut Vec<u8>) {
    // The fields 1 to 3 (type, unpacked size, size) are `0x15` and a zigzag varint each.
    let mut at = 0;
    let mut size = 0;
    for _ in 0..3 {
        assert_eq!(page[at], 0x15, "a field of 32 bits follows");
        let bytes = page[at + 1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let varint = page[at + 1..][..bytes].iter().rev();
        size = varint.fold(0_usize, |value, byte| value << 7 | usize::from(byte & 0x7f)) / 2;
        at += 1 + bytes;
    }
    let mut crc = flate2::Crc::new();
    crc.update(&page[page.len() - size..]);
    let crc = crc.sum() as i32;
    out.extend_from_slice(&page[..at]);
    // This is field 4. The next field was counted from 3 before, and is now one step nearer.
    out.push(0x15);
    push_varint((crc << 1 ^ crc >> 31) as u32, out);
    out.push(page[at] - 0x10);
    out.extend_from_slice(&page[at + 1..]);
}

/// Returns the file, which has one page for each column, with checksums. Also returns where the
/// page of each column ends.
fn with_checksums(file: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = b"PAR1".to_vec();
    let mut ends = Vec::new();
    let mut with_checksum = |chunk: ColumnChunkMetaData| {
        let (start, length) = chunk.byte_range();
        let at = bytes.len();
        push_with_checksum(&file[start as usize..][..length as usize], &mut bytes);
        ends.push(bytes.len());
        let length = (bytes.len() - at) as i64;
        let chunk = chunk.into_builder().set_data_page_offset(at as i64);
        chunk.set_total_compressed_size(length).set_total_uncompressed_size(length).build().unwrap()
    };
    let footer = Footer::of(in_memory(file), "orders.parquet".to_owned()).unwrap();
    let mut metadata = footer.metadata.into_builder();
    let groups = metadata.take_row_groups().into_iter().map(|group| {
        let mut group = group.into_builder();
        let columns = group.take_columns().into_iter().map(&mut with_checksum).collect();
        group.set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    let metadata = metadata.set_row_groups(groups).build();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    (bytes, ends)
}

#[test]
fn a_page_that_differs_from_its_checksum_refuses_the_file() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let mut properties = default_properties().set_dictionary_enabled(false).set_writer_version(version);
        for column in ["user_id", "order_id", "price", "timestamp"] {
            properties = properties.set_column_encoding(column.into(), Encoding::PLAIN);
        }
        let plain = file(PLAIN_SCHEMA, properties, &[plain_group([0.1, -2.5, 1e11])]);
        let (sound, ends) = with_checksums(&plain);
        let expected = shown(&read_bytes(&plain, Envelope::Append).unwrap());
        assert_eq!(shown(&read_bytes(&sound, Envelope::Append).unwrap()), expected);
        for (column, end) in ends.into_iter().enumerate() {
            // This changes the last byte of the last value, which becomes another value that is
            // just as good.
            let mut damaged = sound.clone();
            damaged[end - 1] ^= 1;
            let read = |envelope| read_bytes(&damaged, envelope).map(|block| shown(&block));
            assert_eq!(read(Envelope::Upsert), Err(REFUSED.to_owned()), "column {column}");
            // If the ids of orders take no part, their pages are not read, and so not checked.
            let append = if column == 1 { Ok(expected.clone()) } else { Err(REFUSED.to_owned()) };
            assert_eq!(read(Envelope::Append), append, "column {column}");
        }
    }
}
