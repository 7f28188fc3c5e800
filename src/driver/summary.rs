//! The summary that a run prints at its end, for people and for machines.

use std::fmt;
use std::io::{self, Write};

use dataflows::{Amount, ViewId};
use serde::{Serialize, Serializer};

use crate::reasons::ReasonTold;
use files::sinks::Results;
use terminal::{Thousands, amount_for_people};

/// What a run did. The names of its fields are the names in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The orders that were read (with envelope upsert: the lines), without those set aside.
    pub orders: u64,
    /// The lines that were set aside.
    pub rejected: u64,
    /// Those of them that were set aside because they have no user. Left out of JSON if there are
    /// none.
    #[serde(skip_serializing_if = "is_zero")]
    pub guests: u64,
    /// The commonest reasons for setting lines aside, at most three.
    pub reasons: Vec<ReasonTold>,
    /// The number of rows of each view that has groups, such as users with orders. In JSON each is
    /// a field of its own.
    #[serde(flatten, serialize_with = "as_fields")]
    pub rows: Vec<(ViewId, u64)>,
    /// The number of orders in the results: `count` of the global total.
    pub count: i64,
    /// The amount of these orders: an exact decimal, a string in JSON.
    #[serde(rename = "totalPriceExact", serialize_with = "as_text")]
    pub amount: Amount,
    /// The seconds from the start of the run until the results were written.
    pub seconds: f64,
    /// The orders read, divided by the seconds.
    pub orders_per_second: f64,
    /// The folder of the result files; `None` if none were written.
    pub output: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn as_fields<S: Serializer>(rows: &[(ViewId, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().map(|(view, count)| (view.name, count)))
}

fn as_text<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// How the summary is printed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SummaryForm {
    /// As lines for people.
    Text,
    /// As one JSON object on one line.
    Json,
    /// It is not printed.
    Quiet,
}

impl Summary {
    /// Creates the summary of a run that read `orders`, set `rejected` aside and took `seconds`.
    pub fn new(results: &Results, orders: u64, rejected: u64, seconds: f64) -> Summary {
        // `seconds` is 0 if the clock did not move.
        let orders_per_second = if seconds > 0.0 { orders as f64 / seconds } else { 0.0 };
        Summary {
            orders,
            rejected,
            guests: 0,
            reasons: Vec::new(),
            rows: grouped_views().map(|view| (view, results.rows(view).len() as u64)).collect(),
            count: results.total().orders,
            amount: results.total().amount,
            seconds,
            orders_per_second,
            output: None,
        }
    }

    /// Writes the summary in the form asked for, ending in a line feed.
    ///
    /// # Errors
    /// Returns the writer's error.
    pub fn write(&self, form: SummaryForm, out: &mut impl Write) -> io::Result<()> {
        match form {
            SummaryForm::Text => write!(out, "{self}")?,
            SummaryForm::Json => {
                serde_json::to_writer(&mut *out, self)?;
                out.write_all(b"\n")?;
            }
            SummaryForm::Quiet => {}
        }
        out.flush()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = Thousands(self.orders_per_second as u64);
        let orders = Thousands(self.orders).to_string();
        writeln!(f, "orders     {orders} in {:.2} s, {rate} orders/s", self.seconds)?;
        if self.rejected > 0 {
            let kept = if self.output.is_some() { ", see rejects.jsonl" } else { "" };
            writeln!(f, "set aside  {}{kept}", Thousands(self.rejected))?;
            for told in &self.reasons {
                writeln!(f, "           {} like {told}", Thousands(told.rows))?;
            }
        }
        if self.guests > 0 {
            writeln!(f, "no user    {} of them: --guest-as NAME counts such orders", Thousands(self.guests))?;
        }
        for (view, count) in &self.rows {
            writeln!(f, "{:<9}  {}", view.name, Thousands(*count))?;
        }
        let (sign, count) = (if self.count < 0 { "-" } else { "" }, Thousands(self.count.unsigned_abs()));
        writeln!(f, "total      {} in {sign}{count} orders", amount_for_people(self.amount))?;
        if let Some(output) = &self.output {
            writeln!(f, "results    {output}")?;
        }
        Ok(())
    }
}

/// The views whose rows are counted, in the order of the list.
pub fn grouped_views() -> impl Iterator<Item = ViewId> {
    ViewId::all().filter(|view| view.counted.is_some())
}

#[cfg(test)]
mod tests {
    use dataflows::views::{USERS, WINDOWS};

    use super::*;

    fn summary() -> Summary {
        Summary {
            orders: 10_000_000,
            rejected: 0,
            guests: 0,
            reasons: Vec::new(),
            rows: vec![(USERS, 100_000), (WINDOWS, 2_880)],
            count: 9_999_999,
            amount: "-1234567.891".parse().unwrap(),
            seconds: 0.5,
            orders_per_second: 20_000_000.0,
            output: None,
        }
    }

    fn written(summary: &Summary, form: SummaryForm) -> String {
        let mut out = Vec::new();
        summary.write(form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_read_thousands() {
        assert_eq!(
            written(&summary(), SummaryForm::Text),
            "orders     10,000,000 in 0.50 s, 20,000,000 orders/s\n\
             users      100,000\n\
             windows    2,880\n\
             total      -1,234,567.891 in 9,999,999 orders\n"
        );
        let told = |rows, line, reason: &str| {
            let (file, reason) = ("a.csv".to_owned(), reason.to_owned());
            ReasonTold { rows, file, line, reason }
        };
        let reasons = vec![told(1_000, Some(7), "price is empty"), told(1, None, "user_id is empty")];
        let more = Summary { rejected: 1_001, guests: 1, reasons, output: Some("out".into()), ..summary() };
        let text = written(&more, SummaryForm::Text);
        let set_aside = "set aside  1,001, see rejects.jsonl\n           \
                         1,000 like a.csv line 7: price is empty\n           1 like a.csv: user_id is empty\n\
                         no user    1 of them: --guest-as NAME counts such orders\n";
        assert!(text.contains(set_aside), "{text}");
        assert!(text.ends_with("results    out\n"), "{text}");
    }

    #[test]
    fn machines_read_one_json_object() {
        assert_eq!(
            written(&summary(), SummaryForm::Json),
            "{\"orders\":10000000,\"rejected\":0,\"reasons\":[],\"users\":100000,\"windows\":2880,\"count\":9999999,\
             \"totalPriceExact\":\"-1234567.891\",\"seconds\":0.5,\"orders_per_second\":20000000.0,\
             \"output\":null}\n"
        );
        assert_eq!(written(&summary(), SummaryForm::Quiet), "");
    }

    #[test]
    fn a_run_of_no_time_has_no_rate() {
        assert_eq!(Summary::new(&Results::default(), 5, 0, 0.0).orders_per_second, 0.0);
    }
}
