//! `orderflow init`: makes the tables of orders and of results, and the tunnel.

use clap::Args;

use super::connection::ConnectionArgs;
use super::{Failure, say};
use order_tables::{ORDER_SOURCE, ORDER_TUNNEL, key_text, order_stream, schemas};
use store::schema::TableSchema;
use tablestore::client::{Client, tunnel_type_text};
use tablestore::tunnel::TunnelType;

/// The type of the tunnel: it delivers the orders that exist, then every change.
const ORDER_TUNNEL_TYPE: TunnelType = TunnelType::BaseAndStream;

/// The flags of `init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Makes the tables and the tunnel that do not exist yet, and prints for each whether it was made.
///
/// # Errors
/// Returns [`Failure`]. Its exit code is 2 if a table exists with another key, in which case
/// nothing is made, or if the tunnel exists with another type or has expired.
pub fn init(args: &InitArgs) -> Result<(), Failure> {
    args.connection.run(async |client| make(&client, &mut say).await)
}

/// Makes what does not exist yet, and gives one line about each table and the tunnel to `told`.
///
/// # Errors
/// Fails as [`init`] does, and with the failure of `told`.
pub(super) async fn make(
    client: &Client,
    told: &mut impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut wanted = schemas();
    for orders in wanted.iter_mut().filter(|schema| schema.name == ORDER_SOURCE) {
        orders.stream = Some(order_stream());
    }
    let listed = client.list_tables().await?;
    for schema in wanted.iter().filter(|schema| listed.contains(&schema.name)) {
        check(client, schema).await?;
    }
    for schema in &wanted {
        let is_new = !listed.contains(&schema.name) && create(client, schema).await?;
        let made = if is_new { "created" } else { "already exists" };
        told(&format!("table   {:<18} {made}\n", schema.name))?;
    }
    let (tunnel_id, is_new) = tunnel(client).await?;
    let made = if is_new { "created" } else { "already exists" };
    told(&format!("tunnel  {ORDER_TUNNEL:<18} {made}, id {tunnel_id}\n"))
}

/// Makes a table. Returns false if another caller made it in the meantime.
async fn create(client: &Client, schema: &TableSchema) -> Result<bool, Failure> {
    match client.create_table(schema).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_code("OTSObjectAlreadyExist") => {
            check(client, schema).await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a table that exists under this name with another key.
async fn check(client: &Client, wanted: &TableSchema) -> Result<(), Failure> {
    let found = client.describe_table(&wanted.name).await?.schema;
    if found.key == wanted.key {
        return Ok(());
    }
    Err(Failure::new(
        2,
        format!(
            "table {} exists with the key ({}) where ({}) is needed: delete it, or use another instance",
            wanted.name,
            key_text(&found.key),
            key_text(&wanted.key)
        ),
    ))
}

/// Makes the tunnel. Returns its id, and whether it is new.
async fn tunnel(client: &Client) -> Result<(String, bool), Failure> {
    match client.create_tunnel(ORDER_SOURCE, ORDER_TUNNEL, ORDER_TUNNEL_TYPE).await {
        Ok(tunnel_id) => return Ok((tunnel_id, true)),
        Err(error) if error.is_code("OTSTunnelExist") => {}
        Err(error) => return Err(error.into()),
    }
    let found = client.describe_tunnel(ORDER_SOURCE, ORDER_TUNNEL).await?.tunnel;
    let refused = |what: String| {
        let how = format!("delete it with `orderflow tunnel delete {ORDER_SOURCE} {ORDER_TUNNEL}` first");
        Err(Failure::new(2, format!("tunnel {ORDER_TUNNEL} {what}: {how}")))
    };
    if found.tunnel_type != tunnel_type_text(ORDER_TUNNEL_TYPE) {
        let wanted = tunnel_type_text(ORDER_TUNNEL_TYPE);
        return refused(format!("exists with the type {} where {wanted} is needed", found.tunnel_type));
    }
    if found.expired() {
        return refused("has expired: the changes that it would deliver next are no longer kept".to_owned());
    }
    Ok((found.tunnel_id, false))
}
