//! What is said on standard error beside an answer, or in its place: which name means
//! nothing, what is called nearly so, and what is left out.
//!
//! Refuses to find any of that out.

use crate::cli::endpoint::{Candidate, Mistake};
use crate::cli::input::Input;
use crate::cli::terminal::{Terminal, Verbosity};
use crate::output::{Escaped, count};

/// Says why what was typed means nothing.
pub(in crate::cli) fn complain(
    terminal: &mut Terminal,
    input: &Input,
    typed: &str,
    mistake: &Mistake,
) {
    match mistake {
        Mistake::Malformed { reason } => terminal.complain(typed, reason),
        Mistake::Unknown { reason, nearest } => {
            terminal.say(format_args!("npcheck: {}", Escaped(reason)));
            if !nearest.is_empty() {
                terminal.say("  the nearest:");
                list(terminal, input, nearest);
            }
        }
        Mistake::Unanswerable { reason, seen } => {
            terminal.say(format_args!("npcheck: {}", Escaped(reason)));
            list(terminal, input, seen);
        }
        Mistake::Ambiguous { candidates } => {
            let what = format!("`{typed}` may be any of {}", candidates.len());
            terminal.say(format_args!("npcheck: {}; say which:", Escaped(&what)));
            list(terminal, input, candidates);
        }
    }
}

/// Candidates with the place where each is defined, in two columns.
fn list(terminal: &mut Terminal, input: &Input, candidates: &[Candidate]) {
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
            let position = input.sources.position(span);
            format!(
                "{}:{}:{}",
                input.sources.get(span.source).name(),
                position.line,
                position.column
            )
        });
        let place = place.unwrap_or_default();
        let line = format!("    {name:<widest$}  {}", Escaped(&place));
        terminal.say(line.trim_end());
    }
}

/// Says what the answer could not take into account: broken documents, and objects that
/// an API server would refuse.
pub(super) fn say_what_is_left_out(terminal: &mut Terminal, input: &Input) {
    if input.summary.broken > 0 {
        let broken = count(input.summary.broken, "broken document");
        terminal.say(format_args!(
            "npcheck: {broken} left out: `npcheck lint` says why"
        ));
    }
    let policies = input
        .cluster
        .policies()
        .iter()
        .map(|policy| &policy.object.meta);
    let cluster_policies = input
        .cluster
        .cluster_policies()
        .iter()
        .map(|policy| &policy.meta);
    let metas = policies.chain(cluster_policies);
    let refused = metas.filter(|meta| !meta.is_accepted).count();
    if refused > 0 && terminal.verbosity > Verbosity::Quiet {
        let refused = count(refused, "policy");
        terminal.say(format_args!(
            "npcheck: {refused} left out that an API server would refuse: `npcheck lint` says why"
        ));
    }
}
