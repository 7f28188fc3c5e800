//! The live view as text: a pure function of what there is to show and of the size of the terminal.

use std::time::Duration;

use dataflows::Totals;

use live::job::Phase;
use order_tables::row_text::printable;
use terminal::{Thousands, amount_for_people};

/// Lines that are always there.
const FIXED_LINES: usize = 11;

/// Users and windows that the view may show.
pub(super) const SHOWN_MAX: usize = 20;

/// Columns of a row's name.
const NAME_CHARS: usize = 24;

/// What there is to show. All results are as of one epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    /// Since the start.
    pub(super) running_for: Duration,
    /// What the job is doing.
    pub(super) phase: Phase,
    /// All orders.
    pub(super) total: Totals,
    /// Users with orders.
    pub(super) users: u64,
    /// Windows with orders.
    pub(super) windows: u64,
    /// The last commit of orders that the results hold.
    pub(super) epoch: u64,
    /// Since the last results became durable; none where there were none yet.
    pub(super) age: Option<Duration>,
    /// Since when there have been commits that the results do not hold; none where they hold all.
    pub(super) behind: Option<Duration>,
    /// Changes of orders a second that went through the graph lately.
    pub(super) orders_per_second: f64,
    /// What was written.
    pub(super) written: Written,
    /// Orders that are set aside now.
    pub(super) rejects: u64,
    /// Users by amount, the greatest first.
    pub(super) top_users: Vec<(String, Totals)>,
    /// Windows by their beginning, the last first, each with whether it is open.
    pub(super) last_windows: Vec<(String, Totals, bool)>,
    /// Windows after the open one.
    pub(super) later_windows: usize,
}

/// Orders that the store acknowledged, by what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Placed for the first time.
    pub(super) placed: u64,
    /// Given another price or time.
    pub(super) corrected: u64,
    /// Deleted.
    pub(super) cancelled: u64,
    /// Placed for a window that was over.
    pub(super) late: u64,
}

/// A line of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its text, without control characters.
    pub(super) text: String,
    /// Whether it heads others.
    pub(super) is_head: bool,
}

/// The lines of the view on a terminal of so many rows and columns, one row left for the cursor.
///
/// Windows and users are as many as there is room for; lines are cut at the last column.
pub(super) fn lines(shown: &Shown, rows: usize, columns: usize) -> Vec<Line> {
    let room = rows.saturating_sub(FIXED_LINES + 1);
    let users = (room - room / 2).min(SHOWN_MAX / 2);
    let windows = (room / 2).min(SHOWN_MAX / 2);
    let mut lines = vec![
        head(format!("orderflow demo: {}, {}", doing(&shown.phase), duration(shown.running_for))),
        body(String::new()),
    ];
    lines.extend(facts(shown).into_iter().map(|(name, fact)| body(format!("{name:<11}{fact}"))));
    lines.push(body(String::new()));
    lines.push(titles("Top users", ""));
    let top_users = shown.top_users.iter().map(|(name, totals)| row(name, totals, ""));
    lines.extend(padded(top_users, users));
    let later = match shown.later_windows {
        0 => String::new(),
        later => format!("   and {} after now", Thousands(later as u64)),
    };
    lines.push(titles("Last windows", &later));
    let last_windows = shown
        .last_windows
        .iter()
        .map(|(begin, totals, is_open)| row(begin, totals, if *is_open { "   open" } else { "" }));
    lines.extend(padded(last_windows, windows));
    lines.push(body("Ctrl-C ends it.".to_owned()));
    lines.truncate(rows.saturating_sub(1));
    for line in &mut lines {
        line.text = cut(&line.text, columns);
    }
    lines
}

/// One line for logs and pipes.
pub(super) fn line(shown: &Shown) -> String {
    let doing = match &shown.phase {
        Phase::Running => String::new(),
        phase => format!("{}; ", doing(phase)),
    };
    let facts = facts(shown).map(|(name, fact)| format!("{name} {fact}"));
    format!("{:>5}  {doing}{}\n", duration(shown.running_for), facts.join("; "))
}

/// What is said in either form: a name, and what is said of it.
fn facts(shown: &Shown) -> [(&'static str, String); 4] {
    let Written { placed, corrected, cancelled, late } = shown.written;
    [
        (
            "total",
            format!(
                "{} in {} orders of {} users, in {} windows",
                amount_for_people(shown.total.amount),
                count(shown.total.orders),
                Thousands(shown.users),
                Thousands(shown.windows)
            ),
        ),
        ("results", format!("epoch {}, {}", Thousands(shown.epoch), freshness(shown))),
        (
            "orders",
            format!(
                "{}/s; {} placed ({} late), {} corrected, {} cancelled",
                Thousands(shown.orders_per_second.round() as u64),
                Thousands(placed),
                Thousands(late),
                Thousands(corrected),
                Thousands(cancelled)
            ),
        ),
        ("set aside", Thousands(shown.rejects).to_string()),
    ]
}

fn freshness(shown: &Shown) -> String {
    let age = match shown.age {
        Some(age) => format!("durable {} ago", short(age)),
        None => "none since the start".to_owned(),
    };
    match shown.behind {
        None => format!("{age}, hold every order"),
        Some(behind) => format!("{age}, {} behind the orders", short(behind)),
    }
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

fn head(text: String) -> Line {
    Line { text, is_head: true }
}

fn body(text: String) -> Line {
    Line { text, is_head: false }
}

fn titles(title: &str, mark: &str) -> Line {
    head(format!("{title:<width$}{:>12}{:>20}{mark}", "orders", "amount", width = NAME_CHARS + 2))
}

fn row(name: &str, totals: &Totals, mark: &str) -> Line {
    let (name, orders) = (cut(&printable(name), NAME_CHARS), count(totals.orders));
    // Counted in columns, not in characters: wide ones take two.
    let gap = " ".repeat(NAME_CHARS.saturating_sub(console::measure_text_width(&name)));
    body(format!("  {name}{gap}{orders:>12}{:>20}{mark}", amount_for_people(totals.amount)))
}

/// So many lines, empty ones where there are too few, so that what follows keeps its place.
fn padded(lines: impl Iterator<Item = Line>, count: usize) -> impl Iterator<Item = Line> {
    lines.chain(std::iter::repeat_with(|| body(String::new()))).take(count)
}

fn cut(text: &str, columns: usize) -> String {
    console::truncate_str(text, columns, "…").into_owned()
}

fn count(orders: i64) -> String {
    format!("{}{}", if orders < 0 { "-" } else { "" }, Thousands(orders.unsigned_abs()))
}

/// A time in whole seconds, with minutes and hours where there are any.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, s) => format!("{h} h {m} min {s} s"),
    }
}

/// A short time, in the unit that suits it.
fn short(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..10_000 => format!("{ms} ms"),
        _ => duration(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(orders: i64, amount: &str) -> Totals {
        Totals { orders, amount: amount.parse().unwrap() }
    }

    fn shown() -> Shown {
        Shown {
            running_for: Duration::from_millis(83_900),
            phase: Phase::Running,
            total: totals(15_670, "4123551.07"),
            users: 1_000,
            windows: 34,
            epoch: 12_345,
            age: Some(Duration::from_millis(3)),
            behind: None,
            orders_per_second: 199.6,
            written: Written { placed: 16_000, corrected: 1_002, cancelled: 330, late: 750 },
            rejects: 2,
            top_users: (0..30).map(|at| (format!("u{at:07}"), totals(90 - at, "9123.5"))).collect(),
            last_windows: (0..30)
                .map(|at| (format!("2026-11-22 17:{:02}:30", 59 - at), totals(200, "1000"), at == 0))
                .collect(),
            later_windows: 0,
        }
    }

    fn text(shown: &Shown, rows: usize, columns: usize) -> String {
        lines(shown, rows, columns).iter().map(|line| format!("{}\n", line.text)).collect()
    }

    #[test]
    fn a_terminal_of_80_by_24() {
        assert_eq!(
            text(&shown(), 24, 80),
            "orderflow demo: running, 1 min 23 s\n\
             \n\
             total      4,123,551.07 in 15,670 orders of 1,000 users, in 34 windows\n\
             results    epoch 12,345, durable 3 ms ago, hold every order\n\
             orders     200/s; 16,000 placed (750 late), 1,002 corrected, 330 cancelled\n\
             set aside  2\n\
             \n\
             Top users                       orders              amount\n\
             \u{20} u0000000                          90            9,123.50\n\
             \u{20} u0000001                          89            9,123.50\n\
             \u{20} u0000002                          88            9,123.50\n\
             \u{20} u0000003                          87            9,123.50\n\
             \u{20} u0000004                          86            9,123.50\n\
             \u{20} u0000005                          85            9,123.50\n\
             Last windows                    orders              amount\n\
             \u{20} 2026-11-22 17:59:30              200            1,000.00   open\n\
             \u{20} 2026-11-22 17:58:30              200            1,000.00\n\
             \u{20} 2026-11-22 17:57:30              200            1,000.00\n\
             \u{20} 2026-11-22 17:56:30              200            1,000.00\n\
             \u{20} 2026-11-22 17:55:30              200            1,000.00\n\
             \u{20} 2026-11-22 17:54:30              200            1,000.00\n\
             Ctrl-C ends it.\n"
        );
    }

    #[test]
    fn the_view_fits_any_terminal_and_keeps_its_height() {
        let mut shown = shown();
        shown.total = totals(i64::MAX, "999999999999.999999999999999999");
        shown.top_users[0].0 = "お客様".repeat(20);
        shown.top_users[1].0 = "\u{1b}[2J\n".to_owned();
        for rows in 0..60 {
            for columns in [1, 10, 79, 80, 200] {
                let lines = lines(&shown, rows, columns);
                assert!(lines.len() < rows.max(1), "{rows}");
                for Line { text, .. } in &lines {
                    assert!(console::measure_text_width(text) <= columns, "{columns}: {text}");
                    assert!(!text.chars().any(char::is_control), "{text:?}");
                }
            }
        }
        let few = Shown { top_users: Vec::new(), last_windows: Vec::new(), ..shown.clone() };
        for rows in [24, 30, 60] {
            assert_eq!(lines(&few, rows, 80).len(), lines(&shown, rows, 80).len());
        }
        // Names of any width end in the same column.
        let widths = [8, 9, 10].map(|at| console::measure_text_width(&lines(&shown, 24, 80)[at].text));
        assert_eq!(widths, [58; 3]);
    }

    #[test]
    fn what_lags_or_is_wrong_is_said_in_words() {
        let behind = Shown {
            behind: Some(Duration::from_millis(1_250)),
            age: Some(Duration::from_secs(75)),
            later_windows: 3,
            phase: Phase::Blocked("table OrderBatchSink: no".to_owned()),
            ..shown()
        };
        let text = text(&behind, 24, 200);
        for said in [
            "orderflow demo: blocked: table OrderBatchSink: no, 1 min 23 s\n",
            "epoch 12,345, durable 1 min 15 s ago, 1250 ms behind the orders\n",
            "Last windows                    orders              amount   and 3 after now\n",
        ] {
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn a_line_says_the_same_facts() {
        assert_eq!(
            line(&Shown { running_for: Duration::from_secs(2), ..shown() }),
            "  2 s  total 4,123,551.07 in 15,670 orders of 1,000 users, in 34 windows; results epoch 12,345, \
             durable 3 ms ago, hold every order; orders 200/s; 16,000 placed (750 late), 1,002 corrected, \
             330 cancelled; set aside 2\n"
        );
        let start = Shown { phase: Phase::Starting, ..Shown::default() };
        assert_eq!(
            line(&start),
            "  0 s  starting; total 0.00 in 0 orders of 0 users, in 0 windows; results epoch 0, none since the start, \
             hold every order; orders 0/s; 0 placed (0 late), 0 corrected, 0 cancelled; set aside 0\n"
        );
    }
}
