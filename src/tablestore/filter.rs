//! Encodes and decodes filters. A filter is a message whose type says how its bytes are to be read;
//! these may hold further filters.

use bytes::Bytes;
use prost::Message;

use super::plain_buffer::{parse_bare, write_bare};
use super::shape::{Misshapen, Part, check};
use super::table;
use store::filter::{CONDITIONS_MAX, Comparator, Filter};

/// The shape of a filter of any type.
static FILTER: [Part; 2] = [Part::must(1, "type", &[]), Part::must(2, "filter", &[])];
/// The shape of a filter of one column.
static SINGLE: [Part; 5] = [
    Part::must(1, "comparator", &[]),
    Part::must(2, "column_name", &[]),
    Part::must(3, "column_value", &[]),
    Part::must(4, "filter_if_missing", &[]),
    Part::must(5, "latest_version_only", &[]),
];
/// The shape of a filter that joins others.
static COMPOSITE: [Part; 2] = [
    Part::must(1, "combinator", &[]),
    Part {
        field: 2,
        count_max: CONDITIONS_MAX,
        refusal: "The count of filter exceeds the max: 32.",
        required: None,
        inside: &FILTER,
    },
];
/// The shape of a filter that chooses columns by their position.
static PAGE: [Part; 2] = [Part::must(1, "offset", &[]), Part::must(2, "limit", &[])];

/// Decodes a filter.
///
/// # Errors
/// Returns as a sentence what is wrong with it: it cannot be decoded, holds an unknown number, or
/// is too large.
pub fn parse_filter(bytes: &Bytes) -> Result<Filter, String> {
    let filter: table::Filter = decode(bytes.clone(), &FILTER)?;
    parse(filter, CONDITIONS_MAX, &mut 0)
}

fn decode<M: Message + Default>(bytes: Bytes, shape: &'static [Part]) -> Result<M, String> {
    check(&bytes, shape).map_err(|error| match error {
        Misshapen::TooMany(_) => error.to_string(),
        Misshapen::Missing(_) | Misshapen::Broken(_) => unreadable(error),
    })?;
    M::decode(bytes).map_err(unreadable)
}

/// Decodes a filter in which at most `depth_max` filters may lie inside each other. `conditions`
/// counts the filters that hold no others.
fn parse(filter: table::Filter, depth_max: usize, conditions: &mut usize) -> Result<Filter, String> {
    let kind = table::FilterType::try_from(filter.r#type);
    let kind = kind.map_err(|_| unknown("filter type", filter.r#type))?;
    if kind != table::FilterType::Composite {
        *conditions += 1;
    }
    if depth_max == 0 || *conditions > CONDITIONS_MAX {
        return Err(format!("The count of filter exceeds the max: {CONDITIONS_MAX}."));
    }
    match kind {
        table::FilterType::SingleColumnValue => single(filter.filter),
        table::FilterType::Composite => composite(filter.filter, depth_max - 1, conditions),
        table::FilterType::ColumnPagination => {
            let page = decode::<table::ColumnPaginationFilter>(filter.filter, &PAGE)?;
            let number = |name: &str, value: i32| {
                usize::try_from(value)
                    .map_err(|_| format!("The {name} of a column pagination filter is negative: {value}."))
            };
            Ok(Filter::Page { offset: number("offset", page.offset)?, limit: number("limit", page.limit)? })
        }
    }
}

fn single(bytes: Bytes) -> Result<Filter, String> {
    let single = decode::<table::SingleColumnValueFilter>(bytes, &SINGLE)?;
    let name = single.column_name;
    if name.is_empty() {
        return Err("A filter names no column.".to_owned());
    }
    if single.value_trans_rule.is_some() {
        return Err(format!(
            "The filter of column '{name}' has a value transfer rule, which is not supported."
        ));
    }
    let comparator = table::ComparatorType::try_from(single.comparator);
    let value = parse_bare(&single.column_value)
        .map_err(|error| format!("The filter of column '{name}': {error}."))?;
    Ok(Filter::Column {
        comparator: match comparator.map_err(|_| unknown("comparator", single.comparator))? {
            table::ComparatorType::Equal => Comparator::Equal,
            table::ComparatorType::NotEqual => Comparator::NotEqual,
            table::ComparatorType::GreaterThan => Comparator::Greater,
            table::ComparatorType::GreaterEqual => Comparator::GreaterEqual,
            table::ComparatorType::LessThan => Comparator::Less,
            table::ComparatorType::LessEqual => Comparator::LessEqual,
        },
        value: value.to_value(),
        name,
        if_missing: !single.filter_if_missing,
        latest_only: single.latest_version_only,
    })
}

fn composite(bytes: Bytes, depth_max: usize, conditions: &mut usize) -> Result<Filter, String> {
    let composite: table::CompositeColumnValueFilter = decode(bytes, &COMPOSITE)?;
    let operator = table::LogicalOperator::try_from(composite.combinator)
        .map_err(|_| unknown("logical operator", composite.combinator))?;
    let mut parts = Vec::new();
    for part in composite.sub_filters {
        let part = parse(part, depth_max, conditions)?;
        if matches!(part, Filter::Page { .. }) {
            return Err("A column pagination filter is inside another filter.".to_owned());
        }
        parts.push(part);
    }
    match (operator, parts.len()) {
        (table::LogicalOperator::Not, 1) => Ok(Filter::Not(Box::new(parts.remove(0)))),
        (table::LogicalOperator::Not, others) => {
            Err(format!("A NOT filter has {others} filters instead of 1."))
        }
        (_, 0) => Err("A composite filter has no filters.".to_owned()),
        (table::LogicalOperator::And, _) => Ok(Filter::All(parts)),
        (table::LogicalOperator::Or, _) => Ok(Filter::Any(parts)),
    }
}

fn unreadable(error: impl std::fmt::Display) -> String {
    format!("The filter cannot be parsed: {error}.")
}

fn unknown(what: &str, number: i32) -> String {
    format!("The filter has an unknown {what}: {number}.")
}

/// Returns the bytes of a filter.
pub fn encode_filter(filter: &Filter) -> Bytes {
    message(filter).encode_to_vec().into()
}

fn message(filter: &Filter) -> table::Filter {
    let composite = |operator: table::LogicalOperator, parts: &[&Filter]| {
        let sub_filters = parts.iter().map(|part| message(part)).collect();
        let composite = table::CompositeColumnValueFilter { combinator: operator.into(), sub_filters };
        (table::FilterType::Composite, composite.encode_to_vec())
    };
    let (kind, bytes) = match filter {
        Filter::Column { name, comparator, value, if_missing, latest_only } => {
            let comparator = match comparator {
                Comparator::Equal => table::ComparatorType::Equal,
                Comparator::NotEqual => table::ComparatorType::NotEqual,
                Comparator::Greater => table::ComparatorType::GreaterThan,
                Comparator::GreaterEqual => table::ComparatorType::GreaterEqual,
                Comparator::Less => table::ComparatorType::LessThan,
                Comparator::LessEqual => table::ComparatorType::LessEqual,
            };
            let single = table::SingleColumnValueFilter {
                comparator: comparator.into(),
                column_name: name.clone(),
                column_value: write_bare(value.borrow()).into(),
                filter_if_missing: !if_missing,
                latest_version_only: *latest_only,
                value_trans_rule: None,
            };
            (table::FilterType::SingleColumnValue, single.encode_to_vec())
        }
        Filter::Not(part) => composite(table::LogicalOperator::Not, &[part]),
        Filter::All(parts) => composite(table::LogicalOperator::And, &parts.iter().collect::<Vec<_>>()),
        Filter::Any(parts) => composite(table::LogicalOperator::Or, &parts.iter().collect::<Vec<_>>()),
        Filter::Page { offset, limit } => {
            // The wire has no room for larger numbers. The largest that it has also lets every
            // column pass.
            let number = |value: &usize| i32::try_from(*value).unwrap_or(i32::MAX);
            let page = table::ColumnPaginationFilter { offset: number(offset), limit: number(limit) };
            (table::FilterType::ColumnPagination, page.encode_to_vec())
        }
    };
    table::Filter { r#type: kind.into(), filter: bytes.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::value::Value;

    fn bytes(hex: &str) -> Bytes {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    fn column(name: &str, comparator: Comparator, value: Value, if_missing: bool) -> Filter {
        Filter::Column { name: name.to_owned(), comparator, value, if_missing, latest_only: true }
    }

    const PRICE: &str = "0801 1218 0804 12057072696365 1a09010000000000002940 2000 2801";

    #[test]
    fn filters_both_ways() {
        let price = column("price", Comparator::GreaterEqual, Value::Double(12.5), true);
        let timestamp = column("timestamp", Comparator::Less, Value::Integer(5), false);
        let both = format!(
            "0802 1242 0802 121c {PRICE} 1220 0801 121c 0805 120974696d657374616d70 1a09000500000000000000 2001 2801"
        );
        for (hex, filter) in [(PRICE, price.clone()), (&*both, Filter::All(vec![price.clone(), timestamp]))] {
            assert_eq!(encode_filter(&filter), bytes(hex));
            assert_eq!(parse_filter(&bytes(hex)).unwrap(), filter);
        }
        for filter in [
            Filter::Not(Box::new(price.clone())),
            Filter::Any(vec![price.clone(), Filter::Not(Box::new(price.clone()))]),
            Filter::All(vec![price; CONDITIONS_MAX]),
            Filter::Page { offset: 1, limit: 2 },
        ] {
            assert_eq!(parse_filter(&encode_filter(&filter)).unwrap(), filter);
        }
    }

    #[test]
    fn wrong_filters_are_refused_with_a_reason() {
        let one = column("a", Comparator::Equal, Value::Boolean(true), true);
        let deep = (0..CONDITIONS_MAX).fold(one.clone(), |inner, _| Filter::Not(Box::new(inner)));
        let cases = [
            (encode_filter(&Filter::All(vec![one.clone(); CONDITIONS_MAX + 1])), "exceeds the max: 32"),
            (encode_filter(&deep), "exceeds the max: 32"),
            (encode_filter(&Filter::All(vec![])), "no filters"),
            (encode_filter(&Filter::All(vec![Filter::Page { offset: 0, limit: 1 }])), "inside another"),
            (bytes("0804 1200"), "unknown filter type: 4"),
            (bytes("0802 1202 0804"), "unknown logical operator: 4"),
            (bytes("0802 1202 0801"), "has 0 filters"),
            (bytes("0803 120d 08ffffffffffffffffff01 1001"), "negative: -1"),
            (bytes("0801 1216 0809 1203616263 1a09010000000000002940 2000 2801"), "unknown comparator: 9"),
            (bytes("0801 120d 0801 1203616263 1a00 2000 2801"), "column 'abc'"),
            (bytes("0801 12ff"), "cannot be parsed"),
        ];
        for (filter, reason) in cases {
            let refused = parse_filter(&filter).unwrap_err();
            assert!(refused.contains(reason), "{filter:x?}: {refused}");
        }
    }
}
