//! `orderflow clean`: deletes what `orderflow init` made.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use super::connection::ConnectionArgs;
use super::{Failure, say};
use order_tables::{ORDER_SOURCE, ORDER_TUNNEL, schemas};
use tablestore::client::{Client, ClientError};

/// The flags of `clean`.
#[derive(Args, Clone, Debug)]
pub struct CleanArgs {
    /// Delete without asking
    #[arg(long, env = "ORDERFLOW_YES")]
    pub yes: bool,
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Deletes the tunnel and the tables with all their rows. What does not exist is passed over.
///
/// # Errors
/// Returns [`Failure`] with exit code 1 if the user says no, 2 if there is no terminal to ask on,
/// else the code of the connection's error.
pub fn clean(args: &CleanArgs) -> Result<(), Failure> {
    if !args.yes && !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            2,
            "there is no terminal to ask on: say --yes to delete without being asked",
        ));
    }
    args.connection.run(async |client| {
        let listed = client.list_tables().await?;
        let tables: Vec<String> =
            schemas().into_iter().map(|schema| schema.name).filter(|name| listed.contains(name)).collect();
        let has_tunnel = tables.iter().any(|table| table == ORDER_SOURCE)
            && client
                .list_tunnels(Some(ORDER_SOURCE))
                .await?
                .iter()
                .any(|tunnel| tunnel.tunnel_name.as_deref() == Some(ORDER_TUNNEL));
        if tables.is_empty() {
            return say("nothing to delete\n");
        }
        if !args.yes && !agrees(&client, &tables, has_tunnel)? {
            return Err(Failure::new(1, "nothing was deleted"));
        }
        if has_tunnel {
            gone(client.delete_tunnel(ORDER_SOURCE, ORDER_TUNNEL).await)?;
            say(&format!("tunnel  {ORDER_TUNNEL:<18} deleted\n"))?;
        }
        for table in &tables {
            gone(client.delete_table(table).await)?;
            say(&format!("table   {table:<18} deleted\n"))?;
        }
        Ok(())
    })
}

/// Asks on the terminal whether to delete. Returns true if the answer is `yes`.
fn agrees(client: &Client, tables: &[String], has_tunnel: bool) -> Result<bool, Failure> {
    let tunnel = if has_tunnel { format!("the tunnel {ORDER_TUNNEL} and ") } else { String::new() };
    let question = format!(
        "This deletes {tunnel}the tables {} with all their rows\nfrom instance {} at {}. Type yes to go on: ",
        tables.join(", "),
        client.instance(),
        client.endpoint()
    );
    let mut answer = String::new();
    std::io::stderr()
        .write_all(question.as_bytes())
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::new(3, format!("cannot ask: {error}")))?;
    Ok(answer.trim() == "yes")
}

/// Accepts that another caller has deleted the same thing in the meantime.
fn gone(deleted: Result<(), ClientError>) -> Result<(), Failure> {
    match deleted {
        Err(error) if !error.is_code("OTSObjectNotExist") => Err(error.into()),
        _ => Ok(()),
    }
}
