//! `orderflow tunnel`: lists, describes, makes and deletes tunnels.

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::columns::columns;
use super::connection::ConnectionArgs;
use super::{Failure, say};
use tablestore::tunnel::{ChannelInfo, DescribeTunnelResponse, TunnelInfo, TunnelType};

/// The flags of `tunnel`.
#[derive(Args, Clone, Debug)]
pub struct TunnelArgs {
    /// What to do with tunnels.
    #[command(subcommand)]
    pub command: TunnelCommand,
}

/// What to do with tunnels.
#[derive(Subcommand, Clone, Debug)]
pub enum TunnelCommand {
    /// List the tunnels of a table, or of all
    List {
        /// Name of the table
        #[arg(value_name = "TABLE")]
        table: Option<String>,
        /// The connection to the store.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Show a tunnel and its channels
    Describe {
        /// The table and the name of the tunnel.
        #[command(flatten)]
        tunnel: NameArgs,
        /// The connection to the store.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Make a tunnel, and print its id
    Create {
        /// The table and the name of the tunnel.
        #[command(flatten)]
        tunnel: NameArgs,
        /// What the tunnel delivers
        #[arg(
            long = "type",
            value_name = "TYPE",
            default_value = "BaseAndStream",
            ignore_case = true,
            env = "ORDERFLOW_TYPE"
        )]
        kind: Kind,
        /// The connection to the store.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Delete a tunnel, with what it has read so far
    Delete {
        /// The table and the name of the tunnel.
        #[command(flatten)]
        tunnel: NameArgs,
        /// The connection to the store.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

/// The table and the name of a tunnel.
#[derive(Args, Clone, Debug)]
pub struct NameArgs {
    /// Name of the table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Name of the tunnel
    #[arg(value_name = "TUNNEL")]
    pub tunnel: String,
}

/// What a tunnel delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The rows that are there when it is made
    #[value(name = "BaseData")]
    BaseData,
    /// The changes from then on
    #[value(name = "Stream")]
    Stream,
    /// Both, one after the other
    #[value(name = "BaseAndStream")]
    BaseAndStream,
}

impl From<Kind> for TunnelType {
    fn from(kind: Kind) -> TunnelType {
        match kind {
            Kind::BaseData => TunnelType::BaseData,
            Kind::Stream => TunnelType::Stream,
            Kind::BaseAndStream => TunnelType::BaseAndStream,
        }
    }
}

/// Lists, describes, makes or deletes tunnels, as the flags say.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if the server refuses a name, else with the code of the
/// connection's error.
pub fn tunnel(args: &TunnelArgs) -> Result<(), Failure> {
    match &args.command {
        TunnelCommand::List { table, connection } => connection.run(async |client| {
            let tunnels = client.list_tunnels(table.as_deref()).await?;
            if tunnels.is_empty() {
                terminal::tell("no tunnels yet: `orderflow init` makes that of the orders");
                return Ok(());
            }
            say(&columns(&listing(&tunnels)))
        }),
        TunnelCommand::Describe { tunnel, connection } => connection.run(async |client| {
            let found = client.describe_tunnel(&tunnel.table, &tunnel.tunnel).await?;
            say(&described(&found))
        }),
        TunnelCommand::Create { tunnel, kind, connection } => connection.run(async |client| {
            let id = client.create_tunnel(&tunnel.table, &tunnel.tunnel, (*kind).into()).await?;
            say(&format!("{id}\n"))
        }),
        TunnelCommand::Delete { tunnel, connection } => connection.run(async |client| {
            client.delete_tunnel(&tunnel.table, &tunnel.tunnel).await?;
            say(&format!("tunnel {} deleted\n", tunnel.tunnel))
        }),
    }
}

fn listing(tunnels: &[TunnelInfo]) -> Vec<Vec<String>> {
    let mut rows = vec![["table", "tunnel", "type", "stage", "id"].map(str::to_owned).to_vec()];
    for tunnel in tunnels {
        rows.push(vec![
            tunnel.table_name.clone(),
            tunnel.tunnel_name().to_owned(),
            tunnel.tunnel_type.clone(),
            stage(tunnel),
            tunnel.tunnel_id.clone(),
        ]);
    }
    rows
}

fn stage(tunnel: &TunnelInfo) -> String {
    if tunnel.expired() { "expired".to_owned() } else { tunnel.stage.clone() }
}

fn described(found: &DescribeTunnelResponse) -> String {
    let tunnel = &found.tunnel;
    let fields = [
        ("tunnel", tunnel.tunnel_name().to_owned()),
        ("table", tunnel.table_name.clone()),
        ("id", tunnel.tunnel_id.clone()),
        ("type", tunnel.tunnel_type.clone()),
        ("stage", stage(tunnel)),
        ("stream", tunnel.stream_id.clone()),
        ("created", instant(tunnel.create_time())),
    ];
    let fields = fields.map(|(name, value)| vec![name.to_owned(), value]);
    let heads = ["channel", "type", "status", "client", "consumed", "up to"].map(str::to_owned).to_vec();
    let channels: Vec<_> = std::iter::once(heads).chain(found.channels.iter().map(channel)).collect();
    format!("{}\n{}", columns(&fields), columns(&channels))
}

fn channel(channel: &ChannelInfo) -> Vec<String> {
    let client = match channel.client_id() {
        "" => "-",
        client => client,
    };
    vec![
        channel.channel_id.clone(),
        channel.channel_type().to_owned(),
        channel.channel_status().to_owned(),
        client.to_owned(),
        channel.channel_count().to_string(),
        instant(channel.channel_rpo()),
    ]
}

/// Returns a time (nanoseconds since 1970) as people read it, in UTC; `-` if it is 0 or negative.
fn instant(at_ns: i64) -> String {
    match Timestamp::from_nanosecond(at_ns.into()) {
        Ok(at) if at_ns > 0 => at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> TunnelInfo {
        TunnelInfo {
            tunnel_id: "id-1".to_owned(),
            tunnel_type: "BaseAndStream".to_owned(),
            table_name: "OrderSource".to_owned(),
            stage: "ProcessStream".to_owned(),
            tunnel_name: Some("OrderSourceTunnel".to_owned()),
            create_time: Some(1_700_000_000_123_456_789),
            ..TunnelInfo::default()
        }
    }

    #[test]
    fn a_list_has_a_line_a_tunnel() {
        let expired = TunnelInfo { expired: Some(true), ..info() };
        assert_eq!(
            columns(&listing(&[info(), expired])),
            "table        tunnel             type           stage          id\n\
             OrderSource  OrderSourceTunnel  BaseAndStream  ProcessStream  id-1\n\
             OrderSource  OrderSourceTunnel  BaseAndStream  expired        id-1\n"
        );
    }

    #[test]
    fn a_description_has_its_channels() {
        let channel = ChannelInfo {
            channel_id: "Stream_0".to_owned(),
            channel_type: Some("Stream".to_owned()),
            channel_status: Some("WAIT".to_owned()),
            channel_count: Some(7),
            ..ChannelInfo::default()
        };
        let found = DescribeTunnelResponse { tunnel: info(), channels: vec![channel], tunnel_rpo: None };
        assert_eq!(
            described(&found),
            "tunnel   OrderSourceTunnel\n\
             table    OrderSource\n\
             id       id-1\n\
             type     BaseAndStream\n\
             stage    ProcessStream\n\
             stream\n\
             created  2023-11-14 22:13:20.123 UTC\n\
             \n\
             channel   type    status  client  consumed  up to\n\
             Stream_0  Stream  WAIT    -       7         -\n"
        );
    }
}
