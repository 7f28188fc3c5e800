//! Orders from Parquet files: some row groups of a file, a batch of rows at a time.
//!
//! A column may be stored in any way that is clear: ids as text or integers; prices as doubles
//! (their shortest decimal), floats, integers, decimals or text; times as integers of epoch
//! milliseconds, as `TIMESTAMP` of any unit (rounded down to milliseconds) or as text. Columns are
//! flat; nulls set their row aside.
//!
//! With [`Envelope::Append`] an order's own id takes part in no result. Its column is therefore not
//! read in row groups whose footer says that no id is null or empty; that it is short and UTF-8 is
//! not checked there.
//!
//! The bytes may be anybody's. Headers are checked before they are believed (`source`), and a panic
//! of the decoder on a page that makes no sense is caught here and is an error like any other.

mod column;
mod hybrid;
mod kind;
mod source;

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use dataflows::{Amount, Epoch, Id, Order, OrderKey, OrderState, Upsert};
use parquet::errors::ParquetError as DecodeError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::ChunkReader;

use self::column::{Batch, Column, is_decoded_here, is_dictionary};
use self::kind::{Kind, Opened, json_string, kind_of};
use self::source::Source;
use super::row::{Op, Role};
use super::{Block, ColumnNames, Envelope, ParserContext};

/// Rows of one block. Their columns and orders stay within a core's own cache.
const BATCH_ROWS: usize = 2048;

/// The mark at both ends of a Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";

/// The mark of a file whose footer is encrypted.
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";

/// The most bytes of a footer.
const FOOTER_BYTES_MAX: u32 = 256 << 20;

/// Column names that a message lists.
const NAMES_LISTED_MAX: usize = 20;

/// Why a Parquet file cannot be read. Messages are whole sentences that name the file.
#[derive(Debug)]
pub enum ParquetError {
    /// The operating system refused.
    Io {
        /// The path as given.
        name: String,
        /// What it said.
        cause: io::Error,
    },
    /// There is no footer, or it makes no sense.
    NotParquet {
        /// The path as given.
        name: String,
        /// What was found instead.
        reason: String,
    },
    /// A column of an order is not there, or orders cannot be made of it.
    Column {
        /// The path as given.
        name: String,
        /// The whole rest of the sentence.
        reason: String,
    },
    /// The footer is fine and a row group is not.
    Damaged {
        /// The path as given.
        name: String,
        /// Which row group, from 0.
        row_group: usize,
        /// What was found.
        reason: String,
    },
}

impl fmt::Display for ParquetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParquetError::Io { name, cause } => write!(f, "{name}: cannot be read: {cause}"),
            ParquetError::NotParquet { name, reason } => {
                write!(f, "{name} is not a Parquet file or was cut short: {reason}")
            }
            ParquetError::Column { name, reason } => write!(f, "{name}: {reason}"),
            ParquetError::Damaged { name, row_group, reason } => {
                write!(f, "{name} is damaged: row group {row_group} cannot be read: {reason}")
            }
        }
    }
}

impl std::error::Error for ParquetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ParquetError::Io { cause, .. } => cause.source(),
            _ => None,
        }
    }
}

/// How many rows each row group of a file has, by its footer.
///
/// # Errors
/// [`ParquetError::Io`] and [`ParquetError::NotParquet`].
pub fn row_groups(path: &Path) -> Result<Vec<u64>, ParquetError> {
    Ok(Footer::read(path)?.rows)
}

/// The table of contents of a file.
struct Footer {
    name: String,
    source: Source,
    metadata: ParquetMetaData,
    /// Rows of each row group.
    rows: Vec<u64>,
}

impl Footer {
    fn read(path: &Path) -> Result<Footer, ParquetError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|cause| ParquetError::Io { name: name.clone(), cause })?;
        Footer::of(file, name)
    }

    fn of(file: File, name: String) -> Result<Footer, ParquetError> {
        let not_parquet = |reason| ParquetError::NotParquet { name: name.clone(), reason };
        let source = Source::new(Arc::new(file));
        let source = source.map_err(|cause| ParquetError::Io { name: name.clone(), cause })?;
        check_marks(&source).map_err(not_parquet)?;
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

/// Says in a person's words what the footer's decoder would say in its own.
fn check_marks(source: &Source) -> Result<(), String> {
    use parquet::file::reader::Length;
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
    Ok(())
}

/// What the decoder gives, its errors and panics as text.
fn guarded<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, String> {
    thread_local! {
        static GUARDED: Cell<bool> = const { Cell::new(false) };
    }
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A panic that is caught below is told as an error; only others are news.
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

/// Where a role's values are: which leaf column, and how they are stored.
#[derive(Copy, Clone)]
struct Place {
    leaf: usize,
    kind: Kind,
}

/// The places of the columns of an order.
struct Places {
    user_id: Place,
    order_id: Place,
    price: Place,
    timestamp: Place,
    op: Option<Place>,
}

impl Places {
    fn find(footer: &Footer, names: &ColumnNames) -> Result<Places, ParquetError> {
        let find = |role| {
            find_place(&footer.metadata, names, role)
                .map_err(|reason| ParquetError::Column { name: footer.name.clone(), reason })
        };
        let required = |role| {
            find(role)?.ok_or_else(|| ParquetError::Column {
                name: footer.name.clone(),
                reason: missing_column(&footer.metadata, names, role),
            })
        };
        Ok(Places {
            user_id: required(Role::UserId)?,
            order_id: required(Role::OrderId)?,
            price: required(Role::Price)?,
            timestamp: required(Role::Timestamp)?,
            op: if names.requires(Role::Op) { Some(required(Role::Op)?) } else { find(Role::Op)? },
        })
    }
}

/// The place of the one column that has this role, if there is one.
fn find_place(metadata: &ParquetMetaData, names: &ColumnNames, role: Role) -> Result<Option<Place>, String> {
    let schema = metadata.file_metadata().schema_descr();
    let mut found = None;
    for field in schema.root_schema().get_fields() {
        let name = field.name();
        if !names.matches(role, name) {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(format!(
                "columns {first} and {name} are both the {}; choose with {}",
                role.name(),
                role.option()
            ));
        }
        let leaf = (0..schema.num_columns()).find(|leaf| {
            let path = schema.columns()[*leaf].path().parts();
            path.len() == 1 && path[0] == name
        });
        let leaf = leaf.filter(|leaf| {
            let column = schema.column(*leaf);
            column.max_rep_level() == 0 && column.max_def_level() <= 1
        });
        let leaf = leaf.ok_or_else(|| format!("column {name} is nested or repeated; it must be flat"))?;
        let kind = kind_of(role, &schema.column(leaf))
            .map_err(|what| format!("column {name} cannot be the {}: it is {what}", role.name()))?;
        found = Some((name.to_owned(), Place { leaf, kind }));
    }
    Ok(found.map(|(_, place)| place))
}

fn missing_column(metadata: &ParquetMetaData, names: &ColumnNames, role: Role) -> String {
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let mut listed: Vec<&str> = fields.iter().take(NAMES_LISTED_MAX).map(|field| field.name()).collect();
    if fields.len() > NAMES_LISTED_MAX {
        listed.push("…");
    }
    let listed = if listed.is_empty() { "no columns".to_owned() } else { listed.join(", ") };
    format!("there is no column {} in {listed}; name it with {}", names.wanted(role), role.option())
}

/// Reads some row groups of one file.
pub struct ParquetReader {
    footer: Footer,
    places: Places,
    context: ParserContext,
    /// Row groups that are still to be started.
    row_groups: Range<usize>,
    group: Option<Group>,
    /// The next row, counted from the start of the file.
    row: u64,
    /// The row of the file at which this part starts.
    first_row: u64,
    rows: Rows,
}

/// A row group that is being read.
struct Group {
    ordinal: usize,
    rows: u64,
    rows_left: u64,
    /// Its size in the file, as it is shared out among its rows.
    bytes: u64,
    columns: Columns,
}

/// The columns of a row group; `order_ids` where they are looked at, `ops` where there are any.
struct Columns {
    user_ids: Box<dyn Column<Id>>,
    order_ids: Option<Box<dyn Column<Id>>>,
    prices: Box<dyn Column<Amount>>,
    times_ms: Box<dyn Column<i64>>,
    ops: Option<Box<dyn Column<Op>>>,
}

/// A batch of rows, column by column. `order_ids` and `ops` are empty where they are not read.
#[derive(Default)]
struct Rows {
    user_ids: Batch<Id>,
    order_ids: Batch<Id>,
    prices: Batch<Amount>,
    times_ms: Batch<i64>,
    ops: Batch<Op>,
}

impl ParquetReader {
    /// A reader of these row groups of the file at `path`.
    ///
    /// A row's position is its number in the file, and a reject's line is counted from the first
    /// row of `row_groups`; its raw text is the row as JSON.
    ///
    /// # Errors
    /// [`ParquetError`], of which [`ParquetError::Damaged`] only later.
    ///
    /// Panics if the file has fewer row groups.
    pub fn open(
        path: &Path,
        names: &ColumnNames,
        context: ParserContext,
        row_groups: Range<usize>,
    ) -> Result<ParquetReader, ParquetError> {
        ParquetReader::of(Footer::read(path)?, names, context, row_groups)
    }

    fn of(
        footer: Footer,
        names: &ColumnNames,
        context: ParserContext,
        row_groups: Range<usize>,
    ) -> Result<ParquetReader, ParquetError> {
        let places = Places::find(&footer, names)?;
        let first_row = footer.rows[..row_groups.start].iter().sum();
        assert!(row_groups.end <= footer.rows.len(), "the file has so many row groups");
        let rows = Rows::default();
        Ok(ParquetReader {
            footer,
            places,
            context,
            row_groups,
            group: None,
            row: first_row,
            first_row,
            rows,
        })
    }

    /// Appends the next block of rows; `false`, having appended nothing, at the end.
    ///
    /// # Errors
    /// [`ParquetError::Damaged`]; the reader is then at its end.
    pub fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, ParquetError> {
        while self.group.as_ref().is_none_or(|group| group.rows_left == 0) {
            let Some(ordinal) = self.row_groups.next() else { return Ok(false) };
            let group = guarded(|| self.start_group(ordinal));
            self.group = Some(group.map_err(|reason| self.damaged(ordinal, reason))?);
        }
        let Some(group) = &mut self.group else { return Ok(false) };
        let count = group.rows_left.min(BATCH_ROWS as u64);
        let ordinal = group.ordinal;
        let rows = &mut self.rows;
        guarded(|| rows.read(&mut group.columns, count as usize))
            .map_err(|reason| self.damaged(ordinal, reason))?;
        let Some(group) = &mut self.group else { return Ok(false) };
        let share = |rows_left: u64| {
            u128::from(group.bytes) * u128::from(group.rows - rows_left) / u128::from(group.rows)
        };
        block.bytes += (share(group.rows_left - count) - share(group.rows_left)) as u64;
        block.lines += count;
        group.rows_left -= count;
        self.push_rows(count as usize, epoch, block);
        self.row += count;
        Ok(true)
    }

    fn damaged(&mut self, row_group: usize, reason: String) -> ParquetError {
        self.group = None;
        self.row_groups = 0..0;
        ParquetError::Damaged { name: self.footer.name.clone(), row_group, reason }
    }

    fn start_group(&self, ordinal: usize) -> Result<Group, DecodeError> {
        let metadata = self.footer.metadata.row_group(ordinal);
        let rows = self.footer.rows[ordinal];
        let open = |place: Place| {
            let chunk = metadata.column(place.leaf);
            Ok::<_, DecodeError>(Opened {
                column: chunk.column_descr_ptr(),
                kind: place.kind,
                pages: self.footer.source.pages(chunk, usize::try_from(rows)?)?,
                decoded_here: chunk.encodings().all(is_decoded_here),
                dictionary: chunk.encodings().any(is_dictionary),
            })
        };
        let places = &self.places;
        let order_ids_matter =
            self.context.envelope == Envelope::Upsert || !are_present(metadata, places.order_id.leaf);
        let columns = Columns {
            user_ids: open(places.user_id)?.ids(Role::UserId),
            order_ids: match order_ids_matter {
                true => Some(open(places.order_id)?.ids(Role::OrderId)),
                false => None,
            },
            prices: open(places.price)?.prices(),
            times_ms: open(places.timestamp)?.times_ms(),
            ops: places
                .op
                .map(|place| Ok::<_, DecodeError>(open(place)?.ops(self.context.envelope)))
                .transpose()?,
        };
        let bytes = u64::try_from(metadata.compressed_size()).unwrap_or(0);
        Ok(Group { ordinal, rows, rows_left: rows, bytes, columns })
    }

    fn push_rows(&mut self, count: usize, epoch: Epoch, block: &mut Block) {
        let rows = &mut self.rows;
        if self.context.envelope == Envelope::Upsert || rows.any_bad() {
            for at in 0..count {
                self.push_row(at, epoch, block);
            }
            return;
        }
        let orders = rows.user_ids.values.drain(..).zip(&rows.times_ms.values).zip(&rows.prices.values);
        block
            .orders
            .extend(orders.map(|((user_id, &at_ms), &price)| (Order { user_id, at_ms, price }, epoch, 1)));
    }

    fn push_row(&self, at: usize, epoch: Epoch, block: &mut Block) {
        let rows = &self.rows;
        let offset = self.row + at as u64;
        if let Some(reason) = rows.reason_at(at) {
            let raw = rows.json_at(at, &self.footer.metadata, &self.places);
            self.context.push_reject(block, offset - self.first_row, reason, raw.as_bytes());
            return;
        }
        let user_id = rows.user_ids.values[at].clone();
        let order = Order { user_id, at_ms: rows.times_ms.values[at], price: rows.prices.values[at] };
        if self.context.envelope == Envelope::Append {
            block.orders.push((order, epoch, 1));
            return;
        }
        let key = OrderKey { user_id: order.user_id.clone(), order_id: rows.order_ids.values[at].clone() };
        let after = OrderState { at_ms: order.at_ms, price: order.price };
        let after = (rows.op_at(at) == Op::Put).then_some(after);
        block.upserts.push(Upsert { key, position: self.context.position(offset), after, epoch });
    }
}

impl Rows {
    /// Replaces the batch by the next `count` rows of these columns.
    fn read(&mut self, columns: &mut Columns, count: usize) -> Result<(), DecodeError> {
        self.user_ids.clear();
        self.order_ids.clear();
        self.prices.clear();
        self.times_ms.clear();
        self.ops.clear();
        columns.user_ids.read(count, &mut self.user_ids)?;
        if let Some(order_ids) = &mut columns.order_ids {
            order_ids.read(count, &mut self.order_ids)?;
        }
        columns.prices.read(count, &mut self.prices)?;
        columns.times_ms.read(count, &mut self.times_ms)?;
        if let Some(ops) = &mut columns.ops {
            ops.read(count, &mut self.ops)?;
        }
        Ok(())
    }

    fn any_bad(&self) -> bool {
        !(self.user_ids.bad.is_empty()
            && self.order_ids.bad.is_empty()
            && self.prices.bad.is_empty()
            && self.times_ms.bad.is_empty()
            && self.ops.bad.is_empty())
    }

    fn op_at(&self, at: usize) -> Op {
        self.ops.values.get(at).copied().unwrap_or(Op::Put)
    }

    /// Why the row is set aside, if it is. A row that deletes needs no price and no time.
    fn reason_at(&self, at: usize) -> Option<String> {
        let put = self.op_at(at) == Op::Put;
        let bad =
            self.ops.bad_at(at).or_else(|| self.user_ids.bad_at(at)).or_else(|| self.order_ids.bad_at(at));
        let bad = bad.or_else(|| self.prices.bad_at(at).filter(|_| put));
        let bad = bad.or_else(|| self.times_ms.bad_at(at).filter(|_| put));
        bad.map(|bad| bad.reason.clone())
    }

    /// The row as JSON text, by the names of the file's own columns, of the columns that were read.
    fn json_at(&self, at: usize, metadata: &ParquetMetaData, places: &Places) -> String {
        let schema = metadata.file_metadata().schema_descr();
        let mut members = Vec::new();
        let mut member = |place: Place, value: Option<String>| {
            if let Some(value) = value {
                members.push(format!("{}:{value}", json_string(schema.columns()[place.leaf].name())));
            }
        };
        member(places.user_id, self.user_ids.json_at(at, |id| json_string(&id.to_string())));
        member(places.order_id, self.order_ids.json_at(at, |id| json_string(&id.to_string())));
        member(places.price, self.prices.json_at(at, Amount::to_string));
        member(places.timestamp, self.times_ms.json_at(at, i64::to_string));
        if let Some(place) = places.op {
            let word = |op: &Op| if *op == Op::Put { "\"put\"" } else { "\"delete\"" };
            member(place, self.ops.json_at(at, |op| word(op).to_owned()));
        }
        format!("{{{}}}", members.join(","))
    }
}

/// Whether the footer says that no value of a column is null or empty.
fn are_present(metadata: &RowGroupMetaData, leaf: usize) -> bool {
    let chunk = metadata.column(leaf);
    let statistics = chunk.statistics();
    let optional = chunk.column_descr().max_def_level() > 0;
    let text = chunk.column_type() == parquet::basic::Type::BYTE_ARRAY;
    let no_null = !optional || statistics.is_some_and(|known| known.null_count_opt() == Some(0));
    // A least value may be cut, which never makes an empty text of one that is not.
    let least = statistics.and_then(|known| known.min_bytes_opt());
    no_null && (!text || least.is_some_and(|least| !least.is_empty()))
}

#[cfg(test)]
mod tests;
