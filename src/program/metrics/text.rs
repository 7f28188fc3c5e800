//! Writes metrics in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use store::{DURATION_BOUNDS, Durations};

/// How the values of a metric behave over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value only grows, except that it begins anew when the program restarts.
    Counter,
    /// The value goes up and down.
    Gauge,
    /// Values are counted by size.
    Histogram,
}

/// The text of all metrics so far. A metric with all its labels is a family.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// A family of metrics that is being written.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Text {
    /// Begins a family. Names and what they mean are our own: nothing in them needs escaping.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let text = &mut self.0;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text, name }
    }

    /// A family of one number.
    pub(super) fn number(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(value);
    }

    /// Returns the text of all families.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes the only number of this family.
    pub(super) fn sample(&mut self, value: impl Display) {
        let _ = writeln!(self.text, "{} {value}", self.name);
    }

    /// Writes one number of this family with its labels. The labels are our own too, so they need
    /// no escaping.
    pub(super) fn labelled(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{{", self.name);
        for (place, (label, of)) in labels.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{label}=\"{of}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// Writes durations as a histogram in seconds.
    pub(super) fn durations(&mut self, durations: &Durations) {
        let (text, name) = (&mut *self.text, self.name);
        let mut count = 0;
        let bounds = DURATION_BOUNDS.iter().map(|us| (*us as f64 / 1e6).to_string());
        for (bound, counted) in bounds.chain(["+Inf".to_owned()]).zip(durations.counts) {
            count += counted;
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_sum {}\n{name}_count {count}", durations.sum.as_secs_f64());
    }
}
