//! The `arbitrate` command: see `arbitrate help` and docs/arbitration.md.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
