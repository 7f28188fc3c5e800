//! Turns the flags of `run` into the configuration of a run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use cluster::ClusterConfig;
use dataflows::ViewId;
use driver::config::{INPUTS_MAX, OutputConfig, RunConfig};
use driver::summary::SummaryForm;
use driver::table::{Place, TableInput, TableName};
use files::ingest::{ColumnNames, Envelope, InputOptions, RowForm, ZSTD_WINDOW_BYTES_MAX};
use orders::rules::{ID_BYTES_MAX, Role, check_id};
use orders::{DecimalMark, TimeForm, TimeUnit, Zone};

use super::agreement::agreed;
use super::args::{ColumnArgs, OnReject, RunArgs, UnitArg};
use crate::commands::connection::ConnectionArgs;
use crate::commands::{Failure, time};
use crate::program::{signals, version};

/// Returns the configuration that the flags mean.
///
/// # Errors
/// Returns [`Failure`] that names the flag. Inputs and output folder are not looked at yet.
pub(super) fn config(args: &RunArgs) -> Result<RunConfig, Failure> {
    let printed = printed_view(args)?;
    let layout = time::layout(args.window, &args.timezone)?;
    if args.tick == 0 {
        return Err(Failure::new(2, "--tick must not be 0"));
    }
    if args.graph.wait == 0 {
        return Err(Failure::new(2, "--wait must not be 0"));
    }
    if args.epoch_size == Some(0) {
        return Err(Failure::new(2, "--epoch-size must not be 0"));
    }
    let graph = &args.graph;
    let mut cluster = cluster::resolve(
        graph.workers,
        graph.processes,
        graph.process,
        graph.hostfile.as_deref(),
        graph.cluster_key_file.as_deref(),
    )
    .map_err(|error| Failure::new(error.exit_code(), error))?;
    cluster.cluster_id.clone_from(&graph.cluster_id);
    cluster.build = version::VERSION.to_owned();
    cluster.deadline = Duration::from_millis(graph.wait);
    cluster.signals = Some(Arc::new(signals::hear));
    // A run that follows has updates to bring to their end.
    cluster.stop_time_max = (!args.follow).then_some(signals::STOP_TIME_MAX);
    let (tables, inputs) = inputs(args)?;
    if !tables.is_empty() {
        check_tables(args, &cluster)?;
    }
    let agreed = if cluster.processes > 1 { agreed(args)? } else { Vec::new() };
    let first_input = if args.local_input { cluster.process as u32 * INPUTS_MAX } else { 0 };
    Ok(RunConfig {
        inputs: InputOptions {
            inputs,
            format: args.format,
            rows: rows(args)?,
            zstd_window_bytes_max: args.spelling.zstd_window_max.unwrap_or(ZSTD_WINDOW_BYTES_MAX),
            first_input,
            follow: args.follow,
        },
        tables,
        local_input: args.local_input,
        output: args.output.clone().filter(|_| printed.is_none()).map(|dir| OutputConfig {
            dir,
            force: args.force,
            format: args.output_format,
        }),
        layout,
        agreed,
        max_rejects: args.max_rejects,
        fail_on_reject: args.on_reject == OnReject::Fail,
        epoch_orders: args.epoch_size,
        follow_tick: args.follow.then_some(Duration::from_millis(args.tick)),
        summary: match (args.json, args.quiet) {
            (true, _) => SummaryForm::Json,
            (_, true) => SummaryForm::Quiet,
            _ => SummaryForm::Text,
        },
        cluster,
    })
}

/// Returns the view that is printed on standard output; `None` if the results go to a folder.
///
/// # Errors
/// Returns [`Failure`] if `--output -` and `--result` do not fit together.
pub(super) fn printed_view(args: &RunArgs) -> Result<Option<ViewId>, Failure> {
    let refused = |reason: String| Err(Failure::new(2, reason));
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    match &args.result {
        None if to_stdout => {
            let names = ViewId::all().map(|view| view.name).collect::<Vec<_>>().join(", ");
            refused(format!(
                "--output - prints one result: say which with --result NAME, one of {names}; or give a folder for all"
            ))
        }
        None => Ok(None),
        Some(_) if !to_stdout => {
            refused("--result says what --output - prints: a folder gets all results".to_owned())
        }
        Some(_) if args.follow => refused(
            "--follow prints changed rows on standard output: give a folder, or leave --output out"
                .to_owned(),
        ),
        Some(name) => Ok(ViewId::all().find(|view| view.name == *name)),
    }
}

/// Splits the inputs as typed into tables and everything else.
fn inputs(args: &RunArgs) -> Result<(Vec<TableInput>, Vec<String>), Failure> {
    let (mut tables, mut files) = (Vec::new(), Vec::new());
    for typed in &args.input {
        let place = match TableName::parse(typed) {
            None => {
                files.push(typed.clone());
                continue;
            }
            Some(TableName::Folder(folder)) => Place::Folder(folder),
            Some(TableName::Wire(endpoint)) => {
                let (endpoint, instance, region) =
                    (Some(endpoint), args.instance.clone(), args.region.clone());
                let settings = ConnectionArgs { endpoint, instance, region }.settings(std::env::var);
                Place::Wire(settings?)
            }
        };
        tables.push(TableInput { name: typed.clone(), place });
    }
    Ok((tables, files))
}

/// Refuses flags that make no sense when an input is a table.
fn check_tables(args: &RunArgs, cluster: &ClusterConfig) -> Result<(), Failure> {
    let refused = |reason| Err(Failure::new(2, reason));
    if args.follow {
        return refused(
            "--follow reads files as they grow: what follows the orders of a store is `orderflow up`",
        );
    }
    if args.envelope.is_keyed() {
        let name = args.envelope.to_possible_value();
        let name = name.as_ref().map_or("", |value| value.get_name());
        return Err(Failure::new(
            2,
            format!("--envelope {name} is for logs of lines: a store holds each order once, as it is now"),
        ));
    }
    if names(&args.columns) != ColumnNames::default() {
        return refused(
            "--column-… is for files: in a store, the columns of an order are price and timestamp",
        );
    }
    if rows(args)? != RowForm::default() {
        return refused(
            "--delimiter, --decimal-comma, --timestamp-…, --input-timezone and --guest-as are for files: a store \
             holds numbers, and each order has a user",
        );
    }
    if cluster.processes > 1 && !args.local_input {
        return refused(
            "a store is read by one process: leave -n, -p and -h out, or give each process a store of its own \
             with --local-input",
        );
    }
    Ok(())
}

/// Returns how the flags say that orders are spelled.
fn rows(args: &RunArgs) -> Result<RowForm, Failure> {
    let spelling = &args.spelling;
    if args.envelope == Envelope::Debezium && args.columns.column_op.is_some() {
        return Err(Failure::new(
            2,
            "--column-op is not for --envelope debezium, which has an op of its own",
        ));
    }
    if let Some(guest) = &spelling.guest_as {
        check_id(Role::UserId, guest.as_bytes())
            .map_err(|_| Failure::new(2, format!("--guest-as must have 1 to {ID_BYTES_MAX} bytes")))?;
    }
    let unit = match spelling.timestamp_unit {
        UnitArg::S => TimeUnit::Seconds,
        UnitArg::Ms => TimeUnit::Milliseconds,
        UnitArg::Us => TimeUnit::Microseconds,
        UnitArg::Ns => TimeUnit::Nanoseconds,
    };
    let zone = Zone::parse(&spelling.input_timezone).map_err(|error| Failure::new(2, error))?;
    let time = TimeForm::new(unit, zone, spelling.timestamp_format.clone())
        .map_err(|reason| Failure::new(2, format!("--timestamp-format: {reason}")))?;
    Ok(RowForm {
        envelope: args.envelope,
        names: names(&args.columns),
        time,
        decimal_mark: if spelling.decimal_comma { DecimalMark::Comma } else { DecimalMark::Point },
        delimiter: spelling.delimiter,
        guest: spelling.guest_as.clone(),
    })
}

fn names(columns: &ColumnArgs) -> ColumnNames {
    ColumnNames {
        user_id: columns.column_user_id.clone(),
        order_id: columns.column_order_id.clone(),
        price: columns.column_price.clone(),
        timestamp: columns.column_timestamp.clone(),
        op: columns.column_op.clone(),
        quantity: columns.column_quantity.clone(),
    }
}
