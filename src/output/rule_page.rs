//! The manual of the rules: one page each, and the list of all, as Markdown for the
//! repository and as text for the terminal.
//!
//! Refuses to know the rules; it is handed what is known of them.

use super::concise::role;
use super::fit::fit_hanging;
use super::style::{Role, Style};
use crate::diagnostic::Severity;
use crate::lint::{Category, RuleMeta, RuleTier};
use std::io::{self, Write};

/// A rule's page in Markdown, as it stands in `docs/rules/`.
#[must_use]
pub fn rule_page(rule: &RuleMeta) -> String {
    let RuleMeta {
        name,
        summary,
        since,
        ..
    } = rule;
    let facts = facts(rule).join(" · ");
    let tier = tier(rule);
    let page = page(rule).trim().to_owned();
    format!("# {name}\n\n{summary}\n\n{facts} · since {since}\n\n{tier}\n\n{page}\n")
}

/// The list of all rules in Markdown, by category, as it stands in `docs/rules/`.
#[cfg(feature = "internals")]
#[must_use]
pub fn rule_index(rules: &[&RuleMeta]) -> String {
    let mut text = "# The rules\n\n`npcheck explain RULE` shows these pages offline.\n".to_owned();
    for (category, rules) in by_category(rules) {
        text += &format!("\n## {}\n\n", category.title());
        text += "| rule | finds | severity | tier | fix |\n|---|---|---|---|---|\n";
        for rule in rules {
            let RuleMeta { name, summary, .. } = rule;
            let fix = rule.fix.map_or("", |fix| fix.name());
            let severity = rule.severity.name();
            let tier = rule.tier.name();
            text +=
                &format!("| [`{name}`]({name}.md) | {summary} | {severity} | {tier} | {fix} |\n");
        }
    }
    text
}

/// Writes a rule's page for the terminal.
pub fn write_rule_page(rule: &RuleMeta, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let head = &mut style.fit(out);
    let severity = style.paint(role(rule.severity), rule.severity.name());
    writeln!(head, "{}  {severity}", style.paint(Role::Strong, rule.name))?;
    writeln!(head, "{}", rule.summary)?;
    writeln!(
        head,
        "{}",
        style.paint(Role::Faint, facts(rule)[1..].join(" · "))
    )?;
    writeln!(head, "{}", style.paint(Role::Faint, tier(rule)))?;
    writeln!(out)?;
    let mut is_code = false;
    for line in paragraphs(page(rule).trim(), style.width) {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            writeln!(out, "    {line}")?;
        } else if let Some(title) = line.strip_prefix("## ") {
            writeln!(out, "{}", style.paint(Role::Strong, title))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The lines of a page. For a terminal, those of a paragraph are joined and broken anew.
fn paragraphs(page: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return page.lines().map(str::to_owned).collect();
    };
    let mut lines: Vec<String> = Vec::new();
    let (mut is_code, mut is_open) = (false, false);
    for line in page.lines() {
        let is_fence = line.starts_with("```");
        let is_own = line.is_empty() || line.starts_with(['#', '|', ' ']);
        let is_item =
            line.starts_with("- ") || line.starts_with(|first: char| first.is_ascii_digit());
        match lines.last_mut() {
            Some(last) if is_open && !is_fence && !is_own && !is_item => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        is_code ^= is_fence;
        is_open = !is_code && !is_fence && !is_own;
    }
    let width = width.min(MAX_COLUMNS);
    let mut is_code = false;
    let mut fitted = Vec::new();
    for line in lines {
        is_code ^= line.starts_with("```");
        let hang = if line.starts_with("- ") { 2 } else { 0 };
        match is_code || line.is_empty() {
            true => fitted.push(line),
            false => fitted.extend(fit_hanging(&line, width, hang).lines().map(str::to_owned)),
        }
    }
    fitted
}

/// Longer lines of prose are hard to read.
const MAX_COLUMNS: usize = 92;

/// Writes the list of all rules for the terminal.
pub fn write_rule_list(rules: &[&RuleMeta], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    let width = rules
        .iter()
        .map(|rule| rule.name.len())
        .max()
        .unwrap_or_default();
    for (category, rules) in by_category(rules) {
        writeln!(out, "{}", style.paint(Role::Strong, category.title()))?;
        for rule in rules {
            let severity = style.paint(role(rule.severity), format!("{:7}", rule.severity.name()));
            writeln!(out, "  {:width$}  {severity}  {}", rule.name, rule.summary)?;
        }
    }
    Ok(())
}

/// The page without the space that a doc comment leaves in front of every line, and with
/// what every rule has in common.
fn page(rule: &RuleMeta) -> String {
    let lines = rule
        .page
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut page = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    if !page.contains(CONFIGURATION) {
        page = format!("{page}\n\n{CONFIGURATION}");
    }
    let start = page
        .find(CONFIGURATION)
        .expect("it was added where missing")
        + CONFIGURATION.len();
    let end = page[start..]
        .find("\n## ")
        .map_or(page.len(), |at| start + at);
    let (above, below) = page.split_at(end);
    format!("{}\n\n{}\n{below}", above.trim_end(), configuration(rule))
}

const CONFIGURATION: &str = "## Configuration";

/// How any rule is configured.
fn configuration(rule: &RuleMeta) -> String {
    let name = rule.name;
    let runs = rule.is_on_by_default && rule.tier == RuleTier::Stable;
    let (does, example) = match (runs, rule.severity) {
        (false, _) => ("Turn the rule on", "warning"),
        (true, Severity::Info) => ("Raise its severity", "warning"),
        (true, _) => ("Lower its severity", "info"),
    };
    format!(
        "{does} in `npcheck.yaml`, or turn it off with `{{severity: off, reason: ...}}`:\n\n\
         ```yaml\nrules:\n  {name}: {example}\n```\n\n\
         To suppress one finding, write `# npcheck: ignore {name} -- why` on its line or above it."
    )
}

/// What a glance at a rule should tell: its severity, its chapter, its fix.
fn facts(rule: &RuleMeta) -> Vec<String> {
    let fix = rule
        .fix
        .map_or("no fix".to_owned(), |fix| format!("fix: {}", fix.name()));
    let mut facts = vec![
        rule.severity.name().to_owned(),
        rule.category.title().to_owned(),
        fix,
    ];
    if !rule.is_on_by_default {
        facts.push("off by default".to_owned());
    }
    facts
}

/// How good the rule has proved to be, and so whether it runs by itself.
fn tier(rule: &RuleMeta) -> String {
    let evidence = rule.evidence;
    match rule.tier {
        RuleTier::Stable => format!("Stable: {evidence}."),
        RuleTier::Preview => {
            format!("Preview, so off unless you use `--preview` or ask for it by name: {evidence}.")
        }
    }
}

fn by_category<'a>(
    rules: &'a [&'a RuleMeta],
) -> impl Iterator<Item = (Category, Vec<&'a RuleMeta>)> {
    let of = |category| {
        rules
            .iter()
            .copied()
            .filter(|rule| rule.category == category)
            .collect()
    };
    let chapters = Category::ALL
        .into_iter()
        .map(move |category| (category, of(category)));
    chapters.filter(|(_, rules): &(_, Vec<_>)| !rules.is_empty())
}
