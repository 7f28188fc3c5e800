//! Reads bytes and pages of a Parquet file, and checks the claims of its headers before they are
//! believed.
//!
//! A page header says how many bytes its page will unpack to and how many values it has. The crate
//! reserves memory for both before it looks at the page: up to 2 GiB for the bytes (`decode_page`),
//! and for up to 4 billion values of a dictionary (`DictDecoder::set_dict`). So a file of 100 bytes
//! could take all memory, and a failed allocation ends the process. Here both claims are compared
//! with what the footer and the bytes allow. The crate also asks for any range that a footer names;
//! `get_bytes` refuses a range beyond the end of the file before it reserves memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::unpack::Codec;

/// The most bytes that one page may unpack to. Writers aim at 1 MiB or less.
const PAGE_BYTES_MAX: u64 = 256 << 20;

/// The number of bytes in which the first three fields of a page header must lie.
const HEADER_PEEK_BYTES: usize = 24;

/// A file that is read by position, so that any number of columns may share it.
#[derive(Clone)]
pub(super) struct Source {
    file: Arc<File>,
    len_bytes: u64,
    /// The most bytes that a page may unpack to; `None` while the footer is read, which has no
    /// pages.
    page_bytes_max: Option<u64>,
}

impl Source {
    pub(super) fn new(file: Arc<File>) -> std::io::Result<Source> {
        let len_bytes = file.metadata()?.len();
        Ok(Source { file, len_bytes, page_bytes_max: None })
    }

    /// Returns the pages of one column of one row group.
    pub(super) fn pages(&self, chunk: &ColumnChunkMetaData, rows: usize) -> Result<CheckedPages> {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let (start, len) = (u64::try_from(start)?, u64::try_from(chunk.compressed_size())?);
        if start.checked_add(len).is_none_or(|end| end > self.len_bytes) {
            return Err(ParquetError::EOF(format!("a column ends at byte {}", start.saturating_add(len))));
        }
        let unpacked = u64::try_from(chunk.uncompressed_size())?;
        let page_bytes_max = unpacked.min(PAGE_BYTES_MAX);
        let source = Arc::new(Source { page_bytes_max: Some(page_bytes_max), ..self.clone() });
        let Some(codec) = Codec::of(chunk.compression()) else {
            let pages = SerializedPageReader::new(source, chunk, rows, None)?;
            return Ok(CheckedPages { pages, unpack: None });
        };
        let as_stored = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(source, &as_stored, rows, None)?;
        Ok(CheckedPages { pages, unpack: Some((codec, page_bytes_max)) })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.len_bytes
    }
}

impl ChunkReader for Source {
    type T = BufReader<At>;

    /// Returns a reader from byte `start` on. The crate calls this only at the start of a page
    /// header, or while it reads the footer, and the header's claim is checked here.
    fn get_read(&self, start: u64) -> Result<BufReader<At>> {
        if let Some(max) = self.page_bytes_max {
            let mut head = [0; HEADER_PEEK_BYTES];
            let filled = read_up_to(&self.file, &mut head, start)?;
            let unpacked = unpacked_bytes(&head[..filled])
                .ok_or_else(|| ParquetError::General(format!("no page header at byte {start}")))?;
            if unpacked > max {
                let reason = format!("a page of {unpacked} bytes at byte {start}, where {max} are the most");
                return Err(ParquetError::General(reason));
            }
        }
        // The buffer is small, because the pages themselves are read with `get_bytes`.
        Ok(BufReader::with_capacity(512, At { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len_bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes are missing at byte {start}")));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// A reader of a file from one byte on.
pub(super) struct At {
    file: Arc<File>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], start: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns how many bytes a page unpacks to, from the first two fields of its header. In Thrift's
/// compact form, field 1 (the page's type) and field 2 (that size) are `0x15` and a zigzag varint
/// each.
fn unpacked_bytes(mut head: &[u8]) -> Option<u64> {
    let mut field = || {
        let (&kind, rest) = head.split_first()?;
        let mut value = 0_u64;
        for (at, byte) in rest.iter().enumerate().take(5) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                head = &rest[at + 1..];
                return (kind == 0x15).then_some(value);
            }
        }
        None
    };
    field()?;
    let zigzag = field()?;
    // In zigzag form, odd numbers are the negative ones.
    (zigzag & 1 == 0).then_some(zigzag >> 1)
}

/// The pages of a column chunk. A page that claims more values than its bytes can hold is refused.
pub(super) struct CheckedPages {
    pages: SerializedPageReader<Source>,
    /// The codec by which pages are unpacked here, and the most bytes that one may unpack to.
    /// `pages` then returns bytes as they are stored.
    unpack: Option<(Codec, u64)>,
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let mut page = self.pages.get_next_page()?;
        if let (Some(page), Some((codec, bytes_max))) = (&mut page, self.unpack) {
            codec.unpack(page, bytes_max)?;
        }
        // A data page may repeat one value for ever. A dictionary must hold each of its values in
        // full.
        if let Some(Page::DictionaryPage { buf, num_values, .. }) = &page
            && *num_values as usize > buf.len()
        {
            let reason = format!("a dictionary of {num_values} values in {} bytes", buf.len());
            return Err(ParquetError::General(reason));
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;
    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_at_the_head_of_a_page_header() {
        assert_eq!(unpacked_bytes(&[0x15, 0x00, 0x15, 0x14, 0x15, 0x10]), Some(10));
        assert_eq!(unpacked_bytes(&[0x15, 0x04, 0x15, 0x80, 0x80, 0x80, 0x01]), Some(1 << 20));
        for head in
            [&[][..], &[0x15], &[0x15, 0x00, 0x16, 0x14], &[0x15, 0x00, 0x15, 0x13], &[0x15, 0x80, 0x80]]
        {
            assert_eq!(unpacked_bytes(head), None, "{head:x?}");
        }
    }
}
