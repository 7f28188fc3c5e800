//! Reads the query of a request, which follows the question mark.

use std::fmt::Display;
use std::str::FromStr;

/// The parameters of a query, by name.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query with the parameters that `known` names.
    ///
    /// # Errors
    /// Returns a sentence that names the first unknown parameter, or the first that comes twice.
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

    /// Returns a parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// Returns a parameter as a number.
    ///
    /// # Errors
    /// Returns a sentence if the parameter is not a number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String>
    where
        T::Err: Display,
    {
        let number = |text: &str| {
            text.parse().map_err(|error| format!("{name}={text:?} must be a whole number: {error}"))
        };
        self.text(name).map(number).transpose()
    }

    /// Returns a parameter as a number of rows; `usual` if it is absent.
    ///
    /// # Errors
    /// Returns a sentence if the parameter is not a number, or is above `most`.
    pub(super) fn rows(&self, name: &str, usual: usize, most: usize) -> Result<usize, String> {
        match self.number(name)? {
            Some(rows) if rows > most => Err(format!("{name}={rows} must be at most {most}")),
            rows => Ok(rows.unwrap_or(usual)),
        }
    }
}
