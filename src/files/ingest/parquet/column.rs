//! Reads one column of one row group, a batch of rows at a time, as parts of orders.
//!
//! Byte columns whose pages are plain or dictionary-encoded are decoded here, and each entry of a
//! dictionary is converted once. The crate's column reader counts references to the page with at
//! least two atomic operations for each value, and hides the indexes of a dictionary, so that every
//! value would be converted anew: a whole run over 10 million orders then takes 1.3 to 1.5 times as
//! long. All other columns, and all numbers, are read with the crate's column reader.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};

use super::hybrid::Hybrid;
use super::source::CheckedPages;

/// Why a value makes its row a bad one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// The whole reason, which names the column and the value.
    pub(super) reason: String,
    /// The value as JSON text.
    pub(super) raw: String,
}

/// A batch of one column. It holds a value for each row, and a blank one if the row's value is bad.
pub(super) struct Batch<T> {
    pub(super) values: Vec<T>,
    /// The bad values, by index in `values`, in order.
    pub(super) bad: Vec<(usize, Bad)>,
}

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { values: Vec::new(), bad: Vec::new() }
    }
}

impl<T> Batch<T> {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.bad.clear();
    }

    fn push(&mut self, value: std::result::Result<T, Bad>, blank: &T)
    where
        T: Clone,
    {
        match value {
            Ok(value) => self.values.push(value),
            Err(bad) => self.push_bad(bad, blank),
        }
    }

    #[cold]
    fn push_bad(&mut self, bad: Bad, blank: &T)
    where
        T: Clone,
    {
        self.bad.push((self.values.len(), bad));
        self.values.push(blank.clone());
    }

    /// Returns why the value of this row is bad; `None` if it is good.
    pub(super) fn bad_at(&self, row: usize) -> Option<&Bad> {
        self.bad.binary_search_by_key(&row, |(at, _)| *at).ok().map(|at| &self.bad[at].1)
    }

    /// Returns the value of this row as JSON text; `None` if the column is not read.
    pub(super) fn json_at(&self, row: usize, json: impl Fn(&T) -> String) -> Option<String> {
        let value = self.values.get(row)?;
        Some(self.bad_at(row).map_or_else(|| json(value), |bad| bad.raw.clone()))
    }
}

/// A column that yields values of type `T`.
pub(super) trait Column<T>: Send {
    /// Appends the values of the next `rows` rows to `batch`. Returns an error if the column ends
    /// earlier.
    fn read(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()>;
}

/// The properties that all values of a column share.
#[derive(Clone)]
pub(super) struct Shape<T> {
    /// Whether values may be null.
    pub(super) optional: bool,
    /// The value that stands in `Batch` for a bad one.
    pub(super) blank: T,
    /// The value that a null stands for, or why it is bad.
    pub(super) null: std::result::Result<T, Bad>,
}

/// A function that converts and appends all values. If it returns `false`, some of them may be bad,
/// and the caller takes back what was appended.
pub(super) type ConvertAll<V, T> = fn(&[V], &mut Vec<T>) -> bool;

/// A column that is read with the crate's reader. Its values are converted all at once if none may
/// be bad, else one by one.
pub(super) struct Converted<P: DataType, T, F> {
    pub(super) reader: ColumnReaderImpl<P>,
    pub(super) shape: Shape<T>,
    pub(super) convert: F,
    pub(super) convert_all: Option<ConvertAll<P::T, T>>,
    pub(super) values: Vec<P::T>,
    pub(super) levels: Vec<i16>,
}

impl<P, T, F> Column<T> for Converted<P, T, F>
where
    P: DataType,
    T: Clone + Send,
    F: Fn(&P::T) -> std::result::Result<T, Bad> + Send,
{
    fn read(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        self.values.clear();
        self.levels.clear();
        let levels = self.shape.optional.then_some(&mut self.levels);
        let (read, present, _) = self.reader.read_records(rows, levels, None, &mut self.values)?;
        if read != rows {
            return Err(ends_early());
        }
        let Shape { blank, null, .. } = &self.shape;
        batch.values.reserve(rows);
        if present == rows {
            let before = batch.values.len();
            if self.convert_all.is_some_and(|convert_all| convert_all(&self.values, &mut batch.values)) {
                return Ok(());
            }
            batch.values.truncate(before);
            for value in &self.values {
                batch.push((self.convert)(value), blank);
            }
            return Ok(());
        }
        let mut values = self.values.iter();
        for level in &self.levels {
            let value = if *level == 0 { None } else { values.next() };
            batch.push(value.map_or_else(|| null.clone(), &self.convert), blank);
        }
        Ok(())
    }
}

/// Returns whether [`ByteColumn`] can decode values of this encoding.
pub(super) fn is_decoded_here(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN | Encoding::RLE) || is_dictionary(encoding)
}

/// Returns whether values of this encoding are indexes into a dictionary.
pub(super) fn is_dictionary(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
}

/// A column of byte strings, plain or dictionary-encoded.
///
/// `convert` gets the bytes of the page from the start of the value on, and the value's length.
pub(super) struct ByteColumn<T, F> {
    pages: CheckedPages,
    shape: Shape<T>,
    /// The length of all values, if they have one length, which is then not written before each.
    fixed_length: Option<usize>,
    convert: F,
    dictionary: Vec<T>,
    /// The bad entries of the dictionary, by index.
    dictionary_bad: HashMap<u32, Bad>,
    /// The number of rows of the current page that are still to be read.
    left: usize,
    levels: Option<Hybrid>,
    values: Values,
    scratch: Vec<u32>,
}

enum Values {
    Plain { data: Bytes, at: usize },
    Indexes(Hybrid),
}

impl<T, F> ByteColumn<T, F>
where
    T: Clone + Send,
    F: Fn(&[u8], usize) -> std::result::Result<T, Bad> + Send,
{
    pub(super) fn new(
        pages: CheckedPages,
        shape: Shape<T>,
        fixed_length: Option<usize>,
        convert: F,
    ) -> ByteColumn<T, F> {
        ByteColumn {
            pages,
            shape,
            fixed_length,
            convert,
            dictionary: Vec::new(),
            dictionary_bad: HashMap::new(),
            left: 0,
            levels: None,
            values: Values::Plain { data: Bytes::new(), at: 0 },
            scratch: Vec::new(),
        }
    }

    fn next_page(&mut self) -> Result<()> {
        match self.pages.get_next_page()?.ok_or_else(ends_early)? {
            Page::DictionaryPage { buf, num_values, .. } => self.read_dictionary(&buf, num_values),
            Page::DataPage { buf, num_values, encoding, def_level_encoding, .. } => {
                let mut at = 0;
                self.levels = None;
                if self.shape.optional {
                    if def_level_encoding != Encoding::RLE {
                        return Err(unknown_encoding(def_level_encoding));
                    }
                    let length = length_at(&buf, 0).ok_or_else(|| damaged("its levels are cut"))?;
                    at = 4 + length;
                    self.levels = Hybrid::new(buf.slice(4..at), 1);
                }
                self.start_values(buf.slice(at..), num_values, encoding)
            }
            Page::DataPageV2 {
                buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, ..
            } => {
                let levels = rep_levels_byte_len as usize;
                let at = levels + def_levels_byte_len as usize;
                if at > buf.len() {
                    return Err(damaged("its levels are cut"));
                }
                let optional = self.shape.optional;
                self.levels = optional.then(|| Hybrid::new(buf.slice(levels..at), 1)).flatten();
                self.start_values(buf.slice(at..), num_values, encoding)
            }
        }
    }

    fn start_values(&mut self, data: Bytes, rows: u32, encoding: Encoding) -> Result<()> {
        self.left = rows as usize;
        self.values = match encoding {
            Encoding::PLAIN => Values::Plain { data, at: 0 },
            // A page that holds only nulls need not have the byte that gives the width.
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY if data.is_empty() => {
                Values::Plain { data, at: 0 }
            }
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => Values::Indexes(
                Hybrid::new(data.slice(1..), data[0]).ok_or_else(|| damaged("its indexes are too wide"))?,
            ),
            other => return Err(unknown_encoding(other)),
        };
        Ok(())
    }

    fn read_dictionary(&mut self, data: &[u8], entries: u32) -> Result<()> {
        self.dictionary.clear();
        self.dictionary_bad.clear();
        self.dictionary.reserve(entries as usize);
        let mut at = 0;
        for index in 0..entries {
            let (start, length) = plain_at(data, at, self.fixed_length)?;
            match (self.convert)(&data[start..], length) {
                Ok(value) => self.dictionary.push(value),
                Err(bad) => {
                    self.dictionary.push(self.shape.blank.clone());
                    self.dictionary_bad.insert(index, bad);
                }
            }
            at = start + length;
        }
        Ok(())
    }

    /// Appends the next `count` values that are not null.
    fn read_present(&mut self, count: usize, batch: &mut Batch<T>) -> Result<()> {
        let blank = &self.shape.blank;
        match &mut self.values {
            Values::Plain { data, at } => {
                for _ in 0..count {
                    let (start, length) = plain_at(data, *at, self.fixed_length)?;
                    batch.push((self.convert)(&data[start..], length), blank);
                    *at = start + length;
                }
            }
            Values::Indexes(indexes) => {
                self.scratch.resize(count, 0);
                indexes.read(&mut self.scratch).ok_or_else(|| damaged("its indexes are cut"))?;
                let greatest = self.scratch.iter().max().copied().unwrap_or(0);
                if count > 0 && greatest as usize >= self.dictionary.len() {
                    return Err(damaged("an index is outside its dictionary"));
                }
                let dictionary = &self.dictionary[..];
                batch.values.extend(self.scratch.iter().map(|index| dictionary[*index as usize].clone()));
                if !self.dictionary_bad.is_empty() {
                    let first = batch.values.len() - count;
                    for (at, index) in self.scratch.iter().enumerate() {
                        if let Some(bad) = self.dictionary_bad.get(index) {
                            batch.bad.push((first + at, bad.clone()));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the next `count` rows of the current page, some of which may be null.
    fn read_with_nulls(&mut self, count: usize, batch: &mut Batch<T>) -> Result<()> {
        let mut levels = vec![0; count];
        self.levels
            .as_mut()
            .and_then(|reader| reader.read(&mut levels))
            .ok_or_else(|| damaged("its levels are cut"))?;
        for run in levels.chunk_by(|a, b| a == b) {
            if run[0] == 1 {
                self.read_present(run.len(), batch)?;
            } else {
                for _ in run {
                    batch.push(self.shape.null.clone(), &self.shape.blank);
                }
            }
        }
        Ok(())
    }
}

impl<T, F> Column<T> for ByteColumn<T, F>
where
    T: Clone + Send,
    F: Fn(&[u8], usize) -> std::result::Result<T, Bad> + Send,
{
    fn read(&mut self, mut rows: usize, batch: &mut Batch<T>) -> Result<()> {
        batch.values.reserve(rows);
        while rows > 0 {
            if self.left == 0 {
                self.next_page()?;
                continue;
            }
            let count = rows.min(self.left);
            if self.levels.as_mut().is_none_or(|levels| levels.skip_repeated(1, count)) {
                self.read_present(count, batch)?;
            } else {
                self.read_with_nulls(count, batch)?;
            }
            self.left -= count;
            rows -= count;
        }
        Ok(())
    }
}

/// Returns where the plain value at `at` begins, and its length. Both are within `data`.
#[inline]
fn plain_at(data: &[u8], at: usize, fixed_length: Option<usize>) -> Result<(usize, usize)> {
    let value = match fixed_length {
        Some(length) => (data.len() - at >= length).then_some((at, length)),
        None => length_at(data, at).map(|length| (at + 4, length)),
    };
    value.ok_or_else(|| damaged("a value is cut"))
}

/// Returns the length in the four bytes at `at`; `None` if fewer bytes than that follow them.
#[inline]
fn length_at(data: &[u8], at: usize) -> Option<usize> {
    let (length, rest) = data.get(at..)?.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    (length <= rest.len()).then_some(length)
}

#[cold]
fn ends_early() -> ParquetError {
    ParquetError::EOF("it has fewer rows than its footer says".to_owned())
}

#[cold]
fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

#[cold]
fn unknown_encoding(encoding: Encoding) -> ParquetError {
    ParquetError::NYI(format!("the encoding {encoding} is not known here"))
}
