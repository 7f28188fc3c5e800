//! Tests that money is exact: what is read is what was written, what is summed is the sum, and what
//! is retracted is gone.

use dataflows::{Amount, AmountError, FRACTION_DIGITS_MAX, Totals};
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Multiply, Semigroup};
use proptest::prelude::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
}

#[test]
fn texts_and_what_they_print() {
    for (text, printed) in [
        ("0", "0.00"),
        ("-0.0", "0.00"),
        ("+7", "7.00"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("0.1", "0.10"),
        ("-12.345", "-12.345"),
        ("-0.001", "-0.001"),
        ("1e3", "1000.00"),
        ("1.5E-2", "0.015"),
        ("120e-1", "12.00"),
        ("1000000000000", "1000000000000.00"),
        ("-1000000000000.000", "-1000000000000.00"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("999999999999.999999999999999999", "999999999999.999999999999999999"),
        ("1.1000000000000000000000000000000000000000", "1.10"),
        ("00000000000000000000000000000000000000000012.5", "12.50"),
        ("0e99999999999999999999", "0.00"),
        ("10000000000000000000000e-20", "100.00"),
    ] {
        assert_eq!(amount(text).to_string(), printed, "{text}");
    }
}

#[test]
fn texts_that_are_refused() {
    use AmountError::{Empty, NotDecimal, TooFine, TooLarge};
    for (text, error) in [
        ("", Empty),
        ("-", NotDecimal),
        (".", NotDecimal),
        ("+", NotDecimal),
        ("12,34", NotDecimal),
        ("1 000", NotDecimal),
        ("NaN", NotDecimal),
        ("inf", NotDecimal),
        ("1e", NotDecimal),
        ("1e+", NotDecimal),
        ("1e1.5", NotDecimal),
        ("--1", NotDecimal),
        ("0x10", NotDecimal),
        ("１", NotDecimal),
        ("1e400", TooLarge),
        ("1000000000000.01", TooLarge),
        ("1000000000000.000000000000000001", TooLarge),
        ("-1000000000001", TooLarge),
        ("1e99999999999999999999999", TooLarge),
        ("99999999999999999999999999999999999999999999", TooLarge),
        ("0.0000000000000000001", TooFine),
        ("1e-400", TooFine),
        ("1e-99999999999999999999999", TooFine),
        ("1.00000000000000000000000000000000000000001", TooFine),
        ("9999999999999999999999999999999e-20", TooFine),
    ] {
        assert_eq!(text.parse::<Amount>(), Err(error), "{text:?}");
    }
}

#[test]
fn doubles_that_are_refused() {
    for (double, error) in [
        (f64::NAN, AmountError::NotFinite),
        (f64::INFINITY, AmountError::NotFinite),
        (f64::NEG_INFINITY, AmountError::NotFinite),
        (1e300, AmountError::TooLarge),
        (1_000_000_000_000.1, AmountError::TooLarge),
        (5e-324, AmountError::TooFine),
        (1e-19, AmountError::TooFine),
    ] {
        assert_eq!(Amount::try_from(double), Err(error), "{double}");
    }
}

#[test]
fn a_tenth_and_two_tenths_are_three_tenths() {
    let sum = |a: f64, b: f64| {
        let (a, b) = (Amount::try_from(a).unwrap(), Amount::try_from(b).unwrap());
        a.checked_add(b).unwrap().to_string()
    };
    assert_eq!(sum(0.1, 0.2), "0.30");
    assert_ne!(0.1 + 0.2, 0.3);
}

#[test]
fn ten_million_cents_are_a_hundred_thousand() {
    let mut totals = Totals::zero();
    let cent = Totals::of(Amount::try_from(0.01).unwrap(), 1);
    for _ in 0..10_000_000 {
        totals.plus_equals(&cent);
    }
    assert_eq!(totals.amount.to_string(), "100000.00");
    assert_eq!(totals.amount.to_f64(), 100_000.0);
}

#[test]
#[should_panic(expected = "fits in 128 bits")]
fn a_sum_that_does_not_fit_is_no_answer() {
    let mut totals = Totals::of(Amount::from_units(i128::MAX), 1);
    totals.plus_equals(&Totals::of(Amount::from_units(1), 1));
}

/// Returns a strategy for prices: mostly cents, sometimes all 18 fraction digits.
fn price() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (-10_000_000_i64..10_000_000)
            .prop_map(|cents| Amount::from_decimal(cents, 2).expect("a price in cents")),
        (-1_000_000_000_000_000_000_000_000_000_000_i128..=1_000_000_000_000_000_000_000_000_000_000)
            .prop_map(Amount::from_units),
    ]
}

/// Returns a strategy for decimals of at most 15 digits, as people write prices. A double holds
/// them.
fn short_decimal() -> impl Strategy<Value = (i64, u32)> {
    (-999_999_999_999_999_i64..=999_999_999_999_999, 3_u32..=15)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sums_are_exact_and_free_of_order(prices in prop::collection::vec(price(), 0..60), seed in any::<u64>()) {
        let exact: i128 = prices.iter().map(|price| price.units()).sum();
        let mut order: Vec<usize> = (0..prices.len()).collect();
        // The shuffle depends on the seed alone.
        order.sort_by_key(|at| (seed ^ *at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut totals = Totals::zero();
        order.iter().for_each(|at| totals.plus_equals(&Totals::of(prices[*at], 1)));
        prop_assert_eq!(totals.amount.units(), exact);
        prop_assert_eq!(totals.orders, prices.len() as i64);
    }

    #[test]
    fn a_retraction_restores_the_very_bits(start in price(), prices in prop::collection::vec(price(), 1..40)) {
        let before = Totals::of(start, 1);
        let mut totals = before;
        prices.iter().for_each(|price| totals.plus_equals(&Totals::of(*price, 1)));
        prices.iter().for_each(|price| totals.plus_equals(&Totals::of(*price, -1)));
        prop_assert_eq!(totals, before);
    }

    #[test]
    fn totals_are_a_commutative_group(a in price(), b in price(), c in price(), times in -1000_i64..1000) {
        let [a, b, c] = [a, b, c].map(|price| Totals::of(price, 1));
        let plus = |a: Totals, b: Totals| { let mut sum = a; sum.plus_equals(&b); sum };
        let minus = |a: Totals| { let mut negated = a; negated.negate(); negated };
        prop_assert_eq!(plus(a, b), plus(b, a));
        prop_assert_eq!(plus(plus(a, b), c), plus(a, plus(b, c)));
        prop_assert_eq!(plus(a, Totals::zero()), a);
        prop_assert!(plus(a, minus(a)).is_zero());
        prop_assert_eq!(a.multiply(&times), Totals::of(a.amount, times));
        prop_assert_eq!(plus(a.multiply(&times), a), a.multiply(&(times + 1)));
    }

    #[test]
    fn what_is_printed_reads_back(price in price()) {
        let printed = price.to_string();
        prop_assert_eq!(amount(&printed), price);
        let (_, fraction) = printed.split_once('.').expect("a plain decimal");
        prop_assert!(fraction.len() == 2 || (fraction.len() > 2 && !fraction.ends_with('0')), "{}", printed);
        prop_assert!(!printed.contains('e'));
    }

    #[test]
    fn doubles_and_texts_agree((mantissa, fraction_digits) in short_decimal()) {
        let exact = Amount::from_decimal(mantissa, fraction_digits).unwrap();
        let text = format!("{mantissa}e-{fraction_digits}");
        let double: f64 = text.parse().unwrap();
        prop_assert_eq!(Amount::try_from(double).unwrap(), exact);
        prop_assert_eq!(amount(&text), exact);
        prop_assert_eq!(exact.to_f64().to_bits(), (if mantissa == 0 { 0.0 } else { double }).to_bits());
    }

    #[test]
    fn a_double_is_its_shortest_decimal(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        // Rust prints the shortest decimal that reads back to the same double.
        match Amount::try_from(double) {
            Ok(ours) => {
                prop_assert_eq!(ours, amount(&format!("{double}")));
                prop_assert_eq!(ours.to_f64(), double);
            }
            Err(AmountError::NotFinite) => prop_assert!(!double.is_finite()),
            Err(AmountError::TooLarge) => prop_assert!(double.abs() > 1e12),
            Err(AmountError::TooFine) => {
                let text = format!("{double}");
                let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                prop_assert!(fraction > FRACTION_DIGITS_MAX as usize);
            }
            Err(error) => prop_assert!(false, "{double} {error}"),
        }
    }

    #[test]
    fn small_doubles_too(mantissa in 1_u64..1 << 53, exponent in -60_i32..-10) {
        let double = mantissa as f64 * f64::powi(2.0, exponent);
        let printed = format!("{double}");
        match Amount::try_from(double) {
            Ok(ours) => prop_assert_eq!(ours, amount(&printed)),
            Err(error) => prop_assert_eq!(printed.parse::<Amount>(), Err(error)),
        }
    }
}

#[test]
fn products_are_exact_or_refused() {
    use AmountError::{TooFine, TooLarge};
    for (one, other, product) in [
        ("6", "2.55", Ok("15.30")),
        ("-2", "4.95", Ok("-9.90")),
        ("-2", "-4.95", Ok("9.90")),
        ("0", "1000000000000", Ok("0.00")),
        ("0.000000001", "0.000000001", Ok("0.000000000000000001")),
        ("0.0000000001", "0.000000001", Err(TooFine)),
        ("0.000000000000000005", "0.2", Ok("0.000000000000000001")),
        ("1000000", "1000000", Ok("1000000000000.00")),
        ("1000000", "1000000.01", Err(TooLarge)),
        ("1000000000000", "1000000000000", Err(TooLarge)),
        ("1000000000000", "0.000000000000000001", Ok("0.000001")),
        ("999999999999.999999999999999999", "1", Ok("999999999999.999999999999999999")),
        ("999999999999.999999999999999999", "999999999999.999999999999999999", Err(TooLarge)),
        ("0.999999999999999999", "0.999999999999999999", Err(TooFine)),
    ] {
        let product = product.map(str::to_owned);
        assert_eq!(
            amount(one).times(amount(other)).map(|amount| amount.to_string()),
            product,
            "{one} × {other}"
        );
        assert_eq!(
            amount(other).times(amount(one)).map(|amount| amount.to_string()),
            product,
            "{other} × {one}"
        );
    }
}

proptest! {
    #[test]
    fn a_whole_quantity_times_a_price_is_their_sum(quantity in -1_000_i64..1_000, cents in -10_000_000_i64..10_000_000) {
        let price = Amount::from_decimal(cents, 2).unwrap();
        let product = Amount::from_decimal(quantity, 0).unwrap().times(price);
        prop_assert_eq!(product, Amount::from_decimal(quantity * cents, 2));
    }

    #[test]
    fn products_agree_with_fractions(one in -(1_i64 << 50)..1 << 50, other in -(1_i64 << 50)..1 << 50, digits in (0_u32..18, 0_u32..18)) {
        let (Ok(a), Ok(b)) = (Amount::from_decimal(one, digits.0), Amount::from_decimal(other, digits.1)) else {
            return Ok(());
        };
        let text = format!("{}e-{}", i128::from(one) * i128::from(other), digits.0 + digits.1);
        prop_assert_eq!(a.times(b), text.parse());
    }
}
