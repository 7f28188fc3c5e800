//! Reads the footer of a file, which is its table of contents, and checks what may be wrong with
//! it.

use std::cell::Cell;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use parquet::errors::ParquetError as DecodeError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::error::ParquetError;
use super::nesting::check_nesting;
use super::source::Source;

/// The mark at both ends of a Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";

/// The mark of a file whose footer is encrypted.
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";

/// The most bytes that a footer may have.
const FOOTER_BYTES_MAX: u32 = 256 << 20;

/// The table of contents of a file.
pub(super) struct Footer {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) metadata: ParquetMetaData,
    /// The number of rows of each row group.
    pub(super) rows: Vec<u64>,
}

impl Footer {
    pub(super) fn read(path: &Path) -> Result<Footer, ParquetError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|cause| ParquetError::Io { name: name.clone(), cause })?;
        Footer::of(file, name)
    }

    pub(super) fn of(file: File, name: String) -> Result<Footer, ParquetError> {
        let not_parquet = |reason| ParquetError::NotParquet { name: name.clone(), reason };
        let source = Source::new(Arc::new(file));
        let source = source.map_err(|cause| ParquetError::Io { name: name.clone(), cause })?;
        check_footer(&source).map_err(not_parquet)?;
        let metadata = guarded(|| ParquetMetaDataReader::new().parse_and_finish(&source));
        let metadata = metadata.map_err(not_parquet)?;
        let rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()));
        let rows = rows.collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|_| not_parquet("a row group has a negative number of rows".to_owned()))?;
        if rows.iter().try_fold(0_u64, |sum, rows| sum.checked_add(*rows)).is_none() {
            return Err(not_parquet("it has more rows than can be counted".to_owned()));
        }
        Ok(Footer { name, source, metadata, rows })
    }
}

/// Refuses, with a plain reason, footers that the crate's decoder would refuse in its own words or
/// would not survive.
fn check_footer(source: &Source) -> Result<(), String> {
    let len_bytes = source.len();
    if len_bytes < 12 {
        return Err(format!("it has {len_bytes} bytes"));
    }
    let tail = source.get_bytes(len_bytes - 8, 8).map_err(|error| error.to_string())?;
    if &tail[4..] == MAGIC_ENCRYPTED {
        return Err("it is encrypted".to_owned());
    }
    if &tail[4..] != MAGIC {
        return Err("it does not end with PAR1".to_owned());
    }
    let footer_bytes = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    if footer_bytes > FOOTER_BYTES_MAX || u64::from(footer_bytes) > len_bytes - 12 {
        return Err(format!("its footer claims to have {footer_bytes} bytes"));
    }
    let start = len_bytes - 8 - u64::from(footer_bytes);
    let footer = source.get_bytes(start, footer_bytes as usize).map_err(|error| error.to_string())?;
    check_nesting(&footer)
}

/// Runs `decode` and returns its result. Errors and panics are returned as text.
///
/// On some senseless bytes the crate panics where it should return an error: for example on a page
/// of indexes without a dictionary before it (`ColumnValueDecoderImpl::set_data`), and on levels
/// that are longer than their page (`Bytes::slice`).
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, String> {
    thread_local! {
        static GUARDED: Cell<bool> = const { Cell::new(false) };
    }
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A panic that is caught below is reported as an error. Only other panics are printed.
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(false);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(match error {
            DecodeError::General(reason) | DecodeError::EOF(reason) | DecodeError::NYI(reason) => reason,
            other => other.to_string(),
        }),
        Err(_) => Err("its bytes make no sense to the decoder".to_owned()),
    }
}
