//! Says how each column of an order is stored, and builds the reader of its values.

use std::sync::Arc;

use dataflows::{Amount, Id};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96Type,
};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::column::{Bad, ByteColumn, Column, ConvertAll, Converted, Shape};
use super::source::CheckedPages;
use super::values::{
    bad_number, bad_text, id_of, id_of_null, id_of_uuid, missing, number_of_double, number_of_float,
    number_of_integer, number_of_wide_integer, numbers_of_doubles, scaled_text, times_of_doubles,
    times_of_integers, wide_integer,
};
use crate::ingest::row::{Op, parse_op};
use crate::ingest::{Envelope, RowForm};
use orders::rules::{Quoted, Role, check_at_ms};

const DAY_MS: i64 = 86_400_000;

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
    /// Sixteen bytes that are printed in groups of hexadecimal digits.
    Uuid,
    /// An integer that counts time in units, of which `per_ms` make a millisecond. It is the time of
    /// a clock in the inputs' zone if it is `local`.
    Time {
        per_ms: i64,
        local: bool,
    },
    /// An integer that counts days, each of which begins at midnight in the inputs' zone.
    Date,
    /// The nanosecond of a day, and the number of the day.
    Int96,
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
        (Role::UserId | Role::OrderId, PhysicalType::FIXED_LEN_BYTE_ARRAY) if !annotated => Ok(Kind::Text),
        (Role::UserId | Role::OrderId, PhysicalType::FIXED_LEN_BYTE_ARRAY)
            if matches!(logical, Some(LogicalType::Uuid)) =>
        {
            Ok(Kind::Uuid)
        }
        (Role::UserId | Role::OrderId, PhysicalType::INT32 | PhysicalType::INT64) if !annotated => {
            Ok(Kind::Integer { signed, scale: 0 })
        }
        (Role::Price | Role::Quantity, PhysicalType::FLOAT) => Ok(Kind::Float),
        (Role::Timestamp, PhysicalType::INT64 | PhysicalType::INT32) if annotated && !decimal => {
            time_kind(column).ok_or_else(|| described(column))
        }
        (Role::Timestamp, PhysicalType::INT96) => Ok(Kind::Int96),
        (Role::Price | Role::Quantity | Role::Timestamp, physical) => match physical {
            PhysicalType::DOUBLE => Ok(Kind::Double),
            PhysicalType::INT32 | PhysicalType::INT64 if decimal || !annotated => {
                Ok(Kind::Integer { signed, scale })
            }
            PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY if decimal => {
                Ok(Kind::WideInteger { scale })
            }
            _ => Err(described(column)),
        },
        _ => Err(described(column)),
    }
}

/// Returns how a column is stored that has a type of times; `None` if it has none.
fn time_kind(column: &ColumnDescriptor) -> Option<Kind> {
    // The old types of times are all adjusted to UTC.
    let utc = |per_ms| Some(Kind::Time { per_ms, local: false });
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (PhysicalType::INT64, Some(LogicalType::Timestamp(time)), _) => Some(Kind::Time {
            per_ms: match time.unit {
                TimeUnit::MILLIS => 1,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1_000_000,
            },
            local: !time.is_adjusted_to_u_t_c,
        }),
        (PhysicalType::INT64, None, ConvertedType::TIMESTAMP_MILLIS) => utc(1),
        (PhysicalType::INT64, None, ConvertedType::TIMESTAMP_MICROS) => utc(1_000),
        (PhysicalType::INT32, Some(LogicalType::Date), _)
        | (PhysicalType::INT32, None, ConvertedType::DATE) => Some(Kind::Date),
        _ => None,
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
    pub(super) fn ids(self, role: Role, form: &Arc<RowForm>) -> Box<dyn Column<Id>> {
        let null = id_of_null(role, form);
        let blank = Id::new("");
        match self.kind {
            Kind::Integer { signed, .. } => {
                self.integers(blank, null, signed, |value| Ok(Id::new(&value.to_string())))
            }
            Kind::Uuid => self.bytes(blank, null, |tail, length| Ok(id_of_uuid(&tail[..length]))),
            _ => {
                let form = Arc::clone(form);
                self.bytes(blank, null, move |tail, length| id_of(role, tail, length, &form))
            }
        }
    }

    /// Returns a reader that only checks ids of orders, which are bytes. It gives a blank one for
    /// each that is good.
    pub(super) fn checked_order_ids(self, form: &Arc<RowForm>) -> Box<dyn Column<Id>> {
        let (form, null, blank) = (Arc::clone(form), id_of_null(Role::OrderId, form), Id::new(""));
        self.bytes(blank.clone(), null, move |tail, length| {
            let text = &tail[..length];
            form.order_id(text).map(|_| blank.clone()).map_err(|reason| bad_text(reason, text))
        })
    }

    /// Returns a reader of prices, or of quantities.
    pub(super) fn numbers_of(self, role: Role, form: &RowForm) -> Box<dyn Column<Amount>> {
        let null = Err(missing(role));
        let blank = Amount::ZERO;
        match self.kind {
            Kind::Double if self.decoded_here && self.dictionary => {
                self.fixed(blank, null, size_of::<f64>(), move |tail, _| {
                    let bytes = tail.first_chunk().copied().unwrap_or_default();
                    number_of_double(role, f64::from_le_bytes(bytes))
                })
            }
            Kind::Double => {
                self.numbers::<DoubleType, _, _>(blank, null, Some(numbers_of_doubles), move |value| {
                    number_of_double(role, *value)
                })
            }
            Kind::Float => {
                self.numbers::<FloatType, _, _>(blank, null, None, move |value| number_of_float(role, *value))
            }
            Kind::Integer { signed, scale } => {
                self.integers(blank, null, signed, move |value| number_of_integer(role, value, scale))
            }
            Kind::WideInteger { scale } => self
                .bytes(blank, null, move |tail, length| number_of_wide_integer(role, &tail[..length], scale)),
            _ => {
                let mark = form.decimal_mark;
                self.bytes(blank, null, move |tail, length| {
                    let text = &tail[..length];
                    mark.parse(role, text).map_err(|reason| bad_text(reason, text))
                })
            }
        }
    }

    /// Returns a reader of event times, in epoch milliseconds.
    pub(super) fn times_ms(self, form: &Arc<RowForm>) -> Box<dyn Column<i64>> {
        let null = Err(missing(Role::Timestamp));
        let bad_integer = |value: &i64| {
            let raw = value.to_string();
            move |reason| Bad { reason, raw }
        };
        let unit_is_ms = form.time.unit() == orders::TimeUnit::Milliseconds;
        let form = Arc::clone(form);
        let all_integers: ConvertAll<i64, i64> = times_of_integers;
        match self.kind {
            Kind::Time { per_ms, local: false } => {
                let convert_all = (per_ms == 1).then_some(all_integers);
                self.numbers::<Int64Type, _, _>(0, null, convert_all, move |value| {
                    check_at_ms(value.div_euclid(per_ms)).map_err(bad_integer(value))
                })
            }
            Kind::Time { per_ms, local: true } => {
                self.numbers::<Int64Type, _, _>(0, null, None, move |value| {
                    check_at_ms(form.time.local_ms(value.div_euclid(per_ms))).map_err(bad_integer(value))
                })
            }
            Kind::Date => self.numbers::<Int32Type, _, _>(0, null, None, move |value| {
                let value = i64::from(*value);
                check_at_ms(form.time.local_ms(value * DAY_MS)).map_err(bad_integer(&value))
            }),
            Kind::Int96 => self.numbers::<Int96Type, _, _>(0, null, None, move |value| {
                check_at_ms(value.to_millis()).map_err(bad_integer(&value.to_millis()))
            }),
            Kind::Integer { signed: true, scale: 0 }
                if self.column.physical_type() == PhysicalType::INT64 =>
            {
                let convert_all = unit_is_ms.then_some(all_integers);
                self.numbers::<Int64Type, _, _>(0, null, convert_all, move |value| {
                    form.time.of_integer(*value).map_err(bad_integer(value))
                })
            }
            Kind::Integer { signed, scale } => self.integers(0, null, signed, move |value| {
                let raw = || scaled_text(value, scale);
                form.time.of_scaled(value, scale).map_err(|reason| Bad { reason, raw: raw() })
            }),
            Kind::WideInteger { scale } => self.bytes(0, null, move |tail, length| {
                let bytes = &tail[..length];
                let time = match wide_integer(bytes) {
                    Some(value) => form.time.of_scaled(value, scale),
                    None => Err(format!("timestamp {} is no number of a time", Quoted(bytes))),
                };
                time.map_err(|reason| bad_text(reason, bytes))
            }),
            Kind::Double => {
                let convert_all = unit_is_ms.then_some(times_of_doubles as ConvertAll<f64, i64>);
                self.numbers::<DoubleType, _, _>(0, null, convert_all, move |value| {
                    form.time.of_double(*value).map_err(|reason| bad_number(reason, *value))
                })
            }
            _ => self.bytes(0, null, move |tail, length| {
                let text = &tail[..length];
                form.time.parse(text).map_err(|reason| bad_text(reason, text))
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
