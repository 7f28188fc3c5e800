//! What files of orders and of results look like, told by their names.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the records of a file look like.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 4180: a header line, then one record a line.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// How the bytes of a file are stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
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
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Parquet];

    /// The format's name, which is also the extension of files that we write.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }

    /// What the extensions of a file name tell: its format, where they name one, and its compression.
    ///
    /// `orders.csv.gz` is `(Some(Csv), Gzip)`, `orders.gz` is `(None, Gzip)`. Upper case counts as lower.
    /// Parquet compresses within: `orders.parquet.gz` has no known format.
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
            (Some("csv"), _) => Some(Format::Csv),
            (Some("jsonl" | "ndjson" | "json"), _) => Some(Format::Jsonl),
            (Some("parquet" | "pq"), Compression::None) => Some(Format::Parquet),
            _ => None,
        };
        (format, compression)
    }
}
