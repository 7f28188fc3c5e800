//! Says how each column of an order is stored, and builds the reader of its values.

use dataflows::{Amount, Id};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::column::{Bad, ByteColumn, Column, ConvertAll, Converted, Shape};
use super::source::CheckedPages;
use super::values::{
    bad_text, id_of, missing, price_of_double, price_of_float, price_of_integer, price_of_wide_integer,
    prices_of_doubles, times_of_integers,
};
use crate::ingest::Envelope;
use crate::ingest::row::{Op, parse_op};
use orders::rules::{Role, check_at_ms, check_id, parse_at_ms, parse_price};

/// How the values of a column are stored, if an order can be made of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes that spell the value.
    Text,
    /// An integer of 32 or 64 bits, times 10^-scale.
    Integer {
        signed: bool,
        scale: u32,
    },
    /// A big-endian integer of any width, times 10^-scale.
    WideInteger {
        scale: u32,
    },
    Float,
    Double,
    /// An integer that counts time in units, of which `per_ms` make a millisecond.
    Time {
        per_ms: i64,
    },
}

/// Returns how a flat column is stored. Returns as an error what the column is if no value of this
/// role can be made of it.
pub(super) fn kind_of(role: Role, column: &ColumnDescriptor) -> Result<Kind, String> {
    let physical = column.physical_type();
    let logical = column.logical_type_ref();
    let converted = column.converted_type();
    let decimal = matches!(logical, Some(LogicalType::Decimal(_))) || converted == ConvertedType::DECIMAL;
    let scale = if decimal { u32::try_from(column.type_scale()).map_err(|_| "negative scale")? } else { 0 };
    let annotated = !matches!(logical, None | Some(LogicalType::Integer(_)))
        || !matches!(
            converted,
            ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        );
    let signed = match logical {
        Some(LogicalType::Integer(integer)) => integer.is_signed,
        _ => !matches!(
            converted,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        ),
    };
    let text = matches!(logical, None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
        && matches!(
            converted,
            ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
        );
    match (role, physical) {
        (_, PhysicalType::BYTE_ARRAY) if text => Ok(Kind::Text),
        (Role::UserId | Role::OrderId, PhysicalType::INT32 | PhysicalType::INT64) if !annotated => {
            Ok(Kind::Integer { signed, scale: 0 })
        }
        (Role::Price, PhysicalType::DOUBLE) => Ok(Kind::Double),
        (Role::Price, PhysicalType::FLOAT) => Ok(Kind::Float),
        (Role::Price, PhysicalType::INT32 | PhysicalType::INT64) if decimal || !annotated => {
            Ok(Kind::Integer { signed, scale })
        }
        (Role::Price, PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY) if decimal => {
            Ok(Kind::WideInteger { scale })
        }
        (Role::Timestamp, PhysicalType::INT64) => match (logical, converted) {
            (Some(LogicalType::Timestamp(time)), _) => Ok(Kind::Time {
                per_ms: match time.unit {
                    TimeUnit::MILLIS => 1,
                    TimeUnit::MICROS => 1_000,
                    TimeUnit::NANOS => 1_000_000,
                },
            }),
            (None, ConvertedType::TIMESTAMP_MILLIS) => Ok(Kind::Time { per_ms: 1 }),
            (None, ConvertedType::TIMESTAMP_MICROS) => Ok(Kind::Time { per_ms: 1_000 }),
            _ if !annotated => Ok(Kind::Time { per_ms: 1 }),
            _ => Err(described(column)),
        },
        (Role::Timestamp, PhysicalType::INT96) => {
            Err("INT96, a retired type; write it as TIMESTAMP or as INT64 of epoch milliseconds".to_owned())
        }
        _ => Err(described(column)),
    }
}

fn described(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type();
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(logical), _) => format!("{physical} ({logical:?})"),
        (None, ConvertedType::NONE) => physical.to_string(),
        (None, converted) => format!("{physical} ({converted})"),
    }
}

/// One column of one row group, whose reader is still to be chosen.
pub(super) struct Opened {
    pub(super) column: ColumnDescPtr,
    pub(super) kind: Kind,
    pub(super) pages: CheckedPages,
    /// Whether [`ByteColumn`] can decode all encodings in it.
    pub(super) decoded_here: bool,
    /// Whether there is a dictionary, whose entries are then converted once.
    pub(super) dictionary: bool,
}

impl Opened {
    /// Returns a reader of ids, either of users or of orders.
    pub(super) fn ids(self, role: Role) -> Box<dyn Column<Id>> {
        let null = Err(missing(role));
        let blank = Id::new("");
        match self.kind {
            Kind::Integer { signed, .. } => {
                self.integers(blank, null, signed, |value| Ok(Id::new(&value.to_string())))
            }
            _ => self.bytes(blank, null, move |tail, length| id_of(role, tail, length)),
        }
    }

    /// Returns a reader that only checks ids. It gives a blank one for each that is good.
    pub(super) fn checked_ids(self, role: Role) -> Box<dyn Column<Id>> {
        if matches!(self.kind, Kind::Integer { .. }) {
            return self.ids(role);
        }
        let (blank, null) = (Id::new(""), Err(missing(role)));
        self.bytes(blank.clone(), null, move |tail, length| {
            let text = &tail[..length];
            check_id(role, text).map(|_| blank.clone()).map_err(|reason| bad_text(reason, text))
        })
    }

    /// Returns a reader of prices.
    pub(super) fn prices(self) -> Box<dyn Column<Amount>> {
        let null = Err(missing(Role::Price));
        let blank = Amount::ZERO;
        match self.kind {
            Kind::Double if self.decoded_here && self.dictionary => {
                self.fixed(blank, null, size_of::<f64>(), |tail, _| {
                    let bytes = tail.first_chunk().copied().unwrap_or_default();
                    price_of_double(f64::from_le_bytes(bytes))
                })
            }
            Kind::Double => self.numbers::<DoubleType, _, _>(blank, null, Some(prices_of_doubles), |value| {
                price_of_double(*value)
            }),
            Kind::Float => self.numbers::<FloatType, _, _>(blank, null, None, |value| price_of_float(*value)),
            Kind::Integer { signed, scale } => {
                self.integers(blank, null, signed, move |value| price_of_integer(value, scale))
            }
            Kind::WideInteger { scale } => {
                self.bytes(blank, null, move |tail, length| price_of_wide_integer(&tail[..length], scale))
            }
            Kind::Text | Kind::Time { .. } => self.bytes(blank, null, |tail, length| {
                let text = &tail[..length];
                parse_price(text).map_err(|reason| bad_text(reason, text))
            }),
        }
    }

    /// Returns a reader of event times, in epoch milliseconds.
    pub(super) fn times_ms(self) -> Box<dyn Column<i64>> {
        let null = Err(missing(Role::Timestamp));
        match self.kind {
            Kind::Time { per_ms } => {
                let convert_all = (per_ms == 1).then_some(times_of_integers as ConvertAll<i64, i64>);
                self.numbers::<Int64Type, _, _>(0, null, convert_all, move |value| {
                    check_at_ms(value.div_euclid(per_ms))
                        .map_err(|reason| Bad { reason, raw: value.to_string() })
                })
            }
            _ => self.bytes(0, null, |tail, length| {
                let text = &tail[..length];
                parse_at_ms(text).map_err(|reason| bad_text(reason, text))
            }),
        }
    }

    /// Returns a reader of operations. A null is a put.
    pub(super) fn ops(self, envelope: Envelope) -> Box<dyn Column<Op>> {
        self.bytes(Op::Put, Ok(Op::Put), move |tail, length| {
            let text = &tail[..length];
            parse_op(text, envelope).map_err(|reason| bad_text(reason, text))
        })
    }

    fn numbers<P, T, F>(
        self,
        blank: T,
        null: Result<T, Bad>,
        convert_all: Option<ConvertAll<P::T, T>>,
        convert: F,
    ) -> Box<dyn Column<T>>
    where
        P: DataType,
        T: Clone + Send + 'static,
        F: Fn(&P::T) -> Result<T, Bad> + Send + 'static,
    {
        let optional = self.column.max_def_level() > 0;
        let pages: Box<dyn PageReader> = Box::new(self.pages);
        Box::new(Converted::<P, T, F> {
            reader: ColumnReaderImpl::new(self.column, pages),
            shape: Shape { optional, blank, null },
            convert,
            convert_all,
            values: Vec::new(),
            levels: Vec::new(),
        })
    }

    fn integers<T, F>(self, blank: T, null: Result<T, Bad>, signed: bool, convert: F) -> Box<dyn Column<T>>
    where
        T: Clone + Send + 'static,
        F: Fn(i128) -> Result<T, Bad> + Send + 'static,
    {
        match self.column.physical_type() {
            PhysicalType::INT32 => self.numbers::<Int32Type, _, _>(blank, null, None, move |value| {
                convert(if signed { i128::from(*value) } else { i128::from(*value as u32) })
            }),
            _ => self.numbers::<Int64Type, _, _>(blank, null, None, move |value| {
                convert(if signed { i128::from(*value) } else { i128::from(*value as u64) })
            }),
        }
    }

    fn bytes<T, F>(self, blank: T, null: Result<T, Bad>, convert: F) -> Box<dyn Column<T>>
    where
        T: Clone + Send + 'static,
        F: Fn(&[u8], usize) -> Result<T, Bad> + Send + 'static,
    {
        let fixed = self.column.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY;
        if self.decoded_here {
            let length = self.column.type_length().unsigned_abs() as usize;
            return if fixed {
                self.fixed(blank, null, length, convert)
            } else {
                let optional = self.column.max_def_level() > 0;
                Box::new(ByteColumn::new(self.pages, Shape { optional, blank, null }, None, convert))
            };
        }
        if fixed {
            return self.numbers::<FixedLenByteArrayType, _, _>(
                blank,
                null,
                None,
                move |value: &FixedLenByteArray| convert(value.data(), value.len()),
            );
        }
        let convert = move |value: &ByteArray| convert(value.data(), value.len());
        self.numbers::<ByteArrayType, _, _>(blank, null, None, convert)
    }

    /// Returns a reader of values of `length` bytes each, in an encoding that is decoded here.
    fn fixed<T, F>(self, blank: T, null: Result<T, Bad>, length: usize, convert: F) -> Box<dyn Column<T>>
    where
        T: Clone + Send + 'static,
        F: Fn(&[u8], usize) -> Result<T, Bad> + Send + 'static,
    {
        let optional = self.column.max_def_level() > 0;
        Box::new(ByteColumn::new(self.pages, Shape { optional, blank, null }, Some(length), convert))
    }
}
