//! A progress bar on standard error. It is shown only if standard error is a terminal.
//!
//! The threads that read count in [`ProgressCounters`]. A thread of the bar looks at the counters
//! ten times a second. So counting costs three relaxed additions a block, and drawing costs the
//! reading threads nothing.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Thousands;
pub use cluster::Progress as Read;

/// How often the bar looks at the counters, in milliseconds.
const TICK_MS: u64 = 100;

/// Counters of what was read so far. The threads that read add to them.
#[derive(Debug, Default)]
pub struct ProgressCounters {
    /// The bytes of input, as they are stored (compressed if the input is).
    pub bytes: AtomicU64,
    /// The orders, without those that were set aside.
    pub orders: AtomicU64,
    /// The lines that were set aside.
    pub rejected: AtomicU64,
}

impl ProgressCounters {
    /// Returns what was counted so far.
    pub fn load(&self) -> Read {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Read { bytes: load(&self.bytes), orders: load(&self.orders), rejected: load(&self.rejected) }
    }

    /// Adds the contents of a block of input to the counters.
    pub fn add(&self, bytes: u64, orders: u64, rejected: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.orders.fetch_add(orders, Ordering::Relaxed);
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
    }
}

/// Counters of the entries of a store that are through, rows and others. One thread sets them.
#[derive(Debug, Default)]
pub struct RowCounters {
    rows: AtomicU64,
    entries: AtomicU64,
    entries_about: AtomicU64,
}

/// What [`RowCounters`] have counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsDone {
    /// The rows that are through.
    pub rows: u64,
    /// The entries that are through.
    pub entries: u64,
    /// About the number of all entries.
    pub entries_about: u64,
}

impl RowCounters {
    /// Sets what was counted so far.
    pub fn set(&self, rows: u64, entries: u64, entries_about: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.entries.store(entries, Ordering::Relaxed);
        self.entries_about.store(entries_about, Ordering::Relaxed);
    }

    /// Returns what was counted so far.
    pub fn load(&self) -> RowsDone {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RowsDone {
            rows: load(&self.rows),
            entries: load(&self.entries),
            entries_about: load(&self.entries_about),
        }
    }
}

/// What the length of the bar stands for, with the whole of it if that is known.
#[derive(Clone, Copy, Debug)]
enum Measure {
    Bytes(Option<u64>),
    Orders(u64),
}

/// A progress bar. It disappears from the terminal when this is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    ticker: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows a bar for input that is read, if standard error is a terminal and `quiet` is false.
    ///
    /// `read` returns what was read so far. `bytes_total` is the size of all inputs; it is `None`
    /// if one of them has no known size, such as standard input. Then no end is shown.
    pub fn start(
        read: impl Fn() -> Read + Send + 'static,
        bytes_total: Option<u64>,
        quiet: bool,
    ) -> Progress {
        Progress::of(Measure::Bytes(bytes_total), read, quiet)
    }

    /// Shows a bar as [`Progress::start`] does, for `orders_total` orders that are written.
    pub fn of_orders(read: impl Fn() -> Read + Send + 'static, orders_total: u64, quiet: bool) -> Progress {
        Progress::of(Measure::Orders(orders_total), read, quiet)
    }

    /// Shows a bar as [`Progress::start`] does, for the entries of a store that go through. The bar
    /// starts again when `read` returns fewer than before.
    pub fn of_rows(read: impl Fn() -> RowsDone + Send + 'static, quiet: bool) -> Progress {
        if quiet || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), ticker: None };
        }
        Progress::rows_on(ProgressDrawTarget::stderr(), read)
    }

    fn rows_on(target: ProgressDrawTarget, read: impl Fn() -> RowsDone + Send + 'static) -> Progress {
        Progress::draw_on(target, Some(0), "{bar:30} {percent}%, {msg}, {eta} left", move |bar, elapsed| {
            let RowsDone { rows, entries, entries_about } = read();
            bar.set_length(entries_about);
            bar.set_position(entries);
            let rate = (rows as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
            bar.set_message(format!("{} rows, {} rows/s", Thousands(rows), Thousands(rate)));
            bar.tick();
        })
    }

    fn of(measure: Measure, read: impl Fn() -> Read + Send + 'static, quiet: bool) -> Progress {
        if quiet || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), ticker: None };
        }
        Progress::start_on(ProgressDrawTarget::stderr(), measure, read)
    }

    fn start_on(
        target: ProgressDrawTarget,
        measure: Measure,
        read: impl Fn() -> Read + Send + 'static,
    ) -> Progress {
        let (total, template) = match measure {
            Measure::Bytes(Some(total)) => (Some(total), "{bar:30} {bytes}/{total_bytes}, {msg}, {eta} left"),
            Measure::Bytes(None) => (None, "{spinner} {bytes}, {msg}, {elapsed}"),
            Measure::Orders(total) => (Some(total), "{bar:30} {percent}%, {msg}, {eta} left"),
        };
        let draw = move |bar: &ProgressBar, elapsed| show(bar, measure, read(), elapsed);
        Progress::draw_on(target, total, template, draw)
    }

    fn draw_on(
        target: ProgressDrawTarget,
        total: Option<u64>,
        template: &str,
        draw: impl Fn(&ProgressBar, Duration) + Send + 'static,
    ) -> Progress {
        let bar = ProgressBar::with_draw_target(total, target);
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        let (stop, stopped) = mpsc::channel();
        let ticking = bar.clone();
        let ticker = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let started = Instant::now();
            loop {
                draw(&ticking, started.elapsed());
                match stopped.recv_timeout(Duration::from_millis(TICK_MS)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        // If the thread cannot be started, the run goes on without a bar.
        Progress { bar, ticker: ticker.ok().map(|thread| (stop, thread)) }
    }

    /// Prints a line on standard error, above the bar if there is one.
    pub fn say(&self, line: &str) {
        // A line that cannot be written is dropped: that is no reason to stop.
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    /// Removes the bar from the terminal. Returns at once, without waiting for the next look at the
    /// counters.
    pub fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            // A panic of the bar's thread must not change the result of the run.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, measure: Measure, read: Read, elapsed: Duration) {
    bar.set_position(match measure {
        Measure::Bytes(_) => read.bytes,
        Measure::Orders(_) => read.orders + read.rejected,
    });
    bar.set_message(message(read.orders, read.rejected, elapsed));
    bar.tick();
}

fn message(orders: u64, rejected: u64, elapsed: Duration) -> String {
    let rate = (orders as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let set_aside =
        if rejected == 0 { String::new() } else { format!(", {} set aside", Thousands(rejected)) };
    format!("{} orders{set_aside}, {} orders/s", Thousands(orders), Thousands(rate))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::Sender;

    use indicatif::TermLike;

    use super::*;

    /// A terminal that sends on whatever is written to it.
    #[derive(Debug)]
    struct Screen(Sender<String>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            200
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            let _ = self.0.send(text.to_owned());
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the first line shown that contains `wanted`.
    fn shown(measure: Measure, wanted: &str) -> String {
        let (sender, screen) = mpsc::channel();
        let counters = Arc::new(ProgressCounters::default());
        let target = ProgressDrawTarget::term_like(Box::new(Screen(sender)));
        let reading = Arc::clone(&counters);
        let progress = Progress::start_on(target, measure, move || reading.load());
        counters.add(512, 1234, 0);
        counters.add(512, 1, 7);
        let line = screen.iter().find(|line| line.contains(wanted)).expect("the bar shows the counters");
        progress.finish();
        // The sender of the screen is dropped with the bar, so this loop ends.
        screen.iter().for_each(drop);
        line
    }

    #[test]
    fn a_known_size_shows_what_is_left() {
        let line = shown(Measure::Bytes(Some(4096)), "1.00 KiB/4.00 KiB, 1,235 orders, 7 set aside, ");
        assert!(line.contains(" left"), "{line}");
    }

    #[test]
    fn an_unknown_size_shows_counts_only() {
        let line = shown(Measure::Bytes(None), "1.00 KiB, 1,235 orders, 7 set aside, ");
        assert!(!line.contains(" left"), "{line}");
    }

    #[test]
    fn orders_that_are_written_show_their_share() {
        let line = shown(Measure::Orders(4_968), "25%, 1,235 orders, 7 set aside, ");
        assert!(line.contains(" left"), "{line}");
    }

    #[test]
    fn rows_that_go_through_show_their_share() {
        let (sender, screen) = mpsc::channel();
        let counters = Arc::new(RowCounters::default());
        let target = ProgressDrawTarget::term_like(Box::new(Screen(sender)));
        let reading = Arc::clone(&counters);
        let progress = Progress::rows_on(target, move || reading.load());
        counters.set(1_234, 2_000, 8_000);
        let wanted = "25%, 1,234 rows, ";
        let line = screen.iter().find(|line| line.contains(wanted)).expect("the bar shows the counters");
        assert!(line.contains(" left"), "{line}");
        progress.finish();
        screen.iter().for_each(drop);
    }

    #[test]
    fn quiet_shows_nothing_and_starts_no_thread() {
        let progress = Progress::start(Read::default, Some(1), true);
        assert!(progress.ticker.is_none() && progress.bar.is_hidden());
    }

    #[test]
    fn the_message_counts_in_thousands() {
        assert_eq!(message(2_000_000, 0, Duration::from_secs(2)), "2,000,000 orders, 1,000,000 orders/s");
        assert_eq!(message(0, 0, Duration::ZERO), "0 orders, 0 orders/s");
    }
}
