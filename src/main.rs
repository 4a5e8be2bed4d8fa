//! The program: hands over to [`npcheck::run`] and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    npcheck::run()
}
