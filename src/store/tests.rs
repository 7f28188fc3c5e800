//! Tests the store as its callers see it.

mod backup;
mod catalog;
mod faults;
mod files;
mod histories;
mod logs;
mod model;
mod open_files;
mod reads;
mod room;
mod script;
mod sorted_files;
mod splits;
mod writes;
