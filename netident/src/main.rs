//! The `netident` command: see `netident help` and docs/identity.md.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
