//! Tests of the store as its callers see it.

mod catalog;
mod histories;
mod model;
pub(crate) mod support;
