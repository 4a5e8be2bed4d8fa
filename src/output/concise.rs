//! One line per finding, `path:line:col: severity rule message`, as editors and `grep`
//! understand it.
//!
//! Refuses to show source text.

use super::style::{Role, Style};
use super::{Escaped, Report};
use crate::diagnostic::Severity;
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings {
        let span = finding.primary.span;
        let place = report.sources.position(span);
        writeln!(
            out,
            "{}:{}:{}: {} {} {}",
            Escaped(report.sources.get(span.source).name()),
            place.line,
            place.column,
            style.paint(role(finding.severity), finding.severity.name()),
            finding.rule,
            Escaped(&finding.message),
        )?;
    }
    Ok(())
}

/// The colours of a severity.
pub(super) fn role(severity: Severity) -> Role {
    match severity {
        Severity::Error => Role::Error,
        Severity::Warning => Role::Warning,
        Severity::Info => Role::Info,
    }
}
