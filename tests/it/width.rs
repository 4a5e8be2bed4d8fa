//! What people read fits their terminal: every line of every command, at several widths, with
//! the same words in it.

use super::program::{root, run};
use npcheck::output::fit;

/// Commands that print lines for people, from the root of the repository.
const COMMANDS: &[&str] = &[
    "lint examples/shop --show info",
    "lint examples/shop --color always --statistics",
    "lint examples/shop --color always",
    "reach shop/web shop/cart -p 8080 examples/shop",
    "reach any shop/cart examples/shop",
    "diff examples/guide/before.yaml examples/guide/after.yaml --why --all",
    "exposure examples/shop",
    "paths internet shop/cart --cut --all examples/shop",
    "test --tests examples/guide/expected.yaml examples/guide/before.yaml",
    "explain --all",
    "files examples/gitops",
    "files --roots examples/gitops",
];

/// The words of a text, without colours and what is put around them when a line goes on.
fn words(text: &str) -> Vec<String> {
    let text = plain(text);
    let is_frame = |word: &&str| !matches!(*word, "|" | "\\");
    let words = text.split_whitespace().filter(is_frame);
    words.map(str::to_owned).collect()
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let visible = |part: &str| {
        part.split_once('m')
            .map_or(String::new(), |(_, text)| text.to_owned())
    };
    first + &parts.map(visible).collect::<String>()
}

#[test]
fn lines_fit_and_no_word_is_broken_or_lost() {
    let mut broken = 0;
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split(' ').collect();
        let run = run(root(), &arguments);
        assert!(
            run.status < 2 || command.contains("any"),
            "{command}: {run:?}"
        );
        for columns in [40, 60, 80, 200] {
            for line in run.stdout.lines().chain(run.stderr.lines()) {
                let fitted = fit(line, columns);
                assert_eq!(words(&fitted), words(line), "{command}");
                let is_source = words(line)
                    .first()
                    .is_some_and(|word| word.parse::<u32>().is_ok());
                for line in fitted.lines() {
                    let is_one_word = words(line).len() <= 2;
                    let is_good =
                        plain(line).chars().count() <= columns || is_one_word || is_source;
                    assert!(is_good, "{command} at {columns}: {line}");
                }
                broken += usize::from(fitted.lines().count() > 1);
            }
        }
    }
    assert!(broken > 50, "{broken} lines were broken");
}
