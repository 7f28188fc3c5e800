//! Tests the store as its callers see it.

mod catalog;
mod faults;
mod files;
mod histories;
mod logs;
mod model;
mod reads;
mod script;
mod sorted_files;
mod splits;
mod writes;
