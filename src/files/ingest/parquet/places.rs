//! Finds the columns of a file that make an order.

use parquet::file::metadata::ParquetMetaData;

use super::error::ParquetError;
use super::footer::Footer;
use super::kind::{Kind, kind_of};
use super::unpack::unknown_codec;
use crate::ingest::{ColumnNames, RowForm};
use orders::rules::Role;

/// The most column names that a message lists.
const NAMES_LISTED_MAX: usize = 20;

/// The place of the values of a role: the index of their leaf column, and how they are stored.
#[derive(Copy, Clone)]
pub(super) struct Place {
    pub(super) leaf: usize,
    pub(super) kind: Kind,
}

/// The places of the columns that make an order.
pub(super) struct Places {
    pub(super) user_id: Place,
    pub(super) order_id: Option<Place>,
    pub(super) price: Place,
    pub(super) timestamp: Place,
    pub(super) op: Option<Place>,
    pub(super) quantity: Option<Place>,
}

impl Places {
    pub(super) fn find(footer: &Footer, form: &RowForm) -> Result<Places, ParquetError> {
        let names = &form.names;
        let find = |role| {
            find_place(&footer.metadata, names, role)
                .map_err(|reason| ParquetError::Column { name: footer.name.clone(), reason })
        };
        let required = |role| {
            find(role)?.ok_or_else(|| ParquetError::Column {
                name: footer.name.clone(),
                reason: missing_column(&footer.metadata, names, role),
            })
        };
        let if_required = |role| if form.requires(role) { required(role).map(Some) } else { find(role) };
        let places = Places {
            user_id: required(Role::UserId)?,
            order_id: if_required(Role::OrderId)?,
            price: required(Role::Price)?,
            timestamp: required(Role::Timestamp)?,
            op: if_required(Role::Op)?,
            quantity: if_required(Role::Quantity)?,
        };
        places.check_codecs(footer)?;
        Ok(places)
    }

    /// Refuses a file in which one of the columns is packed with a codec that is not read.
    fn check_codecs(&self, footer: &Footer) -> Result<(), ParquetError> {
        let places = [
            Some(self.user_id),
            self.order_id,
            Some(self.price),
            Some(self.timestamp),
            self.op,
            self.quantity,
        ];
        for group in footer.metadata.row_groups() {
            for place in places.into_iter().flatten() {
                let column = group.column(place.leaf);
                if let Some(codec) = unknown_codec(column.compression()) {
                    let column = column.column_descr().name();
                    let reason = format!(
                        "column {column} is packed with {codec}, which is not read: write it with zstd, snappy, \
                         gzip or LZ4_RAW"
                    );
                    return Err(ParquetError::Column { name: footer.name.clone(), reason });
                }
            }
        }
        Ok(())
    }
}

/// Returns the place of the one column that has this role; `None` if there is none. Returns the
/// reason as an error if several have it, or if the column cannot be read.
fn find_place(metadata: &ParquetMetaData, names: &ColumnNames, role: Role) -> Result<Option<Place>, String> {
    let schema = metadata.file_metadata().schema_descr();
    let mut found = None;
    for field in schema.root_schema().get_fields() {
        let name = field.name();
        if !names.matches(role, name) {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(format!(
                "columns {first} and {name} are both the {}; choose with {}",
                role.name(),
                role.option()
            ));
        }
        let leaf = (0..schema.num_columns()).find(|leaf| {
            let path = schema.columns()[*leaf].path().parts();
            path.len() == 1 && path[0] == name
        });
        let leaf = leaf.filter(|leaf| {
            let column = schema.column(*leaf);
            column.max_rep_level() == 0 && column.max_def_level() <= 1
        });
        let leaf = leaf.ok_or_else(|| format!("column {name} is nested or repeated; it must be flat"))?;
        let kind = kind_of(role, &schema.column(leaf))
            .map_err(|what| format!("column {name} cannot be the {}: it is {what}", role.name()))?;
        found = Some((name.to_owned(), Place { leaf, kind }));
    }
    Ok(found.map(|(_, place)| place))
}

fn missing_column(metadata: &ParquetMetaData, names: &ColumnNames, role: Role) -> String {
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let mut listed: Vec<&str> = fields.iter().take(NAMES_LISTED_MAX).map(|field| field.name()).collect();
    if fields.len() > NAMES_LISTED_MAX {
        listed.push("…");
    }
    let listed = if listed.is_empty() { "no columns".to_owned() } else { listed.join(", ") };
    format!("there is no column {} in {listed}; name it with {}", names.wanted(role), role.option())
}
