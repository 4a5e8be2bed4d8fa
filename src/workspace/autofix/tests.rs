//! What is done to fix at less cost leads to the same fixes.

use super::*;
use crate::config::Config;
use crate::yaml::differential;

/// All that came of the fixes, with the texts.
fn outcome(workspace: &Workspace, fixed: &Autofixed, today: Date) -> String {
    let ids = workspace.ids.iter();
    let texts: Vec<&str> = ids
        .map(|id| fixed.workspace.sources().get(*id).text())
        .collect();
    let refused = fixed.refused.iter();
    let refused: Vec<_> = refused.map(|(it, fault)| (name(it), fault)).collect();
    let left = fixed.report(None, today).findings;
    format!("{texts:#?} {} {refused:#?} {left:#?}", fixed.fixed)
}

#[test]
fn the_rules_that_matter_to_fixes_lead_to_the_same_fixes_as_all() {
    let today = "2026-11-27".parse().expect("a date");
    let config = Config {
        preview: true,
        ..Config::default()
    };
    let texts = differential::texts();
    let (mut fixed, mut rounds) = (0, 0);
    // Neighbours are mostly a document and mutations of it, which policies of others may select.
    for documents in texts.chunks(4).step_by(7) {
        let named = (0..).map(|number| format!("{number}.yaml"));
        let workspace = Workspace::load(named.zip(documents.iter().cloned()), &config);
        let report = workspace.lint(today);
        let has_suppressions = workspace.rules_for_fixes() == RulesToRun::All;
        if has_suppressions || report.findings.iter().all(|it| it.fix.is_none()) {
            continue;
        }
        let for_fixes = workspace.lint_for_fixes(None, today);
        for permission in [Permission::Safe, Permission::Narrowing, Permission::All] {
            let only = Only {
                permission,
                is_editable: |_| true,
                are_wanted: |_: &SourceMap, findings: &[Diagnostic]| vec![true; findings.len()],
            };
            let all = workspace.autofix_by(RulesToRun::All, report.clone(), today, &only);
            let some = workspace.autofix_by(RulesToRun::OfFixes, for_fixes.clone(), today, &only);
            fixed += some.fixed;
            rounds += usize::from(some.fixed > 0);
            let [some, all] = [some, all].map(|it| outcome(&workspace, &it, today));
            assert_eq!(some, all, "{permission:?} {documents:#?}");
        }
    }
    assert!(fixed > 120 && rounds > 40, "{fixed} fixes of {rounds}");
}
