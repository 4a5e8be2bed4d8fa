//! Suppressions that do not do what they seem to do.

use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::lint::{
    Category, Context, Force, Form, NamedRule, Rule, RuleMeta, Standing, Suppression, declare_rule,
    near_miss, text,
};
use crate::source::{Edit, SourceMap, Span};

declare_rule! {
    /// ## What it does
    ///
    /// Checks the suppressions themselves. It reports a suppression that gives no reason, names
    /// a rule that does not exist, has expired, or suppresses nothing because the rule has no
    /// finding there.
    ///
    /// A suppression is a comment on the line of the finding or directly above it. At the top
    /// of a document, it covers the whole object. If your tooling drops comments, use an
    /// annotation of the object instead:
    ///
    /// ```text
    /// # npcheck: ignore any-cidr -- the shop is public
    /// # npcheck: ignore any-cidr, single-stack-cidr until=2027-01-31 -- IPv6 comes next year
    /// npcheck.io/ignore: "any-cidr: the shop is public; single-stack-cidr: so far"
    /// ```
    ///
    /// The date after `until=` is the last day on which the suppression holds.
    ///
    /// ## Why is this bad?
    ///
    /// A suppression with no reason, a misspelled rule or a past date has no effect: the
    /// finding is still reported. One that is no longer needed stays in place and hides the
    /// next mistake of that kind.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     # npcheck: ignore any-cidr
    ///     - from:
    ///         - ipBlock: {cidr: 198.51.100.0/24}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock: {cidr: 198.51.100.0/24}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: the fix deletes a comment that suppresses nothing, or the name of the rule that it
    /// does not need. Other problems have no automatic fix.
    pub(super) struct BadSuppression {
        name: "bad-suppression",
        summary: "a suppression with no reason, an unknown rule, an expired date, or no effect",
        category: Category::Tool,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for BadSuppression {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_suppression(&self, cx: &mut Context<'_>, suppression: &Suppression) {
        if let Some(finding) = check_form(cx, suppression) {
            cx.report(finding);
            return;
        }
        for named in &suppression.rules {
            let finding = match named.standing {
                Standing::Unknown => unknown_rule(cx, named),
                // Whether this very rule had to be suppressed is known only when it is done.
                Standing::Idle if named.name.value != Self::META.name => {
                    idle(cx, suppression, named)
                }
                Standing::Idle | Standing::NotAsked | Standing::Needed => continue,
            };
            cx.report(finding);
        }
        if let Force::Expired(day) = suppression.force {
            let is_needed = |named: &&NamedRule| named.standing == Standing::Needed;
            for named in suppression.rules.iter().filter(is_needed) {
                let message = format!("the suppression of `{}` ended on {day}", named.name);
                let finding = cx
                    .finding(suppression.span, message)
                    .with_severity(Severity::Warning)
                    .label("so the finding is reported again")
                    .help("fix what it suppressed, or set a later date");
                cx.report(finding);
            }
        }
    }
}

/// The fault of the suppression as a whole that keeps it from counting, if it has one.
fn check_form(cx: &Context<'_>, suppression: &Suppression) -> Option<Diagnostic> {
    let form = match suppression.form {
        Form::Comment => "# npcheck: ignore RULE -- reason",
        Form::Annotation => "RULE: reason",
    };
    let finding = |span, message: String| {
        cx.finding(span, message)
            .label("so it suppresses nothing")
            .help(format!("write it as `{form}`"))
    };
    match suppression.force {
        Force::Full | Force::Expired(_) => None,
        Force::Malformed => Some(finding(
            suppression.span,
            "this looks like a suppression, but does not say `npcheck: ignore`".to_owned(),
        )),
        Force::WithoutRule => Some(finding(
            suppression.span,
            "this suppression names no rule".to_owned(),
        )),
        Force::WithoutReason => {
            let name = suppression.rules.first()?;
            let message = format!("`{}` is suppressed without a reason", name.name);
            Some(finding(suppression.span, message))
        }
        Force::WithoutDay => {
            let written = suppression.until.as_ref()?.as_ref().err()?;
            let message = format!("`until={written}` is not a valid date");
            Some(finding(suppression.span, message).help("write it as `until=2027-01-31`"))
        }
    }
}

fn unknown_rule(cx: &Context<'_>, named: &NamedRule) -> Diagnostic {
    let known = cx.known_rules.iter().map(|rule| rule.name);
    let help = match near_miss::nearest_name(&named.name, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`npcheck explain --all` lists the rules".to_owned(),
    };
    let message = format!("there is no rule `{}` to suppress", named.name);
    cx.finding(named.name.span, message).help(help)
}

fn idle(cx: &Context<'_>, suppression: &Suppression, named: &NamedRule) -> Diagnostic {
    let message = format!("`{}` has no finding here to suppress", named.name);
    let finding = cx
        .finding(suppression.span, message)
        .with_severity(Severity::Warning);
    match suppression.form {
        Form::Comment => {
            let (title, edit) = deletion(cx.sources, suppression);
            finding.help(title).fix(Fix {
                title: title.to_owned(),
                class: FixClass::Safe,
                edits: vec![edit],
            })
        }
        Form::Annotation => finding.help(format!("delete `{}` from the annotation", named.name)),
    }
}

/// Deletes the names that are there for nothing, and the whole if no other is left.
fn deletion(sources: &SourceMap, suppression: &Suppression) -> (&'static str, Edit) {
    let kept: Vec<&str> = suppression
        .rules
        .iter()
        .filter(|named| named.standing != Standing::Idle)
        .map(|named| named.name.value.as_str())
        .collect();
    let (Some(first), Some(last)) = (suppression.rules.first(), suppression.rules.last()) else {
        return ("delete it", text::remove_comment(sources, suppression.span));
    };
    if kept.is_empty() {
        return ("delete it", text::remove_comment(sources, suppression.span));
    }
    // Nothing but names stands between the first and the last, save for a day.
    let (start, end) = (first.name.span, last.name.span);
    let edit = Edit {
        span: Span::new(start.source, start.start, end.end),
        replacement: kept.join(", "),
    };
    ("delete the rules that have no finding here", edit)
}
