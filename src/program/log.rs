//! Writes the log of the program to standard error, as lines for people or as JSON for machines.
//!
//! A line that cannot be written, for example on a full disk, is lost. Nothing else is affected.

use std::fmt;
use std::io;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use terminal::tell;

/// The flags that say how the log is written, and how much of it.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Form of the lines on standard error
    #[arg(long, env = "ORDERFLOW_LOG_FORMAT", default_value = "text", value_name = "FORM")]
    pub log_format: LogFormat,
    /// The least important lines that are still logged
    #[arg(long, env = "ORDERFLOW_LOG", default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain lines for people
    Text,
    /// One JSON object a line: timestamp, level, target, message, and further fields by their names
    Json,
}

/// The importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // The usual names.
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

/// Starts logging, on all threads. The first call in a process counts; later calls change nothing.
pub fn start(args: &LogArgs) {
    let _ = tracing::subscriber::set_global_default(subscriber(args, io::stderr));
}

/// Says why the program ends: in the log if that was started, else as a plain line on standard
/// error.
pub fn last_words(reason: &dyn fmt::Display) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{reason}");
    } else {
        tell(&format!("orderflow: {reason}"));
    }
}

fn subscriber<W>(args: &LogArgs, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Errors of writing are not reported: that would be on standard error too, and would panic if
    // standard error takes nothing.
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(args.log_level))
        .log_internal_errors(false)
        .with_ansi(false)
        .with_writer(writer);
    match args.log_format {
        LogFormat::Text => Box::new(builder.event_format(Lines).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).finish()),
    }
}

/// A format of log lines for people: `orderflow: `, then the message, then the other fields.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("orderflow: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// Returns what `act` logs on this thread.
    pub(crate) fn logged(log_format: LogFormat, log_level: LogLevel, act: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let args = LogArgs { log_format, log_level };
        tracing::subscriber::with_default(subscriber(&args, Kept(written.clone())), act);
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    #[derive(Clone)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Kept;

        fn make_writer(&'a self) -> Kept {
            self.clone()
        }
    }

    #[test]
    fn lines_for_people() {
        let text = logged(LogFormat::Text, LogLevel::Info, || {
            tracing::info!("ready: \"shop\" … at {}", 1);
            tracing::warn!(users = 3, seconds = 0.25, "rebuilt");
            tracing::debug!("not wanted");
        });
        assert_eq!(text, "orderflow: ready: \"shop\" … at 1\norderflow: rebuilt users=3 seconds=0.25\n");
    }

    #[test]
    fn lines_for_machines() {
        let text = logged(LogFormat::Json, LogLevel::Debug, || {
            tracing::info!(users = 3, seconds = 0.25, table = "a \"b\"\n", "rebuilt");
            tracing::debug!(target: "elsewhere", "wanted");
            tracing::trace!("not wanted");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        let mut first = lines[0].as_object().unwrap().clone();
        let timestamp = first.remove("timestamp").unwrap();
        timestamp.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let expected = serde_json::json!({
            "level": "INFO", "target": "orderflow::program::log::tests", "message": "rebuilt",
            "users": 3, "seconds": 0.25, "table": "a \"b\"\n",
        });
        assert_eq!(Value::Object(first), expected);
        assert_eq!((&lines[1]["level"], &lines[1]["target"]), (&"DEBUG".into(), &"elsewhere".into()));
    }

    #[test]
    fn the_least_important_level_is_a_choice() {
        for (level, lines) in [
            (LogLevel::Error, 1),
            (LogLevel::Warn, 2),
            (LogLevel::Info, 3),
            (LogLevel::Debug, 4),
            (LogLevel::Trace, 5),
        ] {
            let text = logged(LogFormat::Text, level, || {
                tracing::error!("a");
                tracing::warn!("b");
                tracing::info!("c");
                tracing::debug!("d");
                tracing::trace!("e");
            });
            assert_eq!(text.lines().count(), lines, "{level:?}");
        }
    }
}
