//! Shows on standard error how far the work has come, once it takes longer than a person likes
//! to wait, and takes it away before anything else is printed.
//!
//! Refuses to know what the work is.

use crate::progress;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// After how long something is shown.
const DELAY: Duration = Duration::from_millis(500);

/// How often it is shown anew.
const PULSE: Duration = Duration::from_millis(100);

/// A line of standard error that comes and goes.
#[derive(Debug)]
pub(super) struct Ticker {
    line: Arc<Mutex<Line>>,
}

#[derive(Debug, Default)]
struct Line {
    /// How many columns are drawn.
    drawn: usize,
    is_stopped: bool,
}

impl Ticker {
    /// One that shows something as soon as it is worth it, in so many columns.
    pub(super) fn start(columns: usize) -> Self {
        let line = Arc::new(Mutex::new(Line::default()));
        let shared = Arc::clone(&line);
        // It ends with the process, or when there is something else to be read.
        thread::spawn(move || {
            thread::sleep(DELAY);
            loop {
                let mut line = lock(&shared);
                if line.is_stopped {
                    return;
                }
                if let Some(text) = progress::line() {
                    line.draw(&format!("npcheck: {text}"), columns, &mut io::stderr());
                }
                drop(line);
                thread::sleep(PULSE);
            }
        });
        Self { line }
    }

    /// Takes the line away while the guard lives.
    pub(super) fn pause(&self) -> Paused<'_> {
        let mut line = lock(&self.line);
        line.clear(&mut io::stderr());
        Paused { _line: line }
    }

    /// Takes the line away for good.
    pub(super) fn stop(&self) {
        let mut line = lock(&self.line);
        line.clear(&mut io::stderr());
        line.is_stopped = true;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Nothing is drawn while it lives.
pub(super) struct Paused<'t> {
    _line: MutexGuard<'t, Line>,
}

impl Line {
    /// Draws a text over the last one. Nobody is left to be told that nothing can be drawn.
    fn draw(&mut self, text: &str, columns: usize, err: &mut dyn Write) {
        let text: String = text.chars().take(columns.saturating_sub(1)).collect();
        let length = text.chars().count();
        let rest = " ".repeat(self.drawn.saturating_sub(length));
        let _ = write!(err, "\r{text}{rest}");
        let _ = err.flush();
        self.drawn = length;
    }

    fn clear(&mut self, err: &mut dyn Write) {
        if self.drawn > 0 {
            let _ = write!(err, "\r{}\r", " ".repeat(self.drawn));
            let _ = err.flush();
            self.drawn = 0;
        }
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_over_and_taken_away() {
        let (mut line, mut err) = (Line::default(), Vec::new());
        line.clear(&mut err);
        line.draw("npcheck: reading files: 10 of 10", 80, &mut err);
        line.draw("npcheck: judging", 80, &mut err);
        line.draw("npcheck: judging", 10, &mut err);
        line.clear(&mut err);
        line.clear(&mut err);
        let written = String::from_utf8_lossy(&err).into_owned();
        let expected = format!(
            "\rnpcheck: reading files: 10 of 10\rnpcheck: judging{}\rnpcheck: {}\r{}\r",
            " ".repeat(16),
            " ".repeat(7),
            " ".repeat(9)
        );
        assert_eq!(written, expected);
    }
}
