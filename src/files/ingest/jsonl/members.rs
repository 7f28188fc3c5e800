//! Finds the members of an object that make an order, by their names or paths.
//!
//! A name is looked for among the object's own members as it stands. If it has dots, it is also a
//! path: `payload.after.user_id` is the member `user_id` of the member `after` of the member
//! `payload`. A member of that whole name counts more than the path. A dot after a backslash belongs
//! to the name: `a\.b.c` is the member `c` of the member `a.b`.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::row::{Cells, NumberText};
use crate::ingest::{ColumnNames, RowForm};
use orders::DecimalMark;
use orders::rules::{Cut, NO_MEMBER, Quoted, Role};

/// The names that a role has if none is given.
fn default_names(role: Role) -> &'static [&'static str] {
    match role {
        Role::UserId => &["user_id", "UserId"],
        Role::OrderId => &["order_id", "OrderId"],
        Role::Price => &["price"],
        Role::Timestamp => &["timestamp"],
        Role::Op => &["op"],
        Role::Quantity => &[],
    }
}

/// Where the members that make an order lie in an object: a tree of names.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The role of the member here under its whole name.
    role: Option<Role>,
    /// The role of the member here at the end of a path.
    role_by_path: Option<Role>,
    members: Vec<(String, Places)>,
}

impl Places {
    pub(super) fn new(names: &ColumnNames) -> Places {
        let mut places = Places::default();
        for role in Role::ALL {
            match names.given(role) {
                None => {
                    for name in default_names(role) {
                        places.member(name).role.get_or_insert(role);
                    }
                }
                Some(name) => {
                    if !name.contains("\\.") {
                        places.member(name).role.get_or_insert(role);
                    }
                    let path = path_of(name);
                    if path.len() > 1 || path[0] != name {
                        let end = path.iter().fold(&mut places, |place, name| place.member(name));
                        end.role_by_path.get_or_insert(role);
                    }
                }
            }
        }
        places
    }

    /// Returns the place of a member, which is made if it is new.
    fn member(&mut self, name: &str) -> &mut Places {
        let known = self.members.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            self.members.push((name.to_owned(), Places::default()));
            self.members.len() - 1
        });
        &mut self.members[at].1
    }

    fn find(&self, name: &str) -> Option<&Places> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, place)| place)
    }
}

/// Splits a name at its dots, except at those after a backslash.
fn path_of(name: &str) -> Vec<String> {
    let mut path = vec![String::new()];
    let mut rest = name;
    while let Some(at) = rest.find('.') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let last = path.last_mut().expect("the path is never empty");
        match before.strip_suffix('\\') {
            Some(before) => {
                last.push_str(before);
                last.push('.');
            }
            None => {
                last.push_str(before);
                path.push(String::new());
            }
        }
        rest = after;
    }
    path.last_mut().expect("the path is never empty").push_str(rest);
    path
}

/// The members of an object that make an order, as they are spelled, by role.
#[derive(Default)]
pub(super) struct Members<'a> {
    values: [Option<&'a RawValue>; Role::ALL.len()],
    by_path: [Option<&'a RawValue>; Role::ALL.len()],
    /// A role that two members have; `None` if there is none.
    twice: Option<Role>,
}

impl<'a> Members<'a> {
    /// Reads the members of the object that `json` spells.
    ///
    /// # Errors
    /// Returns the reason if it is no object, or if two of its members have the same role.
    pub(super) fn of(json: &'a [u8], places: &Places) -> Result<Members<'a>, String> {
        let mut members = Members::default();
        let mut reader = serde_json::Deserializer::from_slice(json);
        let read = MembersIn { places, members: &mut members }.deserialize(&mut reader);
        read.and_then(|()| reader.end()).map_err(|error| not_an_object(&error))?;
        match members.twice {
            Some(role) => Err(format!("more than one member {}", role.name())),
            None => Ok(members),
        }
    }

    /// Returns the roles of the members that there are, a bit each.
    pub(super) fn roles(&self) -> u8 {
        let there = Role::ALL.into_iter().filter(|role| self.get(*role).is_some());
        there.fold(0, |roles, role| roles | role.bit())
    }

    fn get(&self, role: Role) -> Option<&'a str> {
        self.values[role as usize].or(self.by_path[role as usize]).map(RawValue::get)
    }

    /// Returns the text of a member; nothing if it is missing or null.
    pub(super) fn text(&self, role: Role) -> Result<Cow<'a, [u8]>, String> {
        self.get(role).map_or(Ok(Cow::Borrowed(&b""[..])), |json| cell_text(role, json))
    }

    fn number(&self, role: Role, form: &RowForm) -> Result<NumberText<'a>, String> {
        let is_text = self.get(role).is_some_and(|json| json.starts_with('"'));
        let mark = if is_text { form.decimal_mark } else { DecimalMark::Point };
        Ok(NumberText { text: self.text(role)?, mark })
    }

    /// Returns the values of the row.
    ///
    /// # Errors
    /// Returns the reason if a value cannot be used.
    pub(super) fn cells(&self, form: &RowForm) -> Result<Cells<'a>, String> {
        let quantity = form.names.quantity.is_some();
        Ok(Cells {
            user_id: self.text(Role::UserId)?,
            order_id: self.text(Role::OrderId)?,
            price: self.number(Role::Price, form)?,
            timestamp: self.text(Role::Timestamp)?,
            op: self.text(Role::Op)?,
            quantity: if quantity { Some(self.number(Role::Quantity, form)?) } else { None },
        })
    }

    /// Checks that a row has all that it needs, besides a user, which is checked with its value.
    ///
    /// # Errors
    /// Returns the reason, which names the first member that is missing.
    pub(super) fn check(&self, form: &RowForm, deletes: bool) -> Result<(), String> {
        let needed = match deletes {
            true => &[Role::OrderId][..],
            false => &[Role::OrderId, Role::Price, Role::Quantity, Role::Timestamp],
        };
        let missing = needed.iter().find(|role| {
            self.get(**role).is_none()
                && form.requires(**role)
                && (**role != Role::OrderId || form.envelope.is_keyed())
        });
        match missing {
            Some(role) => Err(format!("{NO_MEMBER}{}", Quoted(form.names.wanted(*role).as_bytes()))),
            None => Ok(()),
        }
    }
}

/// Returns the reason for refusing a record that is not an object. A record of one line is known by
/// its own line, so only the column of the error is kept.
pub(super) fn not_an_object(error: &serde_json::Error) -> String {
    format!("not a JSON object: {}", error.to_string().replacen(" at line 1 column ", " at column ", 1))
}

/// Reads the members of an object, and of those in it that paths lead through.
struct MembersIn<'p, 'm, 'a> {
    places: &'p Places,
    members: &'m mut Members<'a>,
}

impl<'de> DeserializeSeed<'de> for MembersIn<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersIn<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(place) = object.next_key_seed(PlaceOf(self.places))? {
            let Some(place) = place else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &'de RawValue = object.next_value()?;
            let slots =
                [(place.role, &mut self.members.values), (place.role_by_path, &mut self.members.by_path)];
            for (role, slots) in slots {
                if let Some(role) = role
                    && slots[role as usize].replace(value).is_some()
                {
                    self.members.twice = Some(role);
                }
            }
            if !place.members.is_empty() && value.get().starts_with('{') {
                let mut inner = serde_json::Deserializer::from_str(value.get());
                let read = MembersIn { places: place, members: &mut *self.members }.deserialize(&mut inner);
                read.map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Finds the place of a member by its name.
struct PlaceOf<'p>(&'p Places);

impl<'de, 'p> DeserializeSeed<'de> for PlaceOf<'p> {
    type Value = Option<&'p Places>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<&'p Places>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for PlaceOf<'p> {
    type Value = Option<&'p Places>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<&'p Places>, E> {
        Ok(self.0.find(name))
    }
}

/// Returns the text that a value spells: the characters of a string, the digits of a number,
/// nothing for `null`.
///
/// An id or an operation is a string. Integers are accepted as ids too, because other programs
/// write them so.
fn cell_text(role: Role, json: &str) -> Result<Cow<'_, [u8]>, String> {
    let is_id = matches!(role, Role::UserId | Role::OrderId);
    match json.as_bytes() {
        b"null" => Ok(Cow::Borrowed(b"")),
        [b'"', inner @ .., b'"'] if memchr(b'\\', inner).is_none() => Ok(Cow::Borrowed(inner)),
        [b'"', ..] => match serde_json::from_str::<String>(json) {
            Ok(text) => Ok(Cow::Owned(text.into_bytes())),
            Err(_) => Err(format!("{} {} is not a valid string", role.name(), Cut(json.as_bytes()))),
        },
        [b'-', digits @ ..] | digits if is_id && digits.iter().all(u8::is_ascii_digit) => {
            Ok(Cow::Borrowed(json.as_bytes()))
        }
        _ if matches!(role, Role::Price | Role::Timestamp | Role::Quantity) => {
            Ok(Cow::Borrowed(json.as_bytes()))
        }
        _ => Err(format!("{} {} is not a string", role.name(), Cut(json.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_dots() {
        for (name, path) in [
            ("user_id", &["user_id"][..]),
            ("payload.after.user_id", &["payload", "after", "user_id"]),
            (r"a\.b.c", &["a.b", "c"]),
            (r"a.b\.c", &["a", "b.c"]),
            (r"a\.b", &["a.b"]),
            (r"a\b", &[r"a\b"]),
            (".", &["", ""]),
        ] {
            assert_eq!(path_of(name), path, "{name}");
        }
    }
}
