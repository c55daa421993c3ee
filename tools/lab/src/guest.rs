//! A booted machine, ready for commands.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::agent::Agent;
use crate::host::Lab;
use crate::image::initramfs;
use crate::job::{self, Job, Output, quoted};
use crate::layout::{Node, parse_nodes};
use crate::libtest::{LibtestRun, parse};
use crate::machine::{Exit, Machine};
use crate::setup::Setup;

/// Two seconds on an idle host; a busy one gets time.
const BOOT: Duration = Duration::from_secs(60);
const DISKS: Duration = Duration::from_secs(60);
/// For a command that takes a moment, on a busy host.
const COMMAND: Duration = Duration::from_secs(30);

/// A running machine with its disks. Dropping it kills it.
pub struct Guest {
    agent: Arc<Agent>,
    machine: Mutex<Machine>,
    nodes: Vec<Node>,
}

impl Guest {
    pub(crate) fn boot(lab: &Lab, setup: &Setup) -> Result<Self> {
        let begun = Instant::now();
        let image = initramfs(lab, &setup.files).context("the guest's initramfs")?;
        let packed = begun.elapsed();
        let (machine, wire) = Machine::start(lab, setup, &image)?;
        let (agent, ready) = Agent::start(wire)?;
        let mut guest = Self { agent: Arc::new(agent), machine: Mutex::new(machine), nodes: Vec::new() };
        ready
            .recv_timeout(BOOT)
            .with_context(|| format!("the guest did not come up\n{}", guest.machine().said()))?;
        let booted = begun.elapsed();

        if let Some(watchdog) = setup.watchdog {
            guest.run(&watchdog.command()).context("watchdog")?;
        }
        if let Some(command) = setup.layout.command() {
            let map = guest
                .sh(&command, DISKS)
                .and_then(Output::success)
                .with_context(|| format!("disks\n{}", guest.machine().said()))?;
            guest.nodes = parse_nodes(&map.out())?;
        }
        let disks: usize = guest.nodes.iter().map(|node| node.disks.len()).sum();
        if u32::try_from(disks)? != setup.layout.disks() {
            bail!("{disks} disks instead of {}: {:?}", setup.layout.disks(), guest.nodes);
        }
        eprintln!(
            "lab: image {:.1} s, booted at {:.1} s, {:?} ready at {:.1} s",
            packed.as_secs_f32(),
            booted.as_secs_f32(),
            setup.layout,
            begun.elapsed().as_secs_f32(),
        );
        Ok(guest)
    }

    /// The nodes n1, n2, … in this order; empty for [`crate::Layout::Plain`].
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| format!("no node {name}"))
    }

    /// Runs a shell command that takes a moment and must succeed; returns its standard output, without white
    /// space around it.
    ///
    /// # Errors
    /// A status other than 0, half a minute passed, or the guest is gone.
    pub fn run(&self, command: &str) -> Result<String> {
        let output =
            self.sh(command, COMMAND)?.success().with_context(|| format!("in the guest: {command}"))?;
        Ok(output.out().trim().to_owned())
    }

    /// Runs a shell command to its end. Commands of several threads run at the same time.
    ///
    /// # Errors
    /// Not ended within `timeout` (its process group is then killed), or the guest is gone. A status other than
    /// 0 is no error here.
    pub fn sh(&self, command: &str, timeout: Duration) -> Result<Output> {
        self.told(self.spawn(command).and_then(|job| job.finish(timeout)))
    }

    /// Like [`Guest::sh`], handing on what the command writes (both outputs as one) while it runs.
    ///
    /// # Errors
    /// As for [`Guest::sh`].
    pub fn stream(&self, command: &str, timeout: Duration, piece: impl FnMut(&[u8])) -> Result<Output> {
        self.told(job::stream(&self.agent, command, timeout, piece))
    }

    /// Starts a shell command and lets it run.
    ///
    /// # Errors
    /// The guest is gone.
    pub fn spawn(&self, command: &str) -> Result<Job> {
        Job::start(&self.agent, command)
    }

    /// Waits for a line in a file of the guest that matches an extended regular expression, and returns it. The
    /// file may come into being meanwhile.
    ///
    /// # Errors
    /// No such line in time; the message holds the file's end.
    pub fn wait_line(&self, file: &str, pattern: &str, timeout: Duration) -> Result<String> {
        job::wait_line(&self.agent, pattern, &[file.to_owned()], timeout)
    }

    /// Writes a small text file in the guest. (Programs go in by [`Setup::program`].)
    ///
    /// # Errors
    /// It could not be written, or the guest is gone.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        self.run(&format!("printf %s {} >{}", quoted(text), quoted(file))).map(drop)
    }

    /// Runs a program that cargo built from tests (see [`crate::test_program`]), which the setup put in the
    /// guest's `/bin`, and takes its results apart. What it writes goes to this process' stderr.
    ///
    /// Tests run one at a time, since they share the disks, unless `arguments` say otherwise.
    ///
    /// # Errors
    /// A test failed, none ran, or the program ended in another way than its results say: the message names the
    /// failed ones.
    pub fn run_libtest(
        &self,
        program: &str,
        environment: &[(&str, &str)],
        arguments: &[&str],
        timeout: Duration,
    ) -> Result<LibtestRun> {
        let mut command = String::from("exec env RUST_BACKTRACE=0");
        for (name, value) in environment {
            write!(command, " {name}={}", quoted(value))?;
        }
        write!(command, " {} --color=never --test-threads=1", quoted(program))?;
        for argument in arguments {
            write!(command, " {}", quoted(argument))?;
        }
        let output = self.stream(&command, timeout, |piece| eprint!("{}", String::from_utf8_lossy(piece)))?;
        parse(&output.out())?.checked(output.status).with_context(|| format!("in the guest: {program}"))
    }

    /// Stops the machine and its clock, as a hypervisor's pause does. No watchdog of the guest notices.
    ///
    /// # Errors
    /// QEMU is gone or refuses.
    pub fn pause(&self) -> Result<()> {
        self.machine().pause()
    }

    /// Ends [`Guest::pause`].
    ///
    /// # Errors
    /// QEMU is gone or refuses.
    pub fn resume(&self) -> Result<()> {
        self.machine().resume()
    }

    /// Freezes the machine while its clock goes on: when thawed, time has jumped.
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn freeze(&self) -> Result<()> {
        self.machine().signal(Signal::SIGSTOP)
    }

    /// Ends [`Guest::freeze`].
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn thaw(&self) -> Result<()> {
        self.machine().signal(Signal::SIGCONT)
    }

    /// Waits for the machine to end by itself: a reset by its watchdog, a panic, a power-off.
    ///
    /// # Errors
    /// It still runs when the time is up.
    pub fn wait_exit(&self, timeout: Duration) -> Result<Exit> {
        self.machine().wait(timeout)
    }

    /// Power loss.
    ///
    /// # Errors
    /// The process could not be killed.
    pub fn kill(&self) -> Result<()> {
        self.machine().kill()
    }

    /// What the guest's console has said so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.machine().console()
    }

    /// An error is often only the first sign that the machine has ended: then that is the news.
    fn told<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match self.wait_exit(Duration::from_millis(500)) {
            Ok(exit) => {
                let reason = exit.reason.as_deref().unwrap_or("no reason given");
                error.context(format!("the machine has ended: {reason}\n{}", self.machine().said()))
            }
            Err(_) => error,
        })
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // A panic elsewhere leaves nothing half done in it.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
