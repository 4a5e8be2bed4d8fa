//! `npcheck reach` on `tests/fixtures/reach/<scenario>/`: every line of `commands` is run in
//! the scenario's directory, and the answers read as in `answers.snap`.

use crate::program::{root, run};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/fixtures/reach")).expect("there are scenarios");
    let mut scenarios: Vec<_> = entries
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    scenarios.sort();
    scenarios
}

#[test]
fn answers_read_as_they_should() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 15, "only {} scenarios", scenarios.len());
    for scenario in scenarios {
        let commands =
            fs::read_to_string(scenario.join("commands")).expect("a scenario has commands");
        let mut answers = String::new();
        for line in commands.lines() {
            let arguments: Vec<&str> = ["reach"].into_iter().chain(line.split(' ')).collect();
            let answer = run(&scenario, &arguments);
            writeln!(answers, "$ npcheck reach {line}").expect("strings can be written to");
            answers += &answer.stdout;
            answers += &answer.stderr;
            writeln!(answers, "[exit {}]\n", answer.status).expect("strings can be written to");
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&scenario);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("answers", answers));
    }
}
