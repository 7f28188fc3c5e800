//! What all processes of one run must be given alike: every flag that is not named here.
//!
//! The flags are compared as they were parsed, so it does not matter how a value is spelled, or
//! whether it came from the command line or the environment. They are found by serializing
//! [`RunArgs`]: a flag that is added there is compared without anyone remembering.

use serde_json::Value;

use super::args::RunArgs;
use crate::commands::Failure;

/// The fields of [`RunArgs`] that processes of one run may be given differently.
const MAY_DIFFER: [&str; 10] = [
    // Which process this is, and where it finds the others. That they mean the same run is checked
    // as they meet.
    "process",
    "processes",
    "hostfile",
    "cluster_key_file",
    "wait",
    // Files are compared by name, size and content, because hosts may keep them in different
    // folders. With `--local-input`, each process has inputs of its own.
    "input",
    "instance",
    "region",
    // What a process tells of itself.
    "json",
    "quiet",
];

/// Returns the flags that all processes of the run must be given alike, as pairs of name and value.
///
/// # Errors
/// Returns [`Failure`] if a flag is not UTF-8, because it cannot be compared then.
pub(super) fn agreed(args: &RunArgs) -> Result<Vec<(String, String)>, Failure> {
    let all = serde_json::to_value(args).map_err(|error| {
        Failure::new(2, format!("the processes of a run compare their flags, and one cannot be: {error}"))
    })?;
    let mut flags = Vec::new();
    push_flags(&all, &mut flags);
    Ok(flags)
}

/// Appends the fields of a struct, and of the structs in it.
fn push_flags(fields: &Value, flags: &mut Vec<(String, String)>) {
    for (field, value) in fields.as_object().into_iter().flatten() {
        if value.is_object() {
            push_flags(value, flags);
        } else if !MAY_DIFFER.contains(&field.as_str()) {
            flags.push((flag(field), shown(value)));
        }
    }
}

/// Returns the flag whose value a field holds.
fn flag(field: &str) -> String {
    format!("--{}", field.replace('_', "-"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn command() -> Command {
        RunArgs::augment_args(Command::new("run").disable_help_flag(true))
    }

    fn parsed(more: &[&str]) -> RunArgs {
        let line = [&["run", "--input", "a.csv", "--output", "out"], more].concat();
        RunArgs::from_arg_matches(&command().get_matches_from(line)).unwrap()
    }

    #[test]
    fn every_flag_is_compared_or_named_as_one_that_may_differ() {
        let flags: BTreeSet<String> = command()
            .get_arguments()
            .map(|arg| format!("--{}", arg.get_long().expect("every argument is a flag with a name")))
            .collect();
        let compared: BTreeSet<String> =
            agreed(&parsed(&[])).unwrap().into_iter().map(|(name, _)| name).collect();
        let may_differ: BTreeSet<String> = MAY_DIFFER.into_iter().map(flag).collect();
        assert!(compared.is_disjoint(&may_differ));
        assert_eq!(compared.union(&may_differ).cloned().collect::<BTreeSet<_>>(), flags);
    }

    #[test]
    fn what_is_meant_is_compared_however_it_is_spelled() {
        let same = [
            (&["--window", "1m"], &["--window", "60s"]),
            (&["--max-rejects", "5%"], &["--max-rejects", "5.00%"]),
            (&["--envelope", "append"], &["--on-reject", "keep"]),
        ];
        for (one, other) in same {
            assert_eq!(agreed(&parsed(one)).unwrap(), agreed(&parsed(other)).unwrap(), "{one:?}");
        }
        let value = |more: &[&str], name: &str| {
            let flags = agreed(&parsed(more)).unwrap();
            flags.into_iter().find(|(flag, _)| flag == name).map(|(_, value)| value)
        };
        for (more, name, expected) in [
            (&["--window", "1m"][..], "--window", "60000 ms"),
            (&["--column-price", "amount"], "--column-price", "amount"),
            (&[], "--column-price", "none"),
            (&["--follow"], "--follow", "true"),
            (&[], "--max-rejects", "100%"),
            (&["--envelope", "upsert"], "--envelope", "upsert"),
            (&["-w", "3"], "--workers", "3"),
        ] {
            assert_eq!(value(more, name).as_deref(), Some(expected), "{more:?}");
        }
    }
}
