//! `npcheck explain`: a rule's page of the manual, offline.
//!
//! Refuses to know what any page says.

use super::complete;
use super::exit::Outcome;
use super::terminal::Terminal;
use crate::lint::RuleMeta;
use crate::output::{nearest, write_rule_list, write_rule_page};
use crate::rules;
use clap::Args;
use std::io;

/// Show a rule's page: what it finds, why that is bad, and what to do
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The rule's name
    #[arg(required_unless_present = "all", add = complete::rules())]
    rule: Option<String>,
    /// List all rules
    #[arg(long, conflicts_with = "rule")]
    all: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
    let style = terminal.style;
    let Some(name) = &options.rule else {
        let written = write_rule_list(&rules, style, terminal.out());
        terminal.finish(written)?;
        return Ok(Outcome::Good);
    };
    let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
        let meant = nearest(name, rules.iter().map(|rule| rule.name));
        let help = meant.map_or(
            "npcheck explain --all lists the rules".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        terminal.complain(name, &format!("there is no such rule; {help}"));
        return Ok(Outcome::Incomplete);
    };
    let written = write_rule_page(rule, style, terminal.out());
    terminal.finish(written)?;
    Ok(Outcome::Good)
}
