//! Keeps the totals, the top users and how many windows lie ahead, all as of one epoch.
//!
//! They are read once from the result tables, and then updated with the changes of each epoch. At
//! most [`ROWS_MAX`] users by each rank are kept, however many there are: those that are left out are
//! known to rank below. If too few are left to show, the tables are read anew.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Amount, Change, Epoch, Part, Parts, Totals};

use super::ahead::{Ahead, CountAhead};
use crate::job::{Committed, Recorded};
use order_tables::{ORDER_SOURCE, ResultError, each_totals, not_a_result, total};
use orders::Layout;
use store::error::{Damage, NoTable};
use store::value::KeyRef;
use store::view::View;

/// The most users that are kept by each rank.
const ROWS_MAX: usize = 2_048;

/// The most users that may be asked for.
pub const SHOWN_MAX: usize = 1_000;

/// The number by which users rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// The amount of their orders.
    Amount,
    /// The count of their orders.
    Count,
}

/// The rows that rank highest.
#[derive(Clone, Debug)]
struct Top<R> {
    rows: BTreeMap<R, Totals>,
    /// No row that was left out ranks above this one; `None` if all rows are kept.
    left_out: Option<R>,
}

impl<R: Ord + Clone> Top<R> {
    fn new() -> Top<R> {
        Top { rows: BTreeMap::new(), left_out: None }
    }

    fn insert(&mut self, rank: R, totals: Totals) {
        if self.left_out.as_ref().is_some_and(|left_out| rank <= *left_out) {
            return;
        }
        self.rows.insert(rank, totals);
        if self.rows.len() > ROWS_MAX {
            self.left_out = self.rows.pop_first().map(|(rank, _)| rank);
        }
    }

    fn remove(&mut self, rank: &R) {
        self.rows.remove(rank);
    }

    /// Returns whether rows that were left out may be among the first `count`.
    fn is_short(&self, count: usize) -> bool {
        self.left_out.is_some() && self.rows.len() < count
    }
}

/// The rank of a user: the amount or the count, then the name.
type UserRank<V> = (V, Reverse<String>);

/// Totals, top users and windows ahead as of one epoch.
#[derive(Clone, Debug)]
pub struct Board {
    /// The results are those of the orders as of all commits below this one.
    upper: Epoch,
    total: Totals,
    user_count: u64,
    window_count: u64,
    by_amount: Top<UserRank<Amount>>,
    by_count: Top<UserRank<i64>>,
    ahead: Ahead,
}

impl Board {
    /// Creates a board without orders, as of `now_ms` (epoch ms).
    pub fn empty(now_ms: i64) -> Board {
        Board {
            upper: 0,
            total: Totals::ZERO,
            user_count: 0,
            window_count: 0,
            by_amount: Top::new(),
            by_count: Top::new(),
            ahead: Ahead::new(now_ms),
        }
    }

    /// Reads the board from the result tables, as of `now_ms` (epoch ms). It has no orders if there is
    /// no table of orders, or if the results are of windows that begin at other times.
    ///
    /// Cost: one scan of the users and windows.
    ///
    /// # Errors
    /// Returns [`ResultError`] if the tables cannot be read.
    pub fn read(view: &View, layout: &Layout, now_ms: i64) -> Result<Board, ResultError> {
        let mut board = Board::empty(now_ms);
        board.upper = upper(view)?;
        // Results of windows that begin at other times are about to be made anew.
        let is_of_others = || Ok::<_, Damage>(Recorded::of(view)?.is_some_and(|of| of.layout != *layout));
        if view.table(ORDER_SOURCE).is_err() || is_of_others()? {
            return Ok(board);
        }
        board.total = total(view)?;
        let mut wrong = None;
        each_totals(view, USERS, &mut |key, totals| match key {
            [KeyRef::String(user)] => {
                board.user_count += 1;
                board.insert_user((*user).to_owned(), totals);
            }
            _ => wrong = Some(not_a_result(USERS.table, key)),
        })?;
        each_totals(view, WINDOWS, &mut |key, _| {
            board.window_count += 1;
            match key.first().map(|begin| (begin, window_ms(begin, layout))) {
                Some((_, Some(start_ms))) => board.ahead.insert(start_ms),
                Some((KeyRef::String(begin), None)) => wrong = Some(not_in_zone(begin, layout)),
                _ => wrong = Some(not_a_result(WINDOWS.table, key)),
            }
        })?;
        match wrong {
            None => Ok(board),
            Some(error) => Err(error),
        }
    }

    /// Applies the changes of an epoch, unless the tables had them already when they were read.
    pub fn apply(&mut self, committed: &Committed) {
        if committed.epoch < self.upper {
            return;
        }
        self.upper = committed.epoch + 1;
        for change in &committed.changes {
            self.apply_change(change);
        }
    }

    /// Applies a changed row of a view that the board shows. Rows of other views are read when
    /// somebody asks for them.
    fn apply_change(&mut self, change: &Change) {
        let Change { key, before, after } = change;
        match &key.parts {
            Parts::None if key.view == TOTAL => self.total = after.unwrap_or(Totals::ZERO),
            Parts::One(Part::Text(user)) if key.view == USERS => {
                count(&mut self.user_count, before.is_some(), after.is_some());
                let user = user.to_string();
                if let Some(before) = before {
                    self.by_amount.remove(&rank(before.amount, &user));
                    self.by_count.remove(&rank(before.orders, &user));
                }
                if let Some(after) = after {
                    self.insert_user(user, *after);
                }
            }
            Parts::One(Part::Integer(start_ms)) if key.view == WINDOWS => {
                count(&mut self.window_count, before.is_some(), after.is_some());
                match after {
                    Some(_) => self.ahead.insert(*start_ms),
                    None => self.ahead.remove(*start_ms),
                }
            }
            _ => {}
        }
    }

    fn insert_user(&mut self, user: String, totals: Totals) {
        self.by_count.insert(rank(totals.orders, &user), totals);
        self.by_amount.insert((totals.amount, Reverse(user)), totals);
    }

    /// Returns whether the tables must be read anew before the board can show `shown` users by each
    /// rank, and how many windows lie ahead.
    pub fn is_short(&self, shown: usize) -> bool {
        self.by_amount.is_short(shown) || self.by_count.is_short(shown) || self.ahead.is_short()
    }

    /// Returns the last epoch that the board holds.
    pub fn epoch(&self) -> Epoch {
        self.upper.saturating_sub(1)
    }

    /// Returns the totals of all orders.
    pub fn total(&self) -> Totals {
        self.total
    }

    /// Returns the number of users with orders.
    pub fn user_count(&self) -> u64 {
        self.user_count
    }

    /// Returns the number of windows with orders.
    pub fn window_count(&self) -> u64 {
        self.window_count
    }

    /// Returns the users who rank highest, the highest first, at most `shown` and [`SHOWN_MAX`].
    /// Equal users are sorted by name.
    pub fn top_users(&self, rank: Rank, shown: usize) -> Vec<(String, Totals)> {
        fn named<V>(((_, Reverse(user)), totals): (&UserRank<V>, &Totals)) -> (String, Totals) {
            (user.clone(), *totals)
        }
        let shown = shown.min(SHOWN_MAX);
        match rank {
            Rank::Amount => self.by_amount.rows.iter().rev().take(shown).map(named).collect(),
            Rank::Count => self.by_count.rows.iter().rev().take(shown).map(named).collect(),
        }
    }

    /// Returns how many windows with orders begin after `now_ms` (epoch ms).
    pub(super) fn ahead(&mut self, now_ms: i64) -> CountAhead {
        self.ahead.at(now_ms)
    }
}

/// Returns the first instant (epoch ms) of the window whose row has this first key column; `None`
/// if no window has it.
fn window_ms(begin: &KeyRef<'_>, layout: &Layout) -> Option<i64> {
    match begin {
        KeyRef::String(begin) => layout.start_ms(begin),
        _ => None,
    }
}

fn not_in_zone(begin: &str, layout: &Layout) -> ResultError {
    ResultError::Window { begin: begin.to_owned(), zone: layout.zone.name().to_owned() }
}

fn rank<V>(value: V, user: &str) -> UserRank<V> {
    (value, Reverse(user.to_owned()))
}

/// Returns `upper` of a view: the results are those of the orders as of all commits below it.
/// Without a table of orders there are no orders, so the results hold all of them, whatever is left
/// in the tables.
fn upper(view: &View) -> Result<Epoch, Damage> {
    match view.table(ORDER_SOURCE) {
        Err(NoTable(_)) => Ok(view.last_commit() + 1),
        _ => Ok(Recorded::upper_of(view)?.unwrap_or_default()),
    }
}

/// Returns the last commit of orders that the results in a view hold.
///
/// # Errors
/// Returns [`Damage`] if the view cannot be read.
pub fn epoch_of(view: &View) -> Result<Epoch, Damage> {
    Ok(upper(view)?.saturating_sub(1))
}

fn count(rows: &mut u64, before: bool, after: bool) {
    *rows = (*rows + u64::from(after)).saturating_sub(u64::from(before));
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use dataflows::{Id, RowKey};

    use super::*;
    use crate::job::Late;

    /// The number of rows that the tests look at.
    const SHOWN: usize = 20;

    fn totals(orders: i64, amount: i64) -> Totals {
        Totals { orders, amount: Amount::from_decimal(amount, 0).unwrap() }
    }

    fn user(number: u32) -> RowKey {
        RowKey::new(USERS, Parts::text(Id::new(&format!("u{number:07}"))))
    }

    fn window(number: i64) -> RowKey {
        RowKey::new(WINDOWS, Parts::integer(number * 30_000))
    }

    fn epoch(epoch: Epoch, changes: Vec<(RowKey, Option<Totals>, Option<Totals>)>) -> Committed {
        let change = |(key, before, after)| Change { key, before, after };
        Committed {
            epoch,
            orders: changes.len(),
            changes: changes.into_iter().map(change).collect(),
            records: 0,
            in_graph: Duration::ZERO,
            late: Late::default(),
            at: Instant::now(),
        }
    }

    fn names(board: &Board) -> Vec<String> {
        board.top_users(Rank::Amount, SHOWN).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn users_rank_by_amount_then_name_as_changes_come() {
        let mut board = Board::empty(0);
        board.apply(&epoch(
            1,
            vec![
                (RowKey::new(TOTAL, Parts::None), None, Some(totals(4, 30))),
                (user(1), None, Some(totals(1, 10))),
                (user(2), None, Some(totals(1, 10))),
                (user(3), None, Some(totals(2, 10))),
            ],
        ));
        assert_eq!(names(&board), ["u0000001", "u0000002", "u0000003"]);
        board.apply(&epoch(
            2,
            vec![(user(1), Some(totals(1, 10)), None), (user(3), Some(totals(2, 10)), Some(totals(1, 11)))],
        ));
        assert_eq!(names(&board), ["u0000003", "u0000002"]);
        assert_eq!((board.user_count(), board.total(), board.epoch()), (2, totals(4, 30), 2));
        let by_count: Vec<String> =
            board.top_users(Rank::Count, SHOWN).into_iter().map(|(name, _)| name).collect();
        assert_eq!(by_count, ["u0000002", "u0000003"]);
        // The tables had this epoch already.
        board.apply(&epoch(2, vec![(user(2), Some(totals(1, 10)), None)]));
        assert_eq!(names(&board), ["u0000003", "u0000002"]);
    }

    #[test]
    fn windows_ahead_are_counted_as_they_come_and_go() {
        let mut board = Board::empty(30_000 * 37);
        let all = (0..40).map(|number| (window(number), None, Some(totals(number, number)))).collect();
        board.apply(&epoch(1, all));
        let ahead = board.ahead(30_000 * 37 + 29_999);
        assert_eq!((ahead.count, ahead.farthest_ms, board.window_count()), (2, Some(30_000 * 39), 40));
        // The farthest window has no orders any more.
        board.apply(&epoch(2, vec![(window(39), Some(totals(39, 39)), None)]));
        let ahead = board.ahead(30_000 * 37 + 29_999);
        assert_eq!((ahead.count, ahead.farthest_ms), (1, Some(30_000 * 38)));
        assert_eq!(board.ahead(30_000 * 38).count, 0);
    }

    #[test]
    fn of_many_rows_the_highest_are_kept_and_their_want_is_noticed() {
        let mut board = Board::empty(0);
        let count = 3 * ROWS_MAX as u32;
        // The amounts are scattered, so that low ones come before and after high ones.
        let scattered = |number: u32| i64::from(number * 1_031 % count);
        let all: Vec<_> =
            (0..count).map(|number| (user(number), None, Some(totals(1, scattered(number))))).collect();
        board.apply(&epoch(1, all.clone()));
        assert_eq!((board.by_amount.rows.len(), board.user_count()), (ROWS_MAX, u64::from(count)));
        let mut by_amount: Vec<u32> = (0..count).collect();
        by_amount.sort_by_key(|number| Reverse(scattered(*number)));
        let name = |number: &u32| format!("u{number:07}");
        assert_eq!(names(&board), by_amount[..SHOWN].iter().map(name).collect::<Vec<_>>());

        // The best users go, one after the other, until one that was left out may be among the
        // first.
        let (mut gone, mut at) = (0, 1);
        while !board.is_short(SHOWN) {
            let number = by_amount[gone];
            at += 1;
            board.apply(&epoch(at, vec![(user(number), Some(totals(1, scattered(number))), None)]));
            gone += 1;
            if !board.is_short(SHOWN) {
                let first = by_amount[gone..gone + SHOWN].iter().map(name);
                assert_eq!(names(&board), first.collect::<Vec<_>>());
            }
        }
        assert_eq!(gone, ROWS_MAX - SHOWN + 1);
    }
}
