//! `orderflow tables`: lists the tables of the store.

use clap::Args;

use super::columns::columns;
use super::connection::ConnectionArgs;
use super::{Failure, say};
use order_tables::key_text;
use store::schema::TableInfo;

/// The flags of `tables`.
#[derive(Args, Clone, Debug)]
pub struct TablesArgs {
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Lists the tables with their keys, and for how many hours their changes are kept.
///
/// # Errors
/// Returns [`Failure`] if the connection fails.
pub fn tables(args: &TablesArgs) -> Result<(), Failure> {
    let found = args.connection.run(async |client| {
        let mut found = Vec::new();
        for name in client.list_tables().await? {
            match client.describe_table(&name).await {
                Ok(info) => found.push(info),
                // The table was deleted after it was listed.
                Err(error) if error.is_code("OTSObjectNotExist") => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    })?;
    if found.is_empty() {
        terminal::tell("no tables yet: `orderflow init` makes those of the orders");
        return Ok(());
    }
    say(&columns(&listing(&found)))
}

fn listing(tables: &[TableInfo]) -> Vec<Vec<String>> {
    let mut rows = vec![["table", "key", "stream"].map(str::to_owned).to_vec()];
    for TableInfo { schema, .. } in tables {
        let stream = schema.stream.as_ref().map_or("off".to_owned(), |stream| format!("{} h", stream.hours));
        rows.push(vec![schema.name.clone(), key_text(&schema.key), stream]);
    }
    rows
}
