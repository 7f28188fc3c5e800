//! Prints the line that the demo shows each second. The line depends only on the numbers in it.

use std::time::Duration;

use dataflows::Totals;

use live::job::Phase;
use order_tables::row_text::printable;
use terminal::{Thousands, amount_for_people};

/// The numbers in a line. The results among them are as of one epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    /// The time since the first order was written.
    pub(super) running_for: Duration,
    /// What the job is doing.
    pub(super) phase: Phase,
    /// The count and amount of all orders.
    pub(super) total: Totals,
    /// The last commit of orders that the results hold.
    pub(super) epoch: u64,
    /// How long there have been commits that the results do not hold; `None` if they hold all.
    pub(super) behind: Option<Duration>,
    /// The changes of orders that went through the graph, per second, over the last few seconds.
    pub(super) orders_per_second: f64,
    /// The orders that were written.
    pub(super) written: Written,
    /// The number of orders that are set aside now.
    pub(super) rejects: u64,
}

/// The numbers of orders that the store acknowledged, by what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The orders that were placed.
    pub(super) placed: u64,
    /// The times that an order was given another price or time.
    pub(super) corrected: u64,
    /// The orders that were deleted.
    pub(super) cancelled: u64,
}

/// Returns one line, with its line break. It says only if something is wrong or lags that this is
/// so.
pub(super) fn line(shown: &Shown) -> String {
    let Written { placed, corrected, cancelled } = shown.written;
    let doing = match &shown.phase {
        Phase::Running => String::new(),
        phase => format!("{}; ", doing(phase)),
    };
    let set_aside = match shown.rejects {
        0 => String::new(),
        rejects => format!("; {} set aside", Thousands(rejects)),
    };
    let freshness = match shown.behind {
        None => "up to date".to_owned(),
        Some(behind) => format!("{} behind", short(behind)),
    };
    format!(
        "{:>5}  {doing}{} orders, {}; {}/s: {} placed, {} corrected, {} cancelled; epoch {}, {freshness}{set_aside}\n",
        duration(shown.running_for),
        count(shown.total.orders),
        amount_for_people(shown.total.amount),
        Thousands(shown.orders_per_second.round() as u64),
        Thousands(placed),
        Thousands(corrected),
        Thousands(cancelled),
        Thousands(shown.epoch),
    )
}

fn doing(phase: &Phase) -> String {
    match phase {
        Phase::Starting => "starting".to_owned(),
        Phase::Waiting => "waiting for the table of orders".to_owned(),
        Phase::Blocked(reason) => format!("blocked: {}", printable(reason)),
        Phase::Rebuilding(rows) => format!("rebuilding the results, {} orders so far", Thousands(*rows)),
        Phase::Running => "running".to_owned(),
        Phase::Failed(reason) => format!("failed: {}", printable(reason)),
        Phase::Stopped => "stopped".to_owned(),
    }
}

fn count(orders: i64) -> String {
    format!("{}{}", if orders < 0 { "-" } else { "" }, Thousands(orders.unsigned_abs()))
}

/// Prints a time in whole seconds, with minutes and hours if there are any.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, s) => format!("{h} h {m} min {s} s"),
    }
}

/// Prints a time in milliseconds below 10 s, else as [`duration`] does.
fn short(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..10_000 => format!("{ms} ms"),
        _ => duration(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Shown {
        Shown {
            running_for: Duration::from_millis(83_900),
            phase: Phase::Running,
            total: Totals { orders: 115_670, amount: "19123551.07".parse().unwrap() },
            epoch: 12_345,
            behind: None,
            orders_per_second: 199.6,
            written: Written { placed: 16_000, corrected: 1_002, cancelled: 330 },
            rejects: 0,
        }
    }

    #[test]
    fn a_line_says_what_is_there_and_how_fresh_it_is() {
        assert_eq!(
            line(&shown()),
            "1 min 23 s  115,670 orders, 19,123,551.07; 200/s: 16,000 placed, 1,002 corrected, 330 cancelled; \
             epoch 12,345, up to date\n"
        );
        let start = Shown { phase: Phase::Starting, ..Shown::default() };
        assert_eq!(
            line(&start),
            "  0 s  starting; 0 orders, 0.00; 0/s: 0 placed, 0 corrected, 0 cancelled; epoch 0, up to date\n"
        );
    }

    #[test]
    fn what_lags_or_is_wrong_is_said_in_words() {
        let wrong = Shown {
            running_for: Duration::from_secs(4_000),
            behind: Some(Duration::from_millis(1_250)),
            phase: Phase::Blocked("table \u{1b}[2J: no\n".to_owned()),
            rejects: 2,
            ..shown()
        };
        let said = line(&wrong);
        assert!(
            said.starts_with("1 h 6 min 40 s  blocked: table \\u{1b}[2J: no\\n; 115,670 orders, "),
            "{said}"
        );
        assert!(said.ends_with("; epoch 12,345, 1250 ms behind; 2 set aside\n"), "{said}");
        let long = line(&Shown { behind: Some(Duration::from_secs(75)), ..shown() });
        assert!(long.ends_with(", 1 min 15 s behind\n"), "{long}");
    }
}
