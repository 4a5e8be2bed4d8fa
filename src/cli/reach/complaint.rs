//! What is said on standard error in the place of an answer: which name means nothing, and
//! what is called nearly so.
//!
//! Refuses to find any of that out.

use crate::cli::endpoint::{Candidate, Mistake};
use crate::cli::terminal::Terminal;
use crate::output::Escaped;
use crate::source::SourceMap;

/// Says why what was typed means nothing.
pub(in crate::cli) fn complain(
    terminal: &mut Terminal,
    sources: &SourceMap,
    typed: &str,
    mistake: &Mistake,
) {
    match mistake {
        Mistake::Malformed { reason } => terminal.complain(typed, reason),
        Mistake::Unknown { reason, nearest } => {
            terminal.say(format_args!("npcheck: {}", Escaped(reason)));
            if !nearest.is_empty() {
                terminal.say("  the nearest:");
                list(terminal, sources, nearest);
            }
        }
        Mistake::Unanswerable { reason, seen } => {
            terminal.say(format_args!("npcheck: {}", Escaped(reason)));
            list(terminal, sources, seen);
        }
        Mistake::Ambiguous { candidates } => {
            let what = format!("`{typed}` may be any of {}", candidates.len());
            terminal.say(format_args!("npcheck: {}; say which:", Escaped(&what)));
            list(terminal, sources, candidates);
        }
    }
}

/// Candidates with the place where each is defined, in two columns.
fn list(terminal: &mut Terminal, sources: &SourceMap, candidates: &[Candidate]) {
    let shown = |candidate: &Candidate| Escaped(&candidate.name).to_string();
    let widest = candidates
        .iter()
        .map(|candidate| shown(candidate).chars().count())
        .max();
    // One long name shall not push the places of all others out of sight.
    let widest = widest.unwrap_or_default().min(48);
    for candidate in candidates {
        let name = shown(candidate);
        let place = candidate.span.map(|span| {
            let position = sources.position(span);
            format!(
                "{}:{}:{}",
                sources.get(span.source).name(),
                position.line,
                position.column
            )
        });
        let place = place.unwrap_or_default();
        let line = format!("    {name:<widest$}  {}", Escaped(&place));
        terminal.say(line.trim_end());
    }
}
