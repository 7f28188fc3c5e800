//! Tells by its first bytes what an input really is, whatever its name says.

use std::fmt;

use super::Compression;
use super::discover::STDIN_NAME;

/// What the first bytes of an input say that it is, if it is plainly no text of orders.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is compressed in a way that is read, if its name tells so.
    Compressed(Compression),
    /// It is compressed in a way that is not read.
    OtherCompression(&'static str),
    /// It is a Parquet file.
    Parquet,
    /// It is a zip archive, as Excel's workbooks are.
    Zip,
    /// It is a workbook of an old Excel.
    Workbook,
    /// It is text of two bytes a character.
    Utf16,
}

impl Content {
    /// Returns what an input that begins with these bytes is; `None` if they may be text.
    pub(super) fn of(bytes: &[u8]) -> Option<Content> {
        Some(match bytes {
            [0x1f, 0x8b, ..] => Content::Compressed(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Content::Compressed(Compression::Zstd),
            [b'P', b'A', b'R', b'1', ..] => Content::Parquet,
            [b'P', b'K', 3, 4, ..] => Content::Zip,
            [0xd0, 0xcf, 0x11, 0xe0, ..] => Content::Workbook,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Content::OtherCompression("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Content::OtherCompression("xz"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Content::OtherCompression("lz4"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Content::Utf16,
            _ => return None,
        })
    }

    /// Writes the end of a sentence that begins with the input's name: what it is, and what to do.
    pub(super) fn describe(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let piped = name == STDIN_NAME;
        match self {
            Content::Compressed(compression) if piped => {
                write!(f, "is compressed with {compression}: unpack it on its way here")
            }
            Content::Compressed(compression) => {
                let ending = if compression == Compression::Gzip { ".gz" } else { ".zst" };
                write!(f, "is compressed with {compression}: let its name end in {ending}")
            }
            Content::OtherCompression(name) => {
                write!(f, "is compressed with {name}, which is not read: unpack it, or use gzip or zstd")
            }
            Content::Parquet if piped => write!(f, "is Parquet, which is not read from a stream"),
            Content::Parquet => write!(f, "is Parquet: let its name end in .parquet"),
            Content::Zip => {
                write!(f, "is a zip archive or an Excel workbook: unpack it, or save the sheet as CSV")
            }
            Content::Workbook => write!(f, "is an Excel workbook: save the sheet as CSV"),
            Content::Utf16 => write!(f, "is UTF-16: save it as UTF-8"),
        }
    }
}

/// Returns the window that a Zstandard frame needs, in bytes, from the frame's header; `None` if the
/// bytes are no such header.
pub(super) fn zstd_window_bytes(frame: &[u8]) -> Option<u64> {
    let (magic, header) = frame.split_first_chunk::<4>()?;
    let (descriptor, header) = header.split_first()?;
    if *magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return None;
    }
    if descriptor & 0x20 == 0 {
        let window = header.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A frame of a single segment has a window of the size of its content.
    let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let size = header.get(id_bytes..id_bytes + size_bytes)?;
    let size = size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
    Some(if size_bytes == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_frame_headers() {
        let frame = |level: i32, log: Option<u32>, content: &[u8]| {
            let mut encoder = zstd::Encoder::new(Vec::new(), level).unwrap();
            if let Some(log) = log {
                encoder.long_distance_matching(true).unwrap();
                encoder.window_log(log).unwrap();
            }
            std::io::Write::write_all(&mut encoder, content).unwrap();
            encoder.finish().unwrap()
        };
        for log in [10, 20, 27, 28, 30] {
            assert_eq!(zstd_window_bytes(&frame(1, Some(log), b"orders")), Some(1 << log));
        }
        for length in [0_usize, 1, 255, 256, 1_000, 70_000] {
            let frame = zstd::bulk::compress(&vec![7; length], 1).unwrap();
            assert_eq!(zstd_window_bytes(&frame), Some(length as u64), "{length}");
        }
        assert_eq!(zstd_window_bytes(b"user_id,order_id"), None);
        assert_eq!(zstd_window_bytes(&[0x28, 0xb5, 0x2f, 0xfd]), None);
    }
}
