//! Writes Parquet files: named columns, a row group at a time, without depending on Arrow.
//!
//! Columns are flat and required (no nulls), compressed with Snappy, and dictionary-encoded if that
//! pays. The caller decides how many rows make a row group; [`GROUP_ROWS`] suits readers that split
//! a file by row groups. The bytes depend only on the rows, so equal tables are equal files.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use dataflows::{Amount, FRACTION_DIGITS_MAX};
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{
    ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int64Type, Int96,
    Int96Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};

/// The number of rows in a row group. It is so small that many readers can share a file of millions
/// of rows, and so large that a dictionary pays.
pub const GROUP_ROWS: usize = 491_520;

/// The number of digits of a [`ColumnType::Decimal`], of which [`FRACTION_DIGITS_MAX`] follow the
/// point.
const DECIMAL_DIGITS: i32 = 38;

/// The number of bytes of a [`ColumnType::Decimal`], which is a big-endian two's complement.
const DECIMAL_BYTES: i32 = 16;

/// The largest magnitude of a [`ColumnType::Decimal`], in units of [`Amount`].
const DECIMAL_UNITS_MAX: u128 = 10_u128.pow(DECIMAL_DIGITS as u32) - 1;

/// If the distinct texts of a column in a row group have more bytes than this, the column is no
/// longer dictionary-encoded.
const DICTIONARY_BYTES_MAX: usize = 4 << 20;

/// The type of the values in a column.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// A signed 64-bit integer.
    Int64,
    /// A point in time in UTC, in epoch milliseconds.
    TimestampMs,
    /// A point in time in the retired type INT96, as old programs write it.
    Int96,
    /// An IEEE double.
    Double,
    /// An exact amount: `DECIMAL(38, 18)`.
    Decimal,
}

/// The values of one column of a row group.
#[derive(Clone, Debug)]
pub enum Column {
    /// Values of a [`ColumnType::Text`] column.
    Text(TextColumn),
    /// Values of a [`ColumnType::Int64`], [`ColumnType::TimestampMs`] or [`ColumnType::Int96`] column.
    /// The two latter are epoch milliseconds.
    Int64(Vec<i64>),
    /// Values of a [`ColumnType::Double`] column.
    Double(Vec<f64>),
    /// Values of a [`ColumnType::Decimal`] column.
    Decimal(Vec<Amount>),
}

/// Texts, one after the other in one buffer.
#[derive(Clone, Debug, Default)]
pub struct TextColumn {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TextColumn {
    /// Adds a text at the end.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }
}

/// Why a Parquet file could not be written.
#[derive(Debug)]
pub enum ParquetWriteError {
    /// The output did not take the bytes.
    Io(std::io::Error),
    /// An amount has more than 38 digits.
    TooLarge(Amount),
    /// The encoder refused the rows, which is a bug of ours.
    Encode(ParquetError),
}

impl fmt::Display for ParquetWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParquetWriteError::Io(error) => write!(f, "{error}"),
            ParquetWriteError::TooLarge(amount) => {
                write!(f, "{amount} has more digits than Parquet's decimals can hold; choose csv or jsonl")
            }
            ParquetWriteError::Encode(error) => write!(f, "cannot encode Parquet: {error}"),
        }
    }
}

impl std::error::Error for ParquetWriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ParquetWriteError::Io(error) => error.source(),
            ParquetWriteError::TooLarge(_) => None,
            ParquetWriteError::Encode(error) => Some(error),
        }
    }
}

impl From<ParquetError> for ParquetWriteError {
    fn from(error: ParquetError) -> ParquetWriteError {
        match error {
            ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(io) => ParquetWriteError::Io(*io),
                Err(cause) => ParquetWriteError::Encode(ParquetError::External(cause)),
            },
            error => ParquetWriteError::Encode(error),
        }
    }
}

/// A writer of one Parquet file, to anything that takes bytes in order.
///
/// ```
/// use files::parquet_write::{Column, ColumnType, ParquetWriter};
/// let mut bytes = Vec::new();
/// let mut writer = ParquetWriter::create(&mut bytes, &[("count", ColumnType::Int64)])?;
/// writer.write_group(vec![Column::Int64(vec![1, 2, 3])])?;
/// writer.finish()?;
/// assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
/// # Ok::<(), files::parquet_write::ParquetWriteError>(())
/// ```
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file with these columns, in this order.
    ///
    /// # Errors
    /// Returns [`ParquetWriteError::Io`] if `out` does not take the first bytes.
    pub fn create(out: W, columns: &[(&str, ColumnType)]) -> Result<ParquetWriter<W>, ParquetWriteError> {
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let schema =
            Type::group_type_builder("orders").with_fields(fields.collect::<Result<_, _>>()?).build()?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(concat!("orderflow ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_max_row_group_row_count(None);
        for (name, kind) in columns {
            // Times and counts seldom repeat but are close to their neighbours, so they are stored
            // as differences. Prices repeat.
            if matches!(kind, ColumnType::Int64 | ColumnType::TimestampMs) {
                let path = ColumnPath::from(*name);
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
        }
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))?;
        Ok(ParquetWriter { file })
    }

    /// Writes one row group: all columns in the order in which they were declared, all with the
    /// same number of values.
    ///
    /// Panics if a column is missing, too many, or of another type than declared.
    ///
    /// # Errors
    /// Returns [`ParquetWriteError::Io`] if the bytes could not be written, and
    /// [`ParquetWriteError::TooLarge`] for an amount of more than 38 digits.
    pub fn write_group(&mut self, columns: Vec<Column>) -> Result<(), ParquetWriteError> {
        let mut group = self.file.next_row_group()?;
        for column in columns {
            let mut writer = group.next_column()?.expect("no more columns than were declared");
            write_column(&mut writer, column)?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes the footer and flushes. Without this call the file is cut short.
    ///
    /// # Errors
    /// Returns [`ParquetWriteError::Io`] if the bytes could not be written.
    pub fn finish(mut self) -> Result<(), ParquetWriteError> {
        self.file.finish()?;
        self.file.inner_mut().flush().map_err(ParquetWriteError::Io)
    }
}

fn field(name: &str, kind: ColumnType) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        ColumnType::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Int64 => (PhysicalType::INT64, None),
        ColumnType::TimestampMs => {
            let unit = parquet::basic::TimeUnit::MILLIS;
            (PhysicalType::INT64, Some(LogicalType::timestamp(true, unit)))
        }
        ColumnType::Int96 => (PhysicalType::INT96, None),
        ColumnType::Double => (PhysicalType::DOUBLE, None),
        ColumnType::Decimal => {
            let logical = LogicalType::decimal(FRACTION_DIGITS_MAX as i32, DECIMAL_DIGITS);
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, Some(logical))
        }
    };
    let builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical);
    match kind {
        ColumnType::Decimal => builder
            .with_length(DECIMAL_BYTES)
            .with_precision(DECIMAL_DIGITS)
            .with_scale(FRACTION_DIGITS_MAX as i32)
            .build(),
        _ => builder.build(),
    }
}

/// Returns a time as the nanosecond of its day and the number of its day.
fn int96(at_ms: i64) -> Int96 {
    const DAY_MS: i64 = 86_400_000;
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let nanoseconds = at_ms.rem_euclid(DAY_MS) as u64 * 1_000_000;
    let day = (at_ms.div_euclid(DAY_MS) + JULIAN_DAY_OF_1970) as u32;
    let mut value = Int96::new();
    value.set_data(nanoseconds as u32, (nanoseconds >> 32) as u32, day);
    value
}

fn write_column(writer: &mut SerializedColumnWriter<'_>, column: Column) -> Result<(), ParquetWriteError> {
    match column {
        Column::Text(texts) => {
            // All texts share one buffer that is counted by reference, so no text needs an
            // allocation.
            let whole = ByteArray::from(texts.bytes);
            let mut start = 0;
            let values = texts.ends.iter().map(|&end| {
                let text = whole.slice(start, end - start);
                start = end;
                text
            });
            writer.typed::<ByteArrayType>().write_batch(&values.collect::<Vec<_>>(), None, None)?;
        }
        Column::Int64(times_ms) if matches!(writer.untyped(), ColumnWriter::Int96ColumnWriter(_)) => {
            let values: Vec<Int96> = times_ms.into_iter().map(int96).collect();
            writer.typed::<Int96Type>().write_batch(&values, None, None)?;
        }
        Column::Int64(values) => {
            writer.typed::<Int64Type>().write_batch(&values, None, None)?;
        }
        Column::Double(values) => {
            writer.typed::<DoubleType>().write_batch(&values, None, None)?;
        }
        Column::Decimal(amounts) => {
            let mut values = Vec::with_capacity(amounts.len());
            for amount in amounts {
                if amount.units().unsigned_abs() > DECIMAL_UNITS_MAX {
                    return Err(ParquetWriteError::TooLarge(amount));
                }
                values.push(FixedLenByteArray::from(amount.units().to_be_bytes().to_vec()));
            }
            writer.typed::<FixedLenByteArrayType>().write_batch(&values, None, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    fn write(columns: &[(&str, ColumnType)], groups: Vec<Vec<Column>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ParquetWriter::create(&mut bytes, columns).unwrap();
        for group in groups {
            writer.write_group(group).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn every_type_reads_back_through_the_crates_own_rows() {
        let columns = [
            ("name", ColumnType::Text),
            ("count", ColumnType::Int64),
            ("at", ColumnType::TimestampMs),
            ("price", ColumnType::Double),
            ("exact", ColumnType::Decimal),
        ];
        let group = |names: [&str; 2], amount: &str| {
            let mut text = TextColumn::default();
            names.iter().for_each(|name| text.push(name));
            vec![
                Column::Text(text),
                Column::Int64(vec![i64::MIN, i64::MAX]),
                Column::Int64(vec![-1, 1_700_000_000_123]),
                Column::Double(vec![0.1, -2.5e300]),
                Column::Decimal(vec![amount.parse().unwrap(), "-0.000000000000000001".parse().unwrap()]),
            ]
        };
        let bytes =
            write(&columns, vec![group(["", "a\nb"], "1.50"), group(["größe", "x"], "1000000000000")]);
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[1][0], Field::Str("a\nb".into()));
        assert_eq!(rows[2][0], Field::Str("größe".into()));
        assert_eq!(rows[3][1], Field::Long(i64::MAX));
        assert_eq!(rows[1][2], Field::TimestampMillis(1_700_000_000_123));
        assert_eq!(rows[0][3], Field::Double(0.1));
        let decimal = |field: &Field| match field {
            Field::Decimal(value) => i128::from_be_bytes(value.data().try_into().unwrap()),
            other => panic!("{other:?} is not a decimal"),
        };
        assert_eq!(decimal(&rows[0][4]), 1_500_000_000_000_000_000);
        assert_eq!(decimal(&rows[1][4]), -1);
        assert_eq!(decimal(&rows[2][4]), 10_i128.pow(30));
    }

    #[test]
    fn a_table_without_rows_is_still_a_file() {
        let bytes = write(&[("count", ColumnType::Int64)], vec![]);
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }

    #[test]
    fn a_sum_beyond_38_digits_is_refused() {
        let mut writer = ParquetWriter::create(Vec::new(), &[("exact", ColumnType::Decimal)]).unwrap();
        let sum = Amount::from_units(10_i128.pow(38));
        let error = writer.write_group(vec![Column::Decimal(vec![sum])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "100000000000000000000.00 has more digits than Parquet's decimals can hold; choose csv or jsonl"
        );
    }

    #[test]
    fn a_full_disk_is_an_io_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let result = ParquetWriter::create(Full, &[("count", ColumnType::Int64)]).and_then(|mut writer| {
            writer.write_group(vec![Column::Int64(vec![1; 100_000])])?;
            writer.finish()
        });
        assert!(matches!(result, Err(ParquetWriteError::Io(_))), "{result:?}");
    }
}
