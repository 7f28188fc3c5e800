//! What those who look at the results see: totals, top users and last windows, all as of one epoch.
//!
//! Read once from the result tables, then kept up with the changes of each epoch. Of users and windows it keeps no more
//! than [`ROWS_MAX`] each, however many there are: whoever is left out is known to rank below, and where too few are
//! left to fill the view, the tables are read anew.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Amount, Change, Epoch, Part, Parts, Totals};

use crate::job::{Committed, Recorded};
use order_tables::{ORDER_SOURCE, ResultError, each_totals, not_a_result, total};
use orders::Layout;
use store::error::{Damage, NoTable};
use store::value::KeyRef;
use store::view::View;

/// Users that are kept by each rank, and windows.
const ROWS_MAX: usize = 2_048;

/// Users and windows that may be asked for.
pub const SHOWN_MAX: usize = 1_000;

/// By what users rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// What they ordered for.
    Amount,
    /// How many orders they have.
    Count,
}

/// The rows that rank highest.
#[derive(Clone, Debug)]
struct Top<R> {
    rows: BTreeMap<R, Totals>,
    /// No row that is not kept ranks above this one; none where all are kept.
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

    /// Whether rows that are not kept may be among the first so many.
    fn is_short(&self, count: usize) -> bool {
        self.left_out.is_some() && self.rows.len() < count
    }
}

/// Rank of a user: the amount or the count, then the name.
type UserRank<V> = (V, Reverse<String>);

/// Totals, top users and last windows as of one epoch.
#[derive(Clone, Debug)]
pub struct Board {
    layout: Layout,
    /// The results are those of the orders as of all commits below this one.
    upper: Epoch,
    total: Totals,
    user_count: u64,
    window_count: u64,
    by_amount: Top<UserRank<Amount>>,
    by_count: Top<UserRank<i64>>,
    /// By their first instant, in epoch milliseconds.
    windows: Top<i64>,
}

impl Board {
    /// No orders.
    pub fn empty(layout: &Layout) -> Board {
        Board {
            layout: layout.clone(),
            upper: 0,
            total: Totals::ZERO,
            user_count: 0,
            window_count: 0,
            by_amount: Top::new(),
            by_count: Top::new(),
            windows: Top::new(),
        }
    }

    /// What the result tables say; no orders where there is no table of orders.
    ///
    /// Cost: one scan of the users and windows.
    ///
    /// # Errors
    /// [`ResultError`], where they cannot be read.
    pub fn read(view: &View, layout: &Layout) -> Result<Board, ResultError> {
        let mut board = Board::empty(layout);
        board.upper = upper(view)?;
        if view.table(ORDER_SOURCE).is_err() {
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
        each_totals(view, WINDOWS, &mut |key, totals| {
            board.window_count += 1;
            match key.first().map(|begin| (begin, window_ms(begin, layout))) {
                Some((_, Some(start_ms))) => board.windows.insert(start_ms, totals),
                Some((KeyRef::String(begin), None)) => wrong = Some(not_in_zone(begin, layout)),
                _ => wrong = Some(not_a_result(WINDOWS.table, key)),
            }
        })?;
        match wrong {
            None => Ok(board),
            Some(error) => Err(error),
        }
    }

    /// Follows an epoch, unless it was there already when the tables were read.
    pub fn apply(&mut self, committed: &Committed) {
        if committed.epoch < self.upper {
            return;
        }
        self.upper = committed.epoch + 1;
        for change in &committed.changes {
            self.apply_change(change);
        }
    }

    /// Takes over a row of a view that has a picture. Rows of other views are read where they are asked for.
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
                    Some(after) => self.windows.insert(*start_ms, *after),
                    None => self.windows.remove(start_ms),
                }
            }
            _ => {}
        }
    }

    fn insert_user(&mut self, user: String, totals: Totals) {
        self.by_count.insert(rank(totals.orders, &user), totals);
        self.by_amount.insert((totals.amount, Reverse(user)), totals);
    }

    /// Whether so few of the rows that were kept are left that the tables must be read anew to show so many.
    pub fn is_short(&self, shown: usize) -> bool {
        self.by_amount.is_short(shown) || self.by_count.is_short(shown) || self.windows.is_short(shown)
    }

    /// The last epoch that is in it.
    pub fn epoch(&self) -> Epoch {
        self.upper.saturating_sub(1)
    }

    /// All orders.
    pub fn total(&self) -> Totals {
        self.total
    }

    /// Users with orders.
    pub fn user_count(&self) -> u64 {
        self.user_count
    }

    /// Windows with orders.
    pub fn window_count(&self) -> u64 {
        self.window_count
    }

    /// The users who rank highest, the highest first, at most so many and [`SHOWN_MAX`]; equals by name.
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

    /// The windows up to the one that is open at this time, last first, at most so many, each with whether it is the
    /// open one; and how many windows there are after that one: orders may be of a later time.
    pub fn last_windows(&self, now_ms: i64, shown: usize) -> (Vec<(String, Totals, bool)>, usize) {
        let open = self.layout.width.containing(now_ms).start_ms;
        let later = self.windows.rows.range(open..).filter(|(start_ms, _)| **start_ms != open).count();
        let shown = self.windows.rows.range(..=open).rev().take(shown.min(SHOWN_MAX));
        let printed =
            |(start_ms, totals): (&i64, &Totals)| (self.layout.begin(*start_ms), *totals, *start_ms == open);
        (shown.map(printed).collect(), later)
    }
}

/// The first instant of the window whose row has this first key column; none if it is not of such a window.
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

/// The results in a view are those of the orders as of all commits below this one. Without a table of orders they hold all of
/// none, whatever is left of the tables.
fn upper(view: &View) -> Result<Epoch, Damage> {
    match view.table(ORDER_SOURCE) {
        Err(NoTable(_)) => Ok(view.last_commit() + 1),
        _ => Ok(Recorded::of(view)?.map_or(0, |recorded| recorded.upper)),
    }
}

/// The last commit of orders that the results in a view hold.
///
/// # Errors
/// [`Damage`], where the view cannot be read.
pub fn epoch_of(view: &View) -> Result<Epoch, Damage> {
    Ok(upper(view)?.saturating_sub(1))
}

fn count(rows: &mut u64, before: bool, after: bool) {
    *rows = (*rows + u64::from(after)).saturating_sub(u64::from(before));
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use dataflows::{Id, RowKey, WindowWidth};

    use super::*;
    use crate::job::Late;
    use orders::Zone;

    /// Rows that are looked at.
    const SHOWN: usize = 20;

    fn layout() -> Layout {
        Layout { zone: Zone::default(), width: WindowWidth::default() }
    }

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
        let mut board = Board::empty(&layout());
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
        // An epoch that the tables held already.
        board.apply(&epoch(2, vec![(user(2), Some(totals(1, 10)), None)]));
        assert_eq!(names(&board), ["u0000003", "u0000002"]);
    }

    #[test]
    fn windows_end_with_the_open_one_and_later_ones_are_counted() {
        let mut board = Board::empty(&layout());
        let all = (0..40).map(|number| (window(number), None, Some(totals(number, number)))).collect();
        board.apply(&epoch(1, all));
        let (shown, later) = board.last_windows(30_000 * 37 + 29_999, SHOWN);
        assert_eq!((shown.len(), later, board.window_count()), (SHOWN, 2, 40));
        assert_eq!(shown[0], ("1970-01-01 00:18:30".to_owned(), totals(37, 37), true));
        assert_eq!(shown[1], ("1970-01-01 00:18:00".to_owned(), totals(36, 36), false));
        // No order in the open one.
        board.apply(&epoch(2, vec![(window(37), Some(totals(37, 37)), None)]));
        let (shown, later) = board.last_windows(30_000 * 37, SHOWN);
        assert_eq!((shown[0].2, &*shown[0].0, later), (false, "1970-01-01 00:18:00", 2));
    }

    #[test]
    fn of_many_rows_the_highest_are_kept_and_their_want_is_noticed() {
        let mut board = Board::empty(&layout());
        let count = 3 * ROWS_MAX as u32;
        // Scattered, so that low ones come before and after high ones.
        let scattered = |number: u32| i64::from(number * 1_031 % count);
        let all: Vec<_> =
            (0..count).map(|number| (user(number), None, Some(totals(1, scattered(number))))).collect();
        board.apply(&epoch(1, all.clone()));
        assert_eq!((board.by_amount.rows.len(), board.user_count()), (ROWS_MAX, u64::from(count)));
        let mut by_amount: Vec<u32> = (0..count).collect();
        by_amount.sort_by_key(|number| Reverse(scattered(*number)));
        let name = |number: &u32| format!("u{number:07}");
        assert_eq!(names(&board), by_amount[..SHOWN].iter().map(name).collect::<Vec<_>>());

        // The best go, one after the other, until one that was left out may be among the first.
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
