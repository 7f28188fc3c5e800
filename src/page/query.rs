//! What a request asks for, after the question mark.

use std::fmt::Display;
use std::str::FromStr;

/// Parameters by name.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the question mark, of which `known` are taken.
    ///
    /// # Errors
    /// A sentence that names the first other one, or the first that comes twice.
    pub(super) fn read(text: Option<&str>, known: &[&str]) -> Result<Query, String> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let known = match known {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                };
                return Err(format!("unknown parameter {name:?}: there are {known}"));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(format!("parameter {name:?} comes twice"));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(found))
    }

    /// A parameter as it came.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// A number.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String>
    where
        T::Err: Display,
    {
        let number = |text: &str| {
            text.parse().map_err(|error| format!("{name}={text:?} must be a whole number: {error}"))
        };
        self.text(name).map(number).transpose()
    }

    /// A number of rows.
    ///
    /// # Errors
    /// A sentence, if it is none, or more than there may be.
    pub(super) fn rows(&self, name: &str, usual: usize, most: usize) -> Result<usize, String> {
        match self.number(name)? {
            Some(rows) if rows > most => Err(format!("{name}={rows} must be at most {most}")),
            rows => Ok(rows.unwrap_or(usual)),
        }
    }
}
