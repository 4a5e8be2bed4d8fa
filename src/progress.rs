//! How far long work has come, for a person who waits: whoever works says so, and whoever has
//! a terminal may look.
//!
//! Refuses to print, and to have a say in any answer: it is one number for the whole process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

static STAGE: Mutex<(&'static str, usize)> = Mutex::new(("", 0));
static DONE: AtomicUsize = AtomicUsize::new(0);

/// Begins a stage of so many parts, such as `reading files`.
pub fn begin(stage: &'static str, parts: usize) {
    *STAGE.lock().unwrap_or_else(PoisonError::into_inner) = (stage, parts);
    DONE.store(0, Ordering::Relaxed);
}

/// A part of the stage is done.
pub fn advance() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// The stage and how much of it is done: `reading files: 1200 of 3000`. Nothing before the
/// first.
#[must_use]
pub fn line() -> Option<String> {
    let (stage, parts) = *STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let done = DONE.load(Ordering::Relaxed).min(parts);
    match (stage, parts) {
        ("", _) => None,
        (stage, 0 | 1) => Some(stage.to_owned()),
        (stage, parts) => Some(format!("{stage}: {done} of {parts}")),
    }
}
