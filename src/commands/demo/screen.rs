//! Draws lines over those that were drawn before.

use std::io;

use console::{Term, style};

use super::render::Line;

/// Rows and columns of a terminal that does not tell.
const SIZE: (u16, u16) = (24, 80);

/// The place on a terminal where the view is. The cursor is back when it is dropped.
pub(super) struct Screen {
    term: Term,
    drawn: usize,
}

impl Screen {
    /// On standard output, if that is a terminal that can move its cursor.
    pub(super) fn of_stdout() -> Option<Screen> {
        // Buffered, so that a frame is one write: half of one is never seen.
        let term = Term::buffered_stdout();
        (term.is_term() && !console::is_dumb()).then(|| Screen { term, drawn: 0 })
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.term.size_checked().unwrap_or(SIZE);
        (rows.into(), columns.into())
    }

    /// Shows the lines in the place of those before.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        self.term.hide_cursor()?;
        self.term.move_cursor_up(self.drawn)?;
        for Line { text, is_head } in lines {
            self.term.clear_line()?;
            match is_head {
                // Plain where colours are not wanted.
                true => self.term.write_line(&style(text).bold().to_string())?,
                false => self.term.write_line(text)?,
            }
        }
        self.term.clear_to_end_of_screen()?;
        self.drawn = lines.len();
        self.term.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone has no cursor.
        let _ = self.term.show_cursor().and_then(|()| self.term.flush());
    }
}
