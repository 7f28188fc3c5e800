//! The live demo: an instance with a day of made-up orders, and more of them at a steady rate.
//! People watch it on its page.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::task::spawn_blocking;

use super::folder::Folder;
use super::follow::Follow;
use super::history;
use super::results::Sums;
use super::runtime::{Interrupts, runtime};
use super::written::now_ms;

use crate::commands::time::parse_duration_ms;

use crate::commands::address::addresses;
use crate::commands::columns::columns;
use crate::commands::generate::{Load, Rate};
use crate::commands::page::PageArgs;
use crate::commands::up::{REGION, exports};
use crate::commands::{Failure, say};
use crate::program::instance::{Instance, InstanceConfig, InstanceError};
use crate::program::signals::{INTERRUPTED, STOP_TIME_MAX};
use files::generate::{Day, Spec};
use live::job::{CHANGES_MAX, JobConfig};
use orders::Layout;
use store::Durability;
use tablestore::client::{Client, ClientConfig};
use tablestore::limits::ROWS_PER_WRITE_MAX;
use tablestore::server::MetricsReaders;
use terminal::Thousands;

/// The name of the instance.
const INSTANCE: &str = "orderflow";

/// The number of connections. Each has one batch of orders in flight.
const CONNECTIONS: u16 = 2;

/// The number of orders of the day before the demo begins: enough for a full trend, and few enough
/// to be written in about two seconds.
const HISTORY_ORDERS: u64 = 100_000;

/// How many of a hundred lines correct an earlier order, and how many cancel one.
const CORRECTIONS_PERCENT: u8 = 6;
const CANCELS_PERCENT: u8 = 2;

/// How long the orders would last.
const ORDERS_SPAN: Duration = Duration::from_secs(365 * 86_400);

/// The flags of the live demo.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Folder to keep the store in; a temporary one, removed at the end, by default
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on, of this machine only; port 0 takes a free one
    #[arg(long, env = "ORDERFLOW_LISTEN", default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    pub listen: String,
    /// Orders a second (200/s), minute (6000/m) or hour; by default as many as the shop has at this
    /// time of day
    #[arg(long, env = "ORDERFLOW_RATE", value_name = "N/s")]
    pub rate: Option<Rate>,
    /// Users who order; a few of them order most
    #[arg(long, env = "ORDERFLOW_USERS", default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub users: u32,
    /// The same seed makes the same orders
    #[arg(long, env = "ORDERFLOW_SEED", default_value_t = 42, value_name = "N")]
    pub seed: u64,
    /// Worker threads of the live job
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Width of the windows of event time, such as 30s, 5s or 5m; in a folder with results, what it
    /// was before
    #[arg(long, env = "ORDERFLOW_WINDOW", default_value = "30s", value_name = "WIDTH", value_parser = parse_duration_ms)]
    pub window: u64,
    /// Time zone that windows are printed in, and at whose midnight windows of hours and days begin;
    /// in a folder with results, what it was before
    #[arg(long, env = "ORDERFLOW_TIMEZONE", default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// The flags of the live page.
    #[command(flatten)]
    pub page: PageArgs,
    /// End after this time, such as 30s or 5m; by default it runs until it is interrupted
    #[arg(long = "for", env = "ORDERFLOW_FOR", value_name = "TIME", value_parser = parse_duration_ms)]
    pub ends_after: Option<u64>,
}

/// Runs the live demo.
///
/// # Errors
/// Returns [`Failure`] with exit code 1 if the results do not agree; 2 for flags that are not
/// valid; 3 if disk or port fail; 130 if it was interrupted before its end.
pub(super) fn live(args: &LiveArgs) -> Result<(), Failure> {
    let layout = crate::commands::time::layout(args.window, &args.timezone)?;
    let cluster = cluster::resolve(args.workers, None, None, None, None)
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let addresses = addresses("--listen", &args.listen)?;
    let page = args.page.address()?;
    let token = args.page.token()?;
    let shown = page.iter().flat_map(|page| &page.addresses);
    if let Some(address) = addresses.iter().chain(shown).find(|address| !address.ip().is_loopback()) {
        return Err(Failure::new(
            2,
            format!(
                "{address} can be reached from other machines: the demo is for this one; listen on 127.0.0.1"
            ),
        ));
    }
    let (runtime, interrupts) = runtime()?;
    let folder = Folder::of(args.data.as_deref())?;
    let day = day(args, &layout, now_ms());
    let ended = runtime.block_on(run(
        args,
        &day,
        interrupts,
        InstanceConfig {
            data: folder.path.clone(),
            addresses,
            instance: INSTANCE.to_owned(),
            durability: Durability::Synced,
            own_key: None,
            job: Some(JobConfig { workers: cluster.workers, layout, changes_max: CHANGES_MAX }),
            page,
            tls: None,
            metrics_readers: token.map_or(MetricsReaders::ThisMachine, MetricsReaders::Holders),
        },
    ));
    // Readers that are still connected are not waited for. What a thread still does to the folder comes
    // to its end before the folder is removed.
    runtime.shutdown_timeout(STOP_TIME_MAX);
    let removed = folder.remove();
    let sums = ended?;
    removed?;
    say(&format!("\n{sums}\n{}", farewell(args)))?;
    match sums.agree() {
        true => Ok(()),
        false => Err(Failure::new(1, "the three results disagree")),
    }
}

fn failed(error: InstanceError) -> Failure {
    Failure::new(error.exit_code(), error)
}

/// Writes the past day, runs the instance, and stops it. Returns the sums of the results.
async fn run(
    args: &LiveArgs,
    day: &Day,
    mut interrupts: Interrupts,
    config: InstanceConfig,
) -> Result<Sums, Failure> {
    let has_day = tokio::select! {
        written = history::write(&config.data, day) => written?,
        () = interrupts.next() => {
            return Err(Failure::new(INTERRUPTED, "stopped while the past day was written"));
        }
    };
    let rate = args.rate.unwrap_or_else(|| Rate::a_minute(day.orders_a_minute_at_end()));
    let started = tokio::select! {
        started = Instance::start(config) => started,
        () = interrupts.next() => return Err(Failure::new(INTERRUPTED, "stopped before it was ready")),
    };
    let mut instance = started.map_err(failed)?;
    let store = instance.store().clone();
    let shown = match instance.job() {
        Some(watch) => {
            let (endpoint, key) = (instance.endpoint(), instance.key());
            let client = ClientConfig::new(&endpoint, INSTANCE, &key.id, &key.secret, Some(REGION));
            let demo = Follow {
                intro: intro(
                    &exports(&endpoint, INSTANCE, key, true),
                    instance.page().as_deref(),
                    has_day.then_some(day.orders),
                    rate,
                ),
                load: load(args, rate, store.last_commit()),
                ends_after: args.ends_after.map(Duration::from_millis),
                client: Client::new(client)?,
                store: store.clone(),
                watch,
            };
            tokio::select! {
                shown = demo.run(&mut interrupts) => shown,
                served = instance.run_until(pending()) => {
                    served.map_err(failed).and(Err(Failure::new(3, "the server has ended by itself")))
                }
            }
        }
        None => Err(Failure::new(3, "the job has not started")),
    };
    let stopped = tokio::select! {
        stopped = instance.stop() => stopped.map_err(failed),
        () = interrupts.next() => {
            // If closing fails, the next start finds the same error.
            let _ = spawn_blocking(move || store.close()).await;
            Err(Failure::new(INTERRUPTED, "stopped before all requests were answered"))
        }
    };
    shown.and_then(|sums| stopped.map(|()| sums))
}

/// Returns the day that ends at `now_ms` (epoch ms), by the clocks of the zone that windows are
/// printed in.
fn day(args: &LiveArgs, layout: &Layout, now_ms: i64) -> Day {
    Day {
        orders: HISTORY_ORDERS,
        users: args.users,
        seed: args.seed,
        end_ms: now_ms,
        offset_ms: layout.zone.offset_ms(now_ms),
    }
}

/// Returns the orders to write to a store with this many commits.
fn load(args: &LiveArgs, rate: Rate, commits: u64) -> Load {
    let orders = rate.orders_in(ORDERS_SPAN);
    let span_ms = rate.time_of(orders).as_millis().try_into().unwrap_or(u64::MAX);
    Load {
        spec: Spec {
            orders,
            users: args.users,
            seed: args.seed,
            start_ms: now_ms().saturating_sub(rate.lead_ms(CONNECTIONS)),
            span_ms,
            corrections_percent: CORRECTIONS_PERCENT,
            cancels_percent: CANCELS_PERCENT,
            keeps_to_past: true,
            ..Spec::default()
        },
        // The numbers begin after those of any earlier demo: a commit places at most as many orders
        // as a request holds.
        first_order: commits.saturating_mul(ROWS_PER_WRITE_MAX as u64),
        rate: Some(rate),
        connections: CONNECTIONS,
    }
}

/// Returns the text that is printed first: where the page is, how to reach the instance, and what
/// to do there. `past` is the number of orders of the past day, if it was written.
fn intro(exports: &str, page: Option<&str>, past: Option<u64>, rate: Rate) -> String {
    let page = page.map(|page| format!("# The live page: {page}\n")).unwrap_or_default();
    let orders = match past {
        Some(past) => format!("A day of {} made-up orders is there, more come at {rate}", Thousands(past)),
        None => format!("More made-up orders at {rate}"),
    };
    format!(
        "{page}\
         {exports}\
         # {orders}. Look at them from another shell, after these lines:\n\
         #   orderflow rows OrderBatchSink --limit 10   what users have ordered\n\
         #   orderflow verify                           a recount, compared row by row\n\
         # Ctrl-C ends it.\n\n",
    )
}

/// Returns the text that is printed last: how to look further.
fn farewell(args: &LiveArgs) -> String {
    let kept = match &args.data {
        Some(data) => format!("The store is in {}.", data.display()),
        None => "The store was temporary: keep it with --data DIR.".to_owned(),
    };
    let data = args.data.as_ref().map_or("DIR".to_owned(), |data| data.display().to_string());
    let next = [
        (format!("demo --data {data}"), "goes on where it ended"),
        (format!("up --data {data}"), "the same without made-up orders"),
        (format!("verify --data {data}"), "recounts the results, while nothing else runs there"),
        ("demo recompute".to_owned(), "what one change of a million orders costs"),
    ];
    let next = next.map(|(command, what)| vec![format!("  orderflow {command}"), what.to_owned()]);
    format!("{kept} How to look further:\n{}", columns(&next))
}
