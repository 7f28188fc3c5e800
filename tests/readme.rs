//! What the README says of the results is what they are.

use dataflows::{Aggregate, ViewId};

#[test]
fn the_table_of_result_tables_names_each_view_with_its_columns() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).expect("the README is there");
    let heads: Vec<String> = ViewId::all()
        .map(|view| {
            let quoted = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let mut key = view.key.iter().map(|column| column.name).collect::<Vec<_>>();
            let mut columns = Vec::new();
            for aggregate in view.aggregates {
                match *aggregate {
                    // A table needs a key: without groups, that is the count.
                    Aggregate::Count { column } if view.key.is_empty() => key.push(column),
                    Aggregate::Count { column } => columns.push(column),
                    Aggregate::Sum { column, exact } => columns.extend([column, exact]),
                }
            }
            let (key, columns) = (quoted(key).join(", "), quoted(columns).join(", "));
            format!("| `{}` | {key} | {columns}", view.table)
        })
        .collect();
    let lines: Vec<&str> = heads
        .iter()
        .map(|head| {
            let line = readme.lines().find(|line| line.starts_with(head.as_str()));
            line.unwrap_or_else(|| panic!("the README has no line that begins {head:?}"))
        })
        .collect();
    let places: Vec<usize> =
        lines.iter().map(|line| readme.find(line).expect("a line of the README")).collect();
    assert!(places.is_sorted(), "in the order of the views: {lines:?}");
    for view in ViewId::all() {
        let address = format!("`/api/{}`", view.name);
        let parameters = format!("`/api/{}?", view.name);
        assert!(readme.contains(&address) || readme.contains(&parameters), "the README names {address}");
    }
}
