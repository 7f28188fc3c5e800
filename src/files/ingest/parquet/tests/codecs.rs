//! Tests pages that are packed with codecs that the crate's writer is built without. So files are
//! written plain, and their pages are packed afterwards.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataWriter};

use super::checksums::push_varint;
use super::*;

type Pack<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// Appends a data page, which has its header in front, with its bytes packed. `levels` of them stay
/// as they are.
fn push_packed(page: &[u8], levels: usize, pack: Pack<'_>, out: &mut Vec<u8>) {
    // The fields 1 to 3 (type, unpacked size, size) are `0x15` and a zigzag varint each.
    let mut at = 0;
    let mut starts = [0; 3];
    let mut size = 0;
    for start in &mut starts {
        assert_eq!(page[at], 0x15, "a field of 32 bits follows");
        *start = at;
        let bytes = page[at + 1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let varint = page[at + 1..][..bytes].iter().rev();
        size = varint.fold(0_usize, |value, byte| value << 7 | usize::from(byte & 0x7f)) / 2;
        at += 1 + bytes;
    }
    let (header, body) = page.split_at(page.len() - size);
    let packed = [&body[..levels], &pack(&body[levels..])].concat();
    out.extend_from_slice(&header[..=starts[2]]);
    push_varint(2 * packed.len() as u32, out);
    // In a header of version 2, the field after that of no repetition levels says whether the page is
    // packed.
    let mut rest = header[at..].to_vec();
    if let Some(at) = rest.windows(3).position(|bytes| bytes == [0x15, 0x00, 0x12]) {
        rest[at + 2] = 0x11;
    }
    out.extend_from_slice(&rest);
    out.extend_from_slice(&packed);
}

/// Returns the file, which has one page for each column, with its pages packed.
pub(super) fn packed(file: &[u8], codec: Compression, levels: usize, pack: Pack<'_>) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let mut pack_chunk = |chunk: ColumnChunkMetaData| {
        let (start, length) = chunk.byte_range();
        let at = bytes.len();
        push_packed(&file[start as usize..][..length as usize], levels, pack, &mut bytes);
        let packed_length = (bytes.len() - at) as i64;
        let chunk = chunk.into_builder().set_data_page_offset(at as i64).set_compression(codec);
        chunk.set_total_compressed_size(packed_length).build().unwrap()
    };
    let footer = Footer::of(in_memory(file), "orders.parquet".to_owned()).unwrap();
    let mut metadata = footer.metadata.into_builder();
    let groups = metadata.take_row_groups().into_iter().map(|group| {
        let mut group = group.into_builder();
        let columns = group.take_columns().into_iter().map(&mut pack_chunk).collect();
        group.set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    let metadata = metadata.set_row_groups(groups).build();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    bytes
}

/// Returns a file of one plain page for each column.
fn plain(schema: &str, version: WriterVersion) -> Vec<u8> {
    let mut properties = default_properties().set_dictionary_enabled(false).set_writer_version(version);
    for column in ["user_id", "order_id", "price", "timestamp"] {
        properties = properties.set_column_encoding(column.into(), Encoding::PLAIN);
    }
    file(schema, properties, &[plain_group([0.1, -2.5, 1e11])])
}

fn hadoop(content: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    for content in content.chunks(17) {
        let block = lz4_flex::block::compress(content);
        frames.extend_from_slice(&(content.len() as u32).to_be_bytes());
        frames.extend_from_slice(&(block.len() as u32).to_be_bytes());
        frames.extend_from_slice(&block);
    }
    frames
}

#[test]
fn lz4_reads_as_plain_pages_do() {
    let block: Pack<'_> = &lz4_flex::block::compress;
    let optional = PLAIN_SCHEMA.replace("required", "optional");
    // In pages of version 2, the levels of three rows take two bytes and are not packed.
    for (schema, version, levels) in [
        (PLAIN_SCHEMA, WriterVersion::PARQUET_1_0, 0),
        (PLAIN_SCHEMA, WriterVersion::PARQUET_2_0, 0),
        (&*optional, WriterVersion::PARQUET_1_0, 0),
        (&*optional, WriterVersion::PARQUET_2_0, 2),
    ] {
        let plain = plain(schema, version);
        let expected = shown(&read_bytes(&plain, Envelope::Append).unwrap());
        assert_eq!(expected.len(), 3);
        for (codec, pack) in [
            (Compression::LZ4_RAW, block),
            (Compression::LZ4, block),
            (Compression::LZ4, &hadoop as Pack<'_>),
        ] {
            let packed = packed(&plain, codec, levels, pack);
            assert_eq!(
                shown(&read_bytes(&packed, Envelope::Append).unwrap()),
                expected,
                "{codec} {version:?}"
            );
        }
    }
}

#[test]
fn a_page_that_is_no_lz4_or_unpacks_too_far_refuses_the_file() {
    let plain = plain(PLAIN_SCHEMA, WriterVersion::PARQUET_1_0);
    for pack in
        [&|_: &[u8]| vec![0xff_u8; 40], &|_: &[u8]| lz4_flex::block::compress(&[0; 1 << 24])] as [Pack<'_>; 2]
    {
        for codec in [Compression::LZ4_RAW, Compression::LZ4] {
            let refused =
                read_bytes(&packed(&plain, codec, 0, pack), Envelope::Append).map(|_| ()).unwrap_err();
            assert!(
                refused
                    .starts_with("orders.parquet is damaged: row group 0 cannot be read: a page is no LZ4"),
                "{refused}"
            );
        }
    }
}

#[test]
fn codecs_that_are_not_read_are_named() {
    let plain = plain(PLAIN_SCHEMA, WriterVersion::PARQUET_1_0);
    for (codec, name) in [(Compression::BROTLI(Default::default()), "brotli"), (Compression::LZO, "LZO")] {
        let packed = packed(&plain, codec, 0, &|content| content.to_vec());
        assert_eq!(
            read_bytes(&packed, Envelope::Append).map(|_| ()).unwrap_err(),
            format!(
                "orders.parquet: column user_id is packed with {name}, which is not read: write it with zstd, snappy, \
                 gzip or LZ4_RAW"
            )
        );
    }
}
