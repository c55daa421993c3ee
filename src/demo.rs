//! `palisade demo`: two nodes, one embedded disk, real processes.
//!
//! Runs the very commands an operator would type, prints each, and checks every exit code: it fails if
//! a challenge against a live owner is won or one against a killed owner is not.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Defended.
const DEFENDED: i32 = 10;

/// The two nodes and their disk.
struct Stage {
    arbitrate: PathBuf,
    dir: tempfile::TempDir,
    profile: String,
}

/// A running defender, killed when the demo ends.
struct Defender {
    child: Child,
}

pub(crate) fn run(profile: &str) -> Result<()> {
    let stage = Stage {
        arbitrate: beside_this_program("arbitrate")?,
        dir: tempfile::tempdir().context("making a folder for the demo")?,
        profile: profile.to_owned(),
    };
    let disk = stage.disk();
    stage.say("An embedded disk that two nodes share:");
    stage.expect(0, &["sim", "create", &disk])?;

    stage.say("Node 1 takes it and defends it:");
    let mut owner = stage.defend("1", "a")?;

    stage.say("Node 2 challenges. Node 1 is alive and will defend:");
    stage.expect(DEFENDED, &stage.challenge("2", "b"))?;
    ensure!(owner.child.try_wait()?.is_none(), "the owner ended although it had defended");

    stage.say("Node 1 is killed (SIGKILL): nothing is released, its reservation stays on the disk.");
    owner.kill()?;

    stage.say("Node 2 challenges again. Nobody defends:");
    stage.expect(0, &stage.challenge("2", "b"))?;

    stage.say("Who owns it now:");
    stage.expect(0, &["inspect", &format!("sim:{disk}?as=b")])?;
    println!("\nBoth challenges ended as they must: the first was defended, the second was won.");
    Ok(())
}

impl Stage {
    fn disk(&self) -> String {
        self.dir.path().join("disk").display().to_string()
    }

    fn say(&self, text: &str) {
        println!("\n# {text}");
    }

    fn node(&self, number: &str, port: &str) -> Vec<String> {
        let device = format!("sim:{}?as={port}", self.disk());
        let fixed = ["--cluster", "demo", "--node", number, "--profile", &self.profile];
        std::iter::once(device).chain(fixed.map(str::to_owned)).collect()
    }

    fn challenge(&self, number: &str, port: &str) -> Vec<String> {
        std::iter::once("challenge".to_owned()).chain(self.node(number, port)).collect()
    }

    fn command<S: AsRef<str>>(&self, args: &[S]) -> Command {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        println!("$ arbitrate {}", args.join(" "));
        let mut c = Command::new(&self.arbitrate);
        c.args(args)
            .env("PALISADE_STATE_DIR", self.dir.path().join("state"))
            .env("PALISADE_RUNTIME_DIR", self.dir.path().join("run"));
        c
    }

    /// Runs one command to its end and insists on its exit code.
    fn expect<S: AsRef<str>>(&self, code: i32, args: &[S]) -> Result<()> {
        let status = self.command(args).status().context("running arbitrate")?;
        println!("(exit {})", status.code().unwrap_or(-1));
        match status.code() {
            Some(c) if c == code => Ok(()),
            Some(c) => bail!("expected exit {code}, got {c}"),
            None => bail!("expected exit {code}, but it was killed: {status}"),
        }
    }

    /// Starts a defender and waits until it says that its lease is confirmed.
    fn defend(&self, number: &str, port: &str) -> Result<Defender> {
        let mut args = vec!["defend".to_owned()];
        args.extend(self.node(number, port));
        args.push("--acquire".to_owned());
        let child = self.command(&args).stdout(Stdio::piped()).spawn().context("starting the defender")?;
        let mut defender = Defender { child };
        let out = defender.child.stdout.take().context("the defender's output")?;
        let mut lines = BufReader::new(out).lines();
        for line in lines.by_ref() {
            let line = line?;
            println!("{line}");
            if line.contains("confirmed; lease valid") {
                // Its later lines are read too, so that it never waits for a reader.
                std::thread::spawn(move || lines.for_each(|l| show_event(l.as_deref().unwrap_or_default())));
                return Ok(defender);
            }
        }
        bail!("the defender ended before it owned the disk: {}", defender.child.wait()?)
    }
}

/// Ticks are routine; what is not, is shown among the challenger's lines.
fn show_event(line: &str) {
    if !line.contains("confirmed; lease valid") {
        println!("  [owner] {}", line.trim());
    }
}

impl Defender {
    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the defender")?;
        self.child.wait().context("waiting for the killed defender")?;
        Ok(())
    }
}

impl Drop for Defender {
    fn drop(&mut self) {
        // Ended already in the ordinary course; then both calls say so and nothing is lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe().context("finding this program")?;
    let path = me.parent().unwrap_or(Path::new(".")).join(name);
    ensure!(
        path.exists(),
        "{} is not there: build the whole workspace (`cargo build --release`)",
        path.display()
    );
    Ok(path)
}
