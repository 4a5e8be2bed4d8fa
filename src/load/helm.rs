//! Runs the program `helm` on a chart that lies in the tree, where somebody asked for it:
//! never through a shell, without plugins, and without the address of any cluster.
//!
//! Refuses to know which charts there are, and what is to become of their text.

use super::program::{self, NoAnswer, Taken};
use std::io::{self, Read};
use std::process::Command;
use std::time::Duration;

/// Variables that outrank those of the environment: no cluster and no plugins.
const VARIABLES: &[(&str, &str)] = &[
    ("KUBECONFIG", "/dev/null"),
    ("HELM_PLUGINS", "/dev/null"),
    ("HELM_KUBEAPISERVER", ""),
    ("LC_ALL", "C"),
];

/// How long helm may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much a chart may print, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What `helm template` prints, with these options and operands; `values` go to its standard
/// input.
///
/// # Errors
///
/// Why there is no text, in words.
pub fn helm_template(
    options: &[String],
    operands: [&str; 2],
    values: &str,
) -> Result<String, String> {
    // An operand that looks like an option is none behind this.
    let mut command = command();
    command.args(options).arg("--").args(operands);
    let ended = program::run(&mut command, PATIENCE, values.as_bytes(), |printed| {
        let mut text = String::new();
        let length = printed.take(MAX_BYTES + 1).read_to_string(&mut text)? as u64;
        Ok(match length > MAX_BYTES {
            true => Taken::Enough(None),
            false => Taken::All(Some(text)),
        })
    });
    let ended = ended.map_err(|no_answer| match no_answer {
        NoAnswer::NotStarted(error) if error.kind() == io::ErrorKind::NotFound => {
            "the program helm is not installed".to_owned()
        }
        NoAnswer::NotStarted(error) | NoAnswer::Lost(error) => error.to_string(),
        NoAnswer::Silent(patience) => {
            format!("helm printed nothing for {} seconds", patience.as_secs())
        }
    })?;
    match ended.read {
        Ok(Taken::All(Some(text))) if ended.status.success() => Ok(text),
        Ok(Taken::Enough(_)) => Err(format!("helm prints more than {} MiB", MAX_BYTES >> 20)),
        Ok(_) => Err(format!("helm failed: {}", first_line(&ended.said))),
        Err(error) => Err(error.to_string()),
    }
}

fn first_line(said: &str) -> &str {
    let mut lines = said.lines().map(str::trim);
    lines
        .find(|line| !line.is_empty())
        .unwrap_or("without a word")
}

#[expect(
    clippy::disallowed_methods,
    reason = "`--render helm` asks for this program"
)]
fn command() -> Command {
    let mut command = Command::new("helm");
    command.arg("template").envs(VARIABLES.iter().copied());
    command
}
