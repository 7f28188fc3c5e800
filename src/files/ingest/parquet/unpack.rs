//! Unpacks pages with the codecs that are bounded here.
//!
//! The crate's own codecs for these unpack to the end whatever the page's header claims, which may
//! be a thousand times the file. Here a page unpacks to no more bytes than its column has.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::errors::{ParquetError, Result};

use super::lz4::{unpack_block, unpack_hadoop};

/// A codec whose pages are unpacked here. The crate then gives their bytes as they are stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Lz4Raw,
    Lz4Hadoop,
}

impl Codec {
    /// Returns the codec of a column; `None` if the crate unpacks it, or if nobody does.
    pub(super) fn of(compression: Compression) -> Option<Codec> {
        match compression {
            Compression::GZIP(_) => Some(Codec::Gzip),
            Compression::LZ4_RAW => Some(Codec::Lz4Raw),
            Compression::LZ4 => Some(Codec::Lz4Hadoop),
            _ => None,
        }
    }

    /// Unpacks a page and replaces its bytes.
    ///
    /// # Errors
    /// Returns an error if the page unpacks to more than `bytes_max`, or is not of this codec.
    pub(super) fn unpack(self, page: &mut Page, bytes_max: u64) -> Result<()> {
        let (bytes, levels) = match page {
            Page::DataPageV2 { is_compressed: false, .. } => return Ok(()),
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                (buf, *def_levels_byte_len as usize + *rep_levels_byte_len as usize)
            }
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => (buf, 0),
        };
        let cut = || ParquetError::General("its levels are cut".to_owned());
        let (levels, packed) = bytes.split_at_checked(levels).ok_or_else(cut)?;
        let mut unpacked = levels.to_vec();
        // A page that holds only nulls may have no bytes at all.
        if !packed.is_empty() {
            self.append(packed, &mut unpacked, bytes_max)?;
        }
        if unpacked.len() as u64 > bytes_max {
            return Err(ParquetError::General(format!("a page unpacks to more than {bytes_max} bytes")));
        }
        *bytes = unpacked.into();
        Ok(())
    }

    fn append(self, packed: &[u8], unpacked: &mut Vec<u8>, bytes_max: u64) -> Result<()> {
        let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let lz4 = match self {
            Codec::Gzip => {
                MultiGzDecoder::new(packed).take(bytes_max.saturating_add(1)).read_to_end(unpacked)?;
                return Ok(());
            }
            Codec::Lz4Raw => unpack_block(packed, unpacked, limit),
            Codec::Lz4Hadoop => unpack_hadoop(packed, unpacked, limit),
        };
        lz4.ok_or_else(|| {
            ParquetError::General(format!("a page is no LZ4, or unpacks to more than {bytes_max} bytes"))
        })
    }
}

/// Returns the name of a codec if nobody unpacks it.
pub(super) fn unknown_codec(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use parquet::basic::Encoding;

    use super::*;

    #[test]
    fn a_page_unpacks_to_no_more_than_its_chunk_may() {
        let gzip = |content: &[u8]| {
            let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(content).unwrap();
            packed.finish().unwrap()
        };
        let page = |packed: Vec<u8>| Page::DictionaryPage {
            buf: packed.into(),
            num_values: 1,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        type Pack<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
        let codecs: [(Codec, Pack<'_>, &str); 2] = [
            (Codec::Gzip, &gzip, "a page unpacks to more than 1000 bytes"),
            (
                Codec::Lz4Raw,
                &lz4_flex::block::compress,
                "a page is no LZ4, or unpacks to more than 1000 bytes",
            ),
        ];
        for (codec, pack, reason) in codecs {
            let mut sound = page(pack(b"a value"));
            codec.unpack(&mut sound, 7).unwrap();
            assert_eq!(&sound.buffer()[..], b"a value");
            let refused = codec.unpack(&mut page(pack(&[0; 1 << 20])), 1000).unwrap_err().to_string();
            assert!(refused.ends_with(reason), "{refused}");
        }
    }
}
