//! Tests of the store as its callers see it.

mod catalog;
mod faults;
mod files;
mod histories;
mod model;
mod script;
pub(crate) mod support;
