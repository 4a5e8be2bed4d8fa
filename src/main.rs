//! The program: hands over to [`npcheck::cli`] and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    npcheck::cli::run()
}
