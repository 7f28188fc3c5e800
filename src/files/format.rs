//! Tells the format and compression of files of orders and results from their names.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The form of a file's records.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CSV as in RFC 4180: a header line, then one record a line. With tabs, it is also named TSV.
    #[default]
    Csv,
    /// JSON: one object a line, or a top-level array of objects.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// The way the bytes of a file are compressed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Compression {
    /// The bytes are not compressed.
    None,
    /// The file consists of one or more gzip members.
    Gzip,
    /// The file consists of one or more Zstandard frames.
    Zstd,
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Parquet];

    /// Returns the format's name, which is also the extension of the files that we write.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }

    /// Returns what stands between two fields of a CSV file with this name: a tab in a `.tsv` file,
    /// else a comma.
    pub fn delimiter_of_name(name: &str) -> u8 {
        let name = name.to_ascii_lowercase();
        let stem = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        if stem.ends_with(".tsv") { b'\t' } else { b',' }
    }

    /// Returns the format and the compression that a file's name tells by its extensions. The
    /// format is `None` if they tell none.
    ///
    /// `orders.csv.gz` gives `(Some(Csv), Gzip)`, `orders.gz` gives `(None, Gzip)`. Upper case
    /// counts as lower case. Parquet compresses inside, so `orders.parquet.gz` gives no format.
    pub fn of_name(name: &str) -> (Option<Format>, Compression) {
        let name = name.to_ascii_lowercase();
        let (stem, compression) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (name.as_str(), Compression::None)
        };
        let format = match (stem.rsplit_once('.').map(|(_, extension)| extension), compression) {
            (Some("csv" | "tsv"), _) => Some(Format::Csv),
            (Some("jsonl" | "ndjson" | "json"), _) => Some(Format::Jsonl),
            (Some("parquet" | "pq"), Compression::None) => Some(Format::Parquet),
            _ => None,
        };
        (format, compression)
    }
}
