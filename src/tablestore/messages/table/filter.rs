//! Filters: conditions on a row's columns, for reads and for writes.

use bytes::Bytes;
use prost::{Enumeration, Message};

/// Says which message a [`Filter`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum FilterType {
    /// It holds a [`SingleColumnValueFilter`].
    SingleColumnValue = 1,
    /// It holds a [`CompositeColumnValueFilter`].
    Composite = 2,
    /// It holds a [`ColumnPaginationFilter`].
    ColumnPagination = 3,
}

/// Says how a column's value must compare with the value of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ComparatorType {
    Equal = 1,
    NotEqual = 2,
    GreaterThan = 3,
    GreaterEqual = 4,
    LessThan = 5,
    LessEqual = 6,
}

/// Says how filters are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum LogicalOperator {
    /// The one filter does not hold.
    Not = 1,
    /// All filters hold.
    And = 2,
    /// At least one filter holds.
    Or = 3,
}

/// A condition on a row's columns.
#[derive(Clone, PartialEq, Message)]
pub struct Filter {
    #[prost(enumeration = "FilterType", required, tag = "1")]
    pub r#type: i32,
    /// The serialized message of that type.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub filter: Bytes,
}

/// Turns a part of a text into a value before it is compared. The server refuses every such rule.
#[derive(Clone, PartialEq, Message)]
pub struct ValueTransferRule {
    /// Chooses the part of the text.
    #[prost(string, required, tag = "1")]
    pub regex: String,
}

/// A condition on one column.
#[derive(Clone, PartialEq, Message)]
pub struct SingleColumnValueFilter {
    #[prost(enumeration = "ComparatorType", required, tag = "1")]
    pub comparator: i32,
    #[prost(string, required, tag = "2")]
    pub column_name: String,
    /// The value to compare with, as a bare value of `plain_buffer`.
    #[prost(bytes = "bytes", required, tag = "3")]
    pub column_value: Bytes,
    /// Whether a row without the column fails the condition.
    #[prost(bool, required, tag = "4")]
    pub filter_if_missing: bool,
    /// Whether only the newest version is compared; otherwise any version may pass.
    #[prost(bool, required, tag = "5")]
    pub latest_version_only: bool,
    #[prost(message, optional, tag = "6")]
    pub value_trans_rule: Option<ValueTransferRule>,
}

/// A condition that joins others.
#[derive(Clone, PartialEq, Message)]
pub struct CompositeColumnValueFilter {
    #[prost(enumeration = "LogicalOperator", required, tag = "1")]
    pub combinator: i32,
    #[prost(message, repeated, tag = "2")]
    pub sub_filters: Vec<Filter>,
}

/// Lets only some columns of each row pass.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ColumnPaginationFilter {
    /// The number of columns that are left out at the start.
    #[prost(int32, required, tag = "1")]
    pub offset: i32,
    /// The most columns that pass.
    #[prost(int32, required, tag = "2")]
    pub limit: i32,
}
